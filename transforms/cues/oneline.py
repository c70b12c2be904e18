"""Question and answer in one line, as in "**Why?** So." or "What is it? :: It is so".

What parts them, and what stands before them, must be the same in several lines of a document, and
most lines between the first and the last of these must be like them: a paragraph of prose may open
with a question that it answers.
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from transforms.candidates import Candidates, LinePattern
from transforms.cues import labels
from transforms.cues.family import CueFamily, Episode, pair
from transforms.lines import Lines

GAME = "oneline"

# Cells of a table are parted by bars; a first one may count its rows.
_CELL = r"\|[ \t]*(?:\d{1,3}[ \t]*\|[ \t]*)?"
_BULLET = r"(?:(?:[*+•◦‣●■▪○→»-]|o)[ \t]+|[\[(]?\d{1,3}(?:\.\d{1,3}){0,3}[.):\]]{1,2}[ \t]+)"
_SEPARATOR = r"(?:::|->|→|=>|--|[-–—|:])"
_ASKING = LinePattern(
    rf"^[ \t]{{0,12}}(?:{_BULLET}|{_CELL})?(?:\*\*|__|\*|_)?[¿\"'“‘«(\[`]?[\p{{Lu}}\p{{Lt}}\p{{Lo}}"
    r"\d_][^\n?？؟]*(?:[?？؟][)\"'”’»]?(?:\*\*|__|\*|_)?(?:[ \t]+|::)\S|？[^\s？])",
    holds="?？؟",
)
"""Lines that ask before their end."""

_LINE = re.compile(
    rf"""[ \t]*+(?P<bullet>(?>{_BULLET}|{_CELL}))?(?P<em>\*\*|__|\*|_)?
    (?P<question>[^\n?？؟]*[?？؟]+[)"'”’»]?)(?P<close>\*\*|__|\*|_)?
    (?P<gap>[ \t]*+(?:(?P<sep>{_SEPARATOR})[ \t]+|(?P<cards>::))?)(?P<answer>\S.*)""",
    re.VERBOSE,
)
_LAST_CELL = re.compile(r"[^|]*+(?=\|$)")
_MARKED = re.compile(r"(?:^|\s)[?？؟]")
# What is parted by a mark, or set in bold, is a pair more surely than two sentences of an item; two
# sentences of a plain paragraph are prose more often than not.
_MIN_MARKED = 3
_MIN_ITEMS = 3
_MIN_PLAIN = 4
_MOSTLY_ITEMS = 0.6
_MOSTLY_PLAIN = 0.8
_MAX_QUESTION = 300
_MAX_ITEM_LINES = 40


class Line(NamedTuple):
    """A line that asks and goes on.

    Attributes:
      line: its number.
      document: ordinal of its document.
      form: alike for peers: bullet, emphasis, what parts question and answer, indentation.
      start: byte offset of the question.
      question_end: byte offset.
      answer: byte offset of the answer's start.
      answer_end: byte offset of its end, in a row of a table; None where lines below belong to it.
    """

    line: int
    document: int
    form: tuple[str, str, str, int]
    start: int
    question_end: int
    answer: int
    answer_end: int | None


def find(candidates: Candidates) -> Sequence[Episode]:
    """Lines of one form that ask and answer."""
    lines = candidates.lines
    found = list(_read(candidates))
    found.sort(key=lambda each: (each.document, each.form, each.line))
    episodes: list[Episode] = []
    for (_, form), group in itertools.groupby(found, lambda each: (each.document, each.form)):
        peers = list(group)
        if len(peers) >= _minimum(form):
            episodes.extend(_listed(lines, form, peers))
        else:
            candidates.refuse([each.line for each in peers], GAME, "too few lines of its form")
    return episodes


def _read(candidates: Candidates) -> Iterator[Line]:
    lines = candidates.lines
    number, text = candidates.matching(_ASKING)
    is_label = candidates.matches(number, labels.LABELS)
    number, text = number[~is_label], text.filter(pl.Series(~is_label))
    places = zip(
        number.tolist(),
        lines.document_of(number).tolist(),
        lines.start[number].tolist(),
        lines.indent[number].tolist(),
        lines.opens[number].tolist(),
        text.to_list(),
        strict=True,
    )
    for line, document, start, indent, is_head, content in places:
        match = _LINE.match(content.rstrip())
        if match is None or len(match["question"]) > _MAX_QUESTION:
            continue
        bullet, emphasis = (match["bullet"] or "").strip(), match["em"] or ""
        if emphasis != (match["close"] or "") or _MARKED.match(match["question"]):
            continue
        separator = match["sep"] or match["cards"] or ("\t" if "\t" in match["gap"] else "")
        # Prose is read at the head of its paragraphs.
        if not (bullet or separator or is_head):
            continue
        is_row = bullet.startswith("|")
        cell = _LAST_CELL.match(match["answer"]) if is_row else None
        if is_row and (cell is None or separator != "|"):
            continue
        kind = "|" if is_row else "1" if any(map(str.isdigit, bullet)) else bullet
        at = [
            start + len(content[: match.start(name)].encode())
            for name in ("question", "close", "answer")
            if match.start(name) >= 0
        ]
        question_end = start + len(content[: match.end("question")].encode())
        cell_end = None if cell is None else at[-1] + len(cell[0].rstrip().encode())
        form = (kind, emphasis, separator, indent)
        yield Line(line, document, form, at[0], question_end, at[-1], cell_end)


def _minimum(form: tuple[str, str, str, int]) -> int:
    bullet, emphasis, separator, _ = form
    if emphasis in ("**", "__") or separator:
        return _MIN_MARKED
    return _MIN_ITEMS if bullet else _MIN_PLAIN


def _listed(lines: Lines, form: tuple[str, str, str, int], peers: list[Line]) -> Iterator[Episode]:
    """The peers that stand among their like, each with what belongs to it."""
    bullet, emphasis, separator, indent = form
    share = _MOSTLY_ITEMS if bullet or emphasis or separator else _MOSTLY_PLAIN
    numbers = np.array([each.line for each in peers])
    ends = [_end(lines, each, following) for each, following in _followed(peers)]
    filled = lines.filled[slice(*lines.filled.searchsorted([numbers[0], ends[-1]]))]
    # Lines that might have been peers: as deep as they are, and first in paragraph or item.
    is_rival = lines.indent[filled] <= indent
    if bullet:
        is_rival &= lines.matching(filled, rf"^[ \t]*(?:{_BULLET}|\|[^\n]*[^\s|:-])")
    elif not separator:
        is_rival &= lines.opens[filled]
    if len(peers) < share * is_rival.sum():
        return
    for each, end in zip(peers, ends, strict=True):
        found = pair(
            (each.start, each.question_end),
            (each.answer, each.answer_end or int(lines.start[end])),
            start=int(lines.content_start[each.line]),
            cue=f"{bullet}{emphasis}?{separator}".replace("\t", "tab"),
        )
        # The bar that closes a row is a marker.
        yield found if each.answer_end is None else found._replace(end=int(lines.start[end]))


def _followed(peers: list[Line]) -> Iterator[tuple[Line, Line | None]]:
    return itertools.zip_longest(peers, peers[1:])


def _end(lines: Lines, each: Line, following: Line | None) -> int:
    """The line after the last that belongs to a line: of its paragraph, or of its item."""
    limit = int(lines.first_line[each.document + 1])
    if following is not None:
        limit = min(limit, following.line)
    end = each.line + 1
    indent = int(lines.indent[each.line])
    is_item = bool(each.form[0] or each.form[2])
    for line in range(each.line + 1, min(limit, each.line + _MAX_ITEM_LINES)):
        if lines.is_blank[line] or (is_item and int(lines.indent[line]) <= indent):
            break
        end = line + 1
    return end


FAMILY = CueFamily(name=GAME, find=find)
