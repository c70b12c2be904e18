"""Where the answers to questions in plain lines end: at titles, peers and numbers that count on."""

import numpy as np
import polars as pl

from transforms.candidates import CAPITALS, Candidates, LinePattern
from transforms.cues.blocks import ASKS, Questions, is_title
from transforms.cues.entries import next_entries
from transforms.lines import Int64s, Lines

_IN_CAPITALS = LinePattern(r"^[A-Z][A-Z0-9 ,/&'()-]{3,}\s*$", opens=CAPITALS)
"""Lines in capitals, the titles of plain manuals."""


_ASKS_OR_QUOTES = rf"{ASKS}\s*$|^[ \t]*[\"“‘`][^\n.,:;!?]{{1,80}}[\p{{L}}\p{{N}}]\s*$"
"""Titles of a list of questions that ask, or open with the name of what fails."""


_MIN_FLAT = 3
_MOSTLY = 2 / 3


def section_ends(candidates: Candidates, questions: Questions) -> Int64s:
    """int64 [n], the line after each answer's last."""
    lines = candidates.lines
    capitals, _ = candidates.matching(_IN_CAPITALS)
    capitals = capitals[lines.opens[capitals]]
    headings = np.array([heading.first_line for heading in candidates.outline], np.int64)
    following = next_entries(candidates, questions)
    titles = _outdented_titles(lines, questions)
    peers = np.append(questions.line, titles)
    opened = _with_titles(lines, peers, questions.body)
    stops = np.sort(np.concatenate([opened, capitals, headings, [lines.n_lines]]))
    after = stops[np.searchsorted(stops, questions.body, side="right")]
    end = np.minimum(after, lines.first_line[questions.document + 1])
    return _until_dedent(lines, questions, np.minimum(end, following))


def _outdented_titles(lines: Lines, questions: Questions) -> Int64s:
    """int64 [n], the lines that stand as questions do whose answers are less indented.

    What stands alone, deeper than the text below it and as deep as those questions, is a title
    even where it does not ask.
    """
    body = lines.indent[questions.body]
    is_outdented = body < questions.indent
    key = _indents_key(questions.document, questions.indent, body)
    keys, counts = np.unique(key[is_outdented], return_counts=True)
    keys = keys[counts >= _MIN_FLAT]
    if len(keys) == 0:
        return np.zeros(0, np.int64)
    is_alone = lines.opens & lines.closes & ~lines.is_blank
    is_alone &= lines.shares_document(questions.line[is_outdented])
    alone = np.flatnonzero(is_alone)
    below = np.minimum(lines.next_filled(alone), lines.n_lines - 1)
    key = _indents_key(lines.document_of(alone), lines.indent[alone], lines.indent[below])
    alone = alone[np.isin(key, keys)]
    above = lines.filled[np.maximum(np.searchsorted(lines.filled, alone) - 1, 0)]
    is_shown = lines.matching(above, r"[:：]\s*$")
    asks_or_names = is_title(lines, alone) | lines.matching(alone, _ASKS_OR_QUOTES)
    found: Int64s = alone[asks_or_names & ~is_shown]
    return found


def _indents_key(document: Int64s, indent: Int64s, below: Int64s) -> Int64s:
    key: Int64s = (document * 256 + np.minimum(indent, 255)) * 256 + np.minimum(below, 255)
    return key


def _with_titles(lines: Lines, line: Int64s, bodies: Int64s) -> Int64s:
    """int64 [n], each of the lines that open a peer, or the title that stands right above it.

    Args:
      lines: of all documents.
      line: the lines.
      bodies: the first lines of answers.
    """
    before = np.searchsorted(lines.filled, line) - 1
    above = lines.filled[np.maximum(before, 0)]
    is_alone = lines.opens[above] & (lines.closes[above] | (above == line - 1))
    is_shallow = lines.indent[above] <= lines.indent[line]
    # The first line of the answer before is an answer, however short.
    is_free = ~np.isin(above, bodies) & (before >= 0)
    is_free &= above >= lines.first_line[lines.document_of(line)]
    is_above = is_title(lines, above) & is_alone & is_shallow & is_free
    opened: Int64s = np.where(is_above, above, line)
    return opened


def _until_dedent(lines: Lines, questions: Questions, end: Int64s) -> Int64s:
    """Ends answers where the text comes back to the question's indentation.

    That means something only among peers whose answers are mostly indented.
    """
    end = end.copy()
    hangs = lines.indent[questions.body] > questions.indent
    frame = pl.DataFrame({"key": questions.key, "hangs": hangs})
    share = frame.select(pl.col("hangs").mean().over("key"))["hangs"].to_numpy()
    ruled = hangs & (share >= _MOSTLY)
    filled_indent = lines.indent[lines.filled]
    for indent in np.unique(questions.indent[ruled]).tolist():
        shallow = np.append(lines.filled[filled_indent <= indent], lines.n_lines)
        which = np.flatnonzero(ruled & (questions.indent == indent))
        dedent = shallow[np.searchsorted(shallow, questions.body[which], side="right")]
        end[which] = np.minimum(end[which], dedent)
    return end
