"""Questions in plain lines that stand alone, numbered or not, without any markup.

Three layouts are told apart by what follows the question: a blank line ("spaced"), a body that is
indented deeper ("hanging"), or a body right below at the same indentation ("flat").
"""

import dataclasses
import enum
import re
from collections.abc import Iterator

import numpy as np
import polars as pl

from transforms.candidates import Candidates
from transforms.cues import labels
from transforms.cues.family import Episode, pair
from transforms.cues.wordless import AnswerEnds, has_words
from transforms.lines import Bools, Int64s, Lines

ASKS = r"[?？؟][)\]\"'”’»]?(?:[ \t]+\([^()\n]{1,60}\))?"
"""Rust and Python regular expression of the end of a question; an aside may follow it."""

_NUMBER = r"\d{1,3}(?:\.\d{1,3}){0,3}"
STANDING = (
    rf"^\f?[ \t]{{0,6}}(?:{_NUMBER}[.):]?[ \t]+)?[¿\"'“‘«(\[]?[\p{{Lu}}\p{{Lt}}\p{{Lo}}\d_]"
    rf"[^\n]+{ASKS}\s*$"
)
"""Rust regular expression of lines that ask and start like a sentence."""

CAPITALS = r"^[A-Z][A-Z0-9 ,/&'()-]{3,}\s*$"
"""Rust regular expression of lines in capitals, the titles of plain manuals."""

_QUOTED = r"""^\s*["“«][^\n]*["”»]\s*$"""
_TITLE = r"^[ \t]{0,6}[\p{Lu}\p{Lt}\p{Lo}\d][^\n.,;!?<>]*[\p{L}\p{N})]\s*$"
_IDENTIFIER = re.compile(r"(?=.*[._])[^\W\d][\w.]*")
# Lengths are looked at apart: counted repetition of a class makes a slow automaton.
_MAX_QUESTION_BYTES = 300
_MAX_TITLE_BYTES = 80
_MIN_SPACED = 2
_MIN_FLAT = 3
# A page of questions and answers asks at least this often; prose that asks now and then does not.
_MAX_ANSWER_BYTES = 8_000
_MOSTLY = 2 / 3


class Layout(enum.IntEnum):
    """What follows a line."""

    SPACED = 0
    HANGING = 1
    FLAT = 2


@dataclasses.dataclass(frozen=True, eq=False)
class Questions:
    """Lines that stand alone and ask; int64 [n] each, ascending by line.

    Attributes:
      line: number of the line.
      document: ordinal of its document.
      indent: columns of its indentation.
      layout: a Layout.
      depth: how many numbers its own number has, 0 without one.
      body: the next line that is not blank.
      number_end: byte offset of the question, past its own number.
    """

    line: Int64s
    document: Int64s
    indent: Int64s
    layout: Int64s
    depth: Int64s
    body: Int64s
    number_end: Int64s

    def where(self, keep: Bools) -> "Questions":
        """Those for which keep, bool [n], holds."""
        fields = dataclasses.fields(self)
        return Questions(*(getattr(self, field.name)[keep] for field in fields))

    def key(self) -> Int64s:
        """int64 [n], alike for peers: same document, indentation and depth of number."""
        return (self.document * 1024 + np.minimum(self.indent, 255)) * 4 + np.minimum(self.depth, 3)


def find_standing(candidates: Candidates) -> Iterator[Episode]:
    """Questions in plain lines with what stands below them."""
    lines = candidates.lines
    questions = _read(candidates)
    questions = questions.where(_has_body(candidates, questions))
    questions = questions.where(~_is_summary(candidates, questions))
    questions = questions.where(_is_listed(lines, questions))
    if len(questions.line) == 0:
        return
    ends = _ends(candidates, questions)
    answer_ends = candidates.once(AnswerEnds)
    for line, start, end in zip(
        questions.line.tolist(), questions.number_end.tolist(), ends.tolist(), strict=True
    ):
        body = int(lines.start[line + 1])
        answer_end = int(lines.start[answer_ends.end(line + 1, end)])
        if has_words(lines, body, answer_end):
            yield pair(
                (start, body),
                (body, answer_end),
                start=int(lines.content_start[line]),
                cue="line?",
            )


def _read(candidates: Candidates) -> Questions:
    """The lines that stand alone and ask, in whatever document."""
    lines = candidates.lines
    number, text = candidates.matching(STANDING)
    is_other = text.str.contains(labels.CANDIDATE) | text.str.contains(_QUOTED)
    titles = [heading.title_line for heading in candidates.outline]
    is_other |= text.str.len_bytes() > _MAX_QUESTION_BYTES
    plain = ~is_other.to_numpy() & ~np.isin(number, np.array(titles, np.int64))
    number, text = number[plain], text.filter(plain)
    opens, closes = lines.opens[number], lines.closes[number]
    indent = lines.indent[number]
    below = lines.indent[np.minimum(number + 1, lines.n_lines - 1)]
    layout = np.where(closes, Layout.SPACED, np.where(below > indent, Layout.HANGING, Layout.FLAT))
    prefix = text.str.extract(rf"^\s*({_NUMBER}[.):]?[ \t]+)", 1).fill_null("")
    depth = prefix.str.strip_chars(" \t.):").str.count_matches(r"\d+").to_numpy()
    number_end = lines.content_start[number] + prefix.str.len_bytes().to_numpy()
    questions = Questions(
        number,
        lines.document_of(number),
        indent,
        layout.astype(np.int64),
        depth.astype(np.int64),
        lines.next_filled(number),
        number_end.astype(np.int64),
    )
    stands = opens | _follows_title(lines, number)
    return questions.where(stands & ((layout != Layout.FLAT) | (below == indent)))


