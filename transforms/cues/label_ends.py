"""Where labelled answers end: before rules, sources and tags, and where the text goes on."""

import itertools
import re
from collections.abc import Sequence
from typing import NamedTuple

from transforms.cues.above import line_text
from transforms.cues.blocks import ASKING_WORD
from transforms.cues.labels import Label
from transforms.cues.wordless import without_closing_tags
from transforms.cues.words import QUESTION_MARKS
from transforms.episodes import trim
from transforms.lines import Lines

_MIN_QUESTION_WORDS = 4
# So many of a document's last answers are compared, and so many paragraphs of each.
_MIN_COMPARED, _MAX_COMPARED, _MAX_PARAGRAPHS = 3, 51, 30
# An answer this many times as long as the longest other runs on into what follows.
_MUCH = 8
RULE = re.compile(r"-{10,}|={10,}|_{10,}|\*{10,}")
"""A rule, all of its line."""
_SOURCE = re.compile(r"[ \t]+(?:--|—|―)[ \t]+\S")
_ITEM = re.compile(r"\s*(?:[-*+•]|[(\[]?(?:\d{1,3}|[a-z])[.)\]])\s")
OPENS_ASKING = re.compile(ASKING_WORD)
"""Text that opens with a word that asks."""
MAX_TITLE_LINES = 3
"""So many lines a title has at most."""


class Pair(NamedTuple):
    """A labelled question and its answer.

    Attributes:
      question: the question's label.
      question_end: byte offset.
      answer: the answer's label; None where the answer has none.
      answer_start: byte offset.
      answer_end: byte offset.
    """

    question: Label
    question_end: int
    answer: Label | None
    answer_start: int
    answer_end: int


def answer_end(lines: Lines, start: int, end: int) -> int:
    """The end of an answer, int byte offsets, without what parts it from the next below it."""
    for shorten in (_without_rule, _without_source, _without_tags):
        end = shorten(lines, start, end)
    return end


def _without_rule(lines: Lines, start: int, end: int) -> int:
    """The end of an answer without the rule below it that parts it from the next question."""
    line = int(lines.start.searchsorted(end)) - 1
    is_rule = RULE.fullmatch(line_text(lines, line)) is not None
    at = int(lines.start[line])
    return trim(lines.data, start, at)[1] if is_rule and start < at and lines.opens[line] else end


def _without_source(lines: Lines, start: int, end: int) -> int:
    """The end of an answer without the indented line or two below it that say whose words it is."""
    last = int(lines.start.searchsorted(end)) - 1
    for line in (last, last - 1):
        at = int(lines.start[line])
        if at <= start or lines.indent[line] == 0:
            break
        if _SOURCE.match(line_text(lines, line)):
            is_list = _SOURCE.match(line_text(lines, line - 1)) is not None
            return end if is_list else trim(lines.data, start, at)[1]
    return end


def _without_tags(lines: Lines, start: int, end: int) -> int:
    """The end of an answer without the tags below it that close what was open before it."""
    first, last = (int(line) for line in lines.start.searchsorted([start, end - 1], side="right"))
    cut = without_closing_tags(lines, first, last) if first < last else last
    return end if cut == last else trim(lines.data, start, int(lines.start[cut]))[1]


def without_rest(lines: Lines, pairs: Sequence[Pair]) -> list[Pair]:
    """Ends answers, the last of documents above all, where the text goes on with something else.

    An answer that no label follows has as many paragraphs as the longest of those that one does.
    Where there is none to compare with, and the document has prose above the question, it has one
    paragraph, with what its last line points at or what is set deeper.
    """
    kept = []
    for _, group in itertools.groupby(pairs, lambda found: found.question.document):
        *others, last = some = list(group)
        sizes = [len(_paragraphs(lines, found)) for found in some[-_MAX_COMPARED:]]
        usual = [size for size in sizes if size < _MAX_PARAGRAPHS]
        if len(usual) > 1 and _MUCH * max(usual) <= _MAX_PARAGRAPHS:
            # What has the length of a chapter among short ones runs on as well.
            for i, size in enumerate(sizes, len(some) - len(sizes)):
                if size == _MAX_PARAGRAPHS:
                    some[i] = _cut(lines, some[i], max(usual))
        floor = int(lines.first_line[last.question.document])
        is_opening = last.question.line - floor <= MAX_TITLE_LINES
        before = sizes[:-1]
        n_kept = max(before) if len(before) >= _MIN_COMPARED else 0 if others or is_opening else 1
        kept += [*some[:-1], _cut(lines, some[-1], n_kept)]
    return kept


def without_unlabelled(lines: Lines, pairs: Sequence[Pair]) -> list[Pair]:
    """Ends the only answer of several paragraphs at its second, if that is the next question.

    Then it is a line that opens as questions do and ends in their mark, above one that does not.
    """
    kept: list[Pair] = []
    for _, group in itertools.groupby(pairs, lambda found: found.question.document):
        some = list(group)
        paragraphs = [_paragraphs(lines, found) for found in some]
        several = [i for i, each in enumerate(paragraphs) if len(each) > 1]
        if len(several) == 1 and len(some) > 1 and len(paragraphs[several[0]]) > 2:
            found = some[several[0]]
            _, asking, below, *_ = paragraphs[several[0]]
            text = line_text(lines, asking)
            is_question = (
                bool(lines.closes[asking])
                and lines.indent[asking] <= found.question.indent
                and text.endswith(QUESTION_MARKS)
                and len(text.split()) >= _MIN_QUESTION_WORDS
                and OPENS_ASKING.match(text) is not None
            )
            if is_question and not line_text(lines, below).endswith(QUESTION_MARKS):
                some[several[0]] = found._replace(answer_end=int(lines.start[asking]))
        kept += some
    return kept


def _cut(lines: Lines, found: Pair, n_kept: int) -> Pair:
    """A pair whose answer has so many paragraphs, and what is shown, listed or set deeper below."""
    indent = int(lines.indent[found.question.line])
    for line in _paragraphs(lines, found)[n_kept:] if n_kept else []:
        above = int(lines.filled[lines.filled.searchsorted(line) - 1])
        is_shown = line_text(lines, above).endswith((":", "："))
        is_item = _ITEM.match(line_text(lines, line)) is not None
        if not is_shown and lines.indent[line] <= indent and not is_item:
            return found._replace(answer_end=int(lines.start[line]))
    return found


def _paragraphs(lines: Lines, found: Pair) -> list[int]:
    """The first lines of an answer's paragraphs, but for so many of a very long one."""
    line = int(lines.start.searchsorted(found.answer_start, side="right")) - 1
    end = int(lines.start.searchsorted(found.answer_end))
    low, high = lines.openers.searchsorted([line + 1, end])
    return [line, *lines.openers[low : min(high, low + _MAX_PARAGRAPHS - 1)].tolist()]