def _follows_title(lines: Lines, number: Int64s) -> Bools:
    """Bool [n], whether a title stands right above: a short line that opens a paragraph."""
    above = np.maximum(number - 1, 0)
    return _is_title(lines, above) & lines.opens[above] & ~np.isin(number, lines.first_line)


def _is_title(lines: Lines, number: Int64s) -> Bools:
    """Bool [n], whether a line is short, starts like a title and is not punctuated."""
    text = lines.text.gather(number)
    is_title = text.str.contains(_TITLE) & (text.str.len_bytes() <= _MAX_TITLE_BYTES)
    return np.asarray(is_title.to_numpy(), np.bool_)


def _has_body(candidates: Candidates, questions: Questions) -> Bools:
    """Bool [n], whether something other than the next question stands below each.

    The line after two bare questions is bare too, whatever follows: it closes a table of
    contents. A heading right below belongs to what follows it: nobody answered.
    """
    lines = candidates.lines
    headings = np.array([heading.first_line for heading in candidates.outline], np.int64)
    is_within = questions.body < lines.first_line[questions.document + 1]
    is_within &= ~np.isin(questions.body, headings)
    is_bare = np.isin(questions.body, questions.line)
    is_second = is_bare & np.isin(questions.line, questions.body[is_bare])
    closes_run = np.isin(questions.line, questions.body[is_second])
    usable: Bools = is_within & ~is_bare & ~(closes_run & (questions.layout != Layout.HANGING))
    return usable


def _is_summary(candidates: Candidates, questions: Questions) -> Bools:
    """Bool [n], whether each is the first line below a heading that names something of a program.

    "Is this a subtype?" below `types.is_subtype` says what the function answers; the text below
    says how, and answers nothing.
    """
    named = [each.last_line for each in candidates.outline if _IDENTIFIER.fullmatch(each.title)]
    summaries = candidates.lines.next_filled(np.array(named, np.int64))
    return np.isin(questions.line, summaries)


def _is_listed(lines: Lines, questions: Questions) -> Bools:
    """Bool [n], whether enough peers in the same document ask as often as a list of questions."""
    if len(questions.line) == 0:
        return np.zeros(0, np.bool_)
    start = lines.start[questions.line]
    frame = pl.DataFrame(
        {"key": questions.key(), "flat": questions.layout == Layout.FLAT, "start": start}
    )
    n_peers = pl.len().over("key")
    n_flat = pl.col("flat").sum().over("key")
    span = (pl.col("start").max() - pl.col("start").min()).over("key")
    is_enough = pl.when("flat").then(n_flat >= _MIN_FLAT).otherwise(n_peers >= _MIN_SPACED)
    is_dense = span <= n_peers.cast(pl.Int64) * _MAX_ANSWER_BYTES
    return frame.select((is_enough & is_dense).alias("is_listed"))["is_listed"].to_numpy()


def _ends(candidates: Candidates, questions: Questions) -> Int64s:
    """int64 [n], the line after each answer's last."""
    lines = candidates.lines
    capitals, _ = candidates.matching(CAPITALS)
    capitals = capitals[lines.opens[capitals]]
    headings = np.array([heading.first_line for heading in candidates.outline], np.int64)
    stops = np.unique(
        np.concatenate([_with_titles(lines, questions), capitals, headings, [lines.n_lines]])
    )
    after = stops[np.searchsorted(stops, questions.body, side="right")]
    end = np.minimum(after, lines.first_line[questions.document + 1])
    return _until_dedent(lines, questions, end)


def _with_titles(lines: Lines, questions: Questions) -> Int64s:
    """int64 [n], the line of each question, or of the title that stands right above it."""
    before = np.searchsorted(lines.filled, questions.line) - 1
    above = lines.filled[np.maximum(before, 0)]
    is_alone = lines.opens[above] & (lines.closes[above] | (above == questions.line - 1))
    is_shallow = lines.indent[above] <= questions.indent
    # The first line of the answer before is an answer, however short.
    is_free = ~np.isin(above, questions.body) & (before >= 0)
    is_title = _is_title(lines, above) & is_alone & is_shallow & is_free
    return np.where(is_title, above, questions.line)


def _until_dedent(lines: Lines, questions: Questions, end: Int64s) -> Int64s:
    """Ends answers where the text comes back to the question's indentation.

    That means something only among peers whose answers are mostly indented.
    """
    end = end.copy()
    hangs = lines.indent[questions.body] > questions.indent
    frame = pl.DataFrame({"key": questions.key(), "hangs": hangs})
    share = frame.select(pl.col("hangs").mean().over("key"))["hangs"].to_numpy()
    ruled = hangs & (share >= _MOSTLY)
    filled_indent = lines.indent[lines.filled]
    for indent in np.unique(questions.indent[ruled]).tolist():
        shallow = np.append(lines.filled[filled_indent <= indent], lines.n_lines)
        which = np.flatnonzero(ruled & (questions.indent == indent))
        dedent = shallow[np.searchsorted(shallow, questions.body[which], side="right")]
        end[which] = np.minimum(end[which], dedent)
    return end
