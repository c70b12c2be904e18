r"""Questions without an answer's label, with steps below them that a final answer closes.

"#### 42" is sure enough to look for a question above the steps; "Answer: 42", "The answer is 42."
and a box are so if steps are numbered or the document does it again. A question ends with its mark,
or right above a label that opens the response: "Solution: ...".
"""

import bisect
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from schemas.episode import SegmentKind
from transforms.candidates import Candidates, LinePattern
from transforms.cues import fields, label
from transforms.cues.above import line_text, paragraph_above
from transforms.cues.family import Content, Episode
from transforms.cues.final import LABELLED, find_final
from transforms.cues.labels import read_labels
from transforms.cues.options import LABEL
from transforms.cues.steps import STEPS, with_options, worked
from transforms.cues.words import FINAL_WORDS, SOLVING
from transforms.episodes import trim
from transforms.lines import Bools, Int64s, Lines

_ANSWERS = LinePattern(
    rf"(?i:^{LABELLED})", words=("the", "final", "correct", "numerical", *FINAL_WORDS)
)
_BOXES = LinePattern(r"\\boxed\{", holds="\\")
_SAYS = r"(?i:answer is[ :])"

_RESPONSES = "answer|solution|explanation|reasoning|rationale|thought"
_OPENS = LinePattern(
    rf"(?i:^[ \t]*[*_]{{0,2}}(?:(?:{_RESPONSES})[a-z ]{{0,20}}"
    r"|output|target)(?:\d+[ \t]*|\([^()\n]{1,40}\)(?: with [a-z -]{1,30})?)?"
    r"[*_]{0,2}[:：.][*_]{0,2})",
    words=(*_RESPONSES.split("|"), "output", "target"),
)
"""Lines that open a response."""
_OPENING = re.compile(_OPENS.pattern)
_MARKED = LinePattern(r"[?？؟]\s*$", holds="?？؟")
"""Lines that end in a question mark."""

_SOLVING = rf"(?i:^[ \t#*_]*(?:{'|'.join(sorted(SOLVING))}))"
# "Input:" labels too many things to be a question's label everywhere.
_INPUTS = LinePattern(
    r"^[ \t]*[*_]{0,2}Input[*_]{0,2}[:：][*_]{0,2}(?:[ \t\r\n]|$)", words=("input",), holds=":："
)
_NUMBER = re.compile(r"\(?\d{1,3}[.):][ \t]+")
# What an exercise opens with that asks nothing: it opens the text since the last final answer.
_EXERCISE = re.compile(
    r"\s*(?:\(?\d{1,3}[.):][ \t]+)?[*_]{0,2}(?:Solve|Find|Compute|Calculate|Evaluate|Simplify"
    r"|Determine|Factor|Expand|Differentiate|Integrate|Express|Convert|Estimate|Prove|Show|If|Let"
    r"|Given|Suppose"
    r"|Löse|Berechne|Bestimme|Vereinfache|Résoudre|Résous|Calcule[rz]?|Déterminer?|Trouver?"
    r"|Resuelve|Calcula|Determine|Encuentra|Risolvi|Calcola|Trova|Решите|Найдите|Вычислите|求|计算|解)"
    r"(?:\b|(?<=[求算解]))"
)
# What a final answer is where only the sentence before it says so: a value, a choice, a few words.
_VALUE = re.compile(r"\(?[A-Ja-j]\)?|.*[\d$\\].*|(?:\S+ ){0,2}\S+")
_GIVEN_RULE = re.compile(r"\s*+(?:={3,}|-{3,})[ \t]*\n")
_SPEAKER = re.compile(r"^(?:Person|Speaker|User|AI|Human|Assistant)(?: #?\d)?:", re.MULTILINE)
_MAX_QUESTION_BYTES = 4_000
_MAX_STEPS = 200
_MAX_PARAGRAPHS = 12
_MIN_RECURRING = 2


class _Bare(NamedTuple):
    """A question without a label above a final answer, and whether one such is enough."""

    episode: Episode
    document: int
    is_sure: bool


class _Asking(NamedTuple):
    """Where questions stand and responses open; ascending numbers of lines.

    Attributes:
      labelled: lines with a question's label.
      starts: byte offset of what each of these labels.
      marked: lines that end in a question mark.
      opens: lines that open a response.
      steps: lines that open steps.
    """

    labelled: list[int]
    starts: Mapping[int, int]
    marked: list[int]
    opens: list[int]
    steps: frozenset[int]


def find_bare(candidates: Candidates, labelled: Sequence[Episode]) -> Iterator[Episode]:
    """Questions without an answer's label, with steps below them that a final answer closes."""
    found = list(_read_bare(candidates, labelled))
    n_unsure: dict[int, int] = {}
    for each in found:
        n_unsure[each.document] = n_unsure.get(each.document, 0) + (not each.is_sure)
    for each in found:
        if each.is_sure or n_unsure[each.document] >= _MIN_RECURRING:
            yield each.episode


def _read_bare(candidates: Candidates, labelled: Sequence[Episode]) -> Iterator[_Bare]:
    lines = candidates.lines
    marks, _ = candidates.matching(label.FINAL_VALUE, _ANSWERS, _BOXES)
    # A sentence or a box is a final answer where its paragraph ends.
    asking = _asking(candidates)
    says, _ = candidates.among(np.flatnonzero(lines.closes & ~lines.is_blank), _SAYS)
    marks = np.union1d(marks, says)
    # "answer := ..." is a program's.
    marks = marks[~lines.matching(marks, r"^[ \t]*\w+[ \t]*:=")]
    if len(marks) == 0:
        return
    is_value, is_label = (candidates.matches(marks, each) for each in (label.FINAL_VALUE, _ANSWERS))
    is_mark = is_value | is_label | lines.closes[marks]
    is_mark &= is_value | ~_within(lines.start[marks], labelled)
    is_mark &= ~_within(lines.start[marks], candidates.once(fields.find))
    marks, is_value = marks[is_mark], is_value[is_mark]
    is_final = ~_opens_steps(lines, marks)
    marks, is_value = marks[is_final], is_value[is_final]
    steps, _ = candidates.matching(STEPS)
    documents = lines.document_of(marks)
    # No line is read for two final answers, or a run of them would be read again and again.
    floors = np.maximum(lines.first_line[documents], np.append(0, marks[:-1] + 1)[: len(marks)])
    floors = np.maximum(floors, marks - _MAX_STEPS)
    may_ask = _may_ask(lines, floors, marks, asking)
    columns = (each[may_ask].tolist() for each in (marks, floors, documents, is_value))
    for mark, floor, document, value in zip(*columns, strict=True):
        asked = _find_asked(lines, mark, floor, asking)
        if asked is None:
            continue
        first, last = asked
        opening = int(lines.content_start[first])
        start = asking.starts.get(first) or opening + _number_bytes(lines, first)
        question = Content(SegmentKind.QUESTION, 0, start, int(lines.start[last + 1]))
        body = question.end + _label_bytes(lines, last + 1)
        end = trim(lines.data, body, int(lines.start[mark + 1]))[1]
        final = find_final(lines, body, end)
        if final is None or body - opening > _MAX_QUESTION_BYTES:
            continue
        if is_given(lines, body, final.label):
            continue
        at = int(steps.searchsorted(last, side="right"))
        is_sure = value or (at < len(steps) and int(steps[at]) <= mark)
        answer = str(lines.data[final.start : final.end], "utf-8", "ignore")
        if is_sure or _VALUE.fullmatch(answer):
            episode = with_options(lines, worked(question, body, final, opening, end))
            yield _Bare(episode, document, is_sure)


def is_given(lines: Lines, start: int, end: int) -> bool:
    """Whether what stands below a question is what it is about: a text between rules, a chat."""
    text = str(lines.data[start:end], "utf-8", "ignore")
    return _GIVEN_RULE.match(text) is not None or len(_SPEAKER.findall(text)) > 0


def _within(starts: Int64s, episodes: Sequence[Episode]) -> Bools:
    """Bool [n], whether each offset lies inside one of the episodes, which do not overlap."""
    if not episodes:
        return np.zeros(len(starts), np.bool_)
    ranges = np.array(sorted((episode.start, episode.end) for episode in episodes), np.int64)
    at = np.searchsorted(ranges[:, 0], starts, side="right") - 1
    inside: Bools = (at >= 0) & (starts < ranges[at, 1])
    return inside


def _number_bytes(lines: Lines, line: int) -> int:
    number = _NUMBER.match(line_text(lines, line).lstrip())
    return 0 if number is None else number.end()


def _label_bytes(lines: Lines, line: int) -> int:
    """Bytes up to the end of a label "Solution:" that opens the steps below a question."""
    filled = lines.filled_after(line - 1)
    opened = _OPENING.match(line_text(lines, filled))
    if opened is None:
        return 0
    return int(lines.start[filled] - lines.start[line]) + len(opened[0].encode())


def _opens_steps(lines: Lines, marks: Int64s) -> Bools:
    """Bool [n], whether a mark is a "Solution:" whose answer has a label of its own below."""
    is_solving = lines.matching(marks, _SOLVING)
    documents = lines.document_of(marks)
    is_followed = np.append(documents[:-1] == documents[1:], False)[: len(marks)]
    opens: Bools = is_solving & is_followed & ~np.append(is_solving[1:], False)[: len(marks)]
    return opens


def _asking(candidates: Candidates) -> _Asking:
    lines = candidates.lines
    inputs, texts = candidates.matching(_INPUTS)
    starts = {
        line: start + len(re.split("[:：]", text, maxsplit=1)[0].encode()) + 1
        for line, start, text in zip(
            inputs.tolist(), lines.start[inputs].tolist(), texts, strict=True
        )
    }
    starts.update(
        (found.line, found.end)
        for found in candidates.once(read_labels)
        # "(D) paper" is an option.
        if found.asks and (len(found.word) > 1 or found.separator in (":", "："))
    )
    marked, opens, steps = (
        candidates.matching(pattern)[0].tolist() for pattern in (_MARKED, _OPENS, STEPS)
    )
    return _Asking(sorted(starts), starts, marked, opens, frozenset(steps))


def _may_ask(lines: Lines, floors: Int64s, marks: Int64s, asking: _Asking) -> Bools:
    """Bool [n], whether the lines [floor, mark) above a final answer may hold its question.

    It tells most of them apart, all at once: above these stand no label, question mark or response,
    nor a first paragraph that says what is to be done.
    """
    places = np.sort(np.array([*asking.labelled, *asking.marked, *asking.opens], np.int64))
    may_ask: Bools = places.searchsorted(floors) < places.searchsorted(marks)
    top = lines.next_filled(floors - 1)
    for i in np.flatnonzero(~may_ask & (top < marks)).tolist():
        may_ask[i] = _EXERCISE.match(line_text(lines, int(top[i]))) is not None
    return may_ask


def _find_asked(lines: Lines, mark: int, floor: int, asking: _Asking) -> tuple[int, int] | None:
    """First and last line of the question that a final answer in line `mark` answers.

    It opens the paragraph that holds the steps, or is a paragraph above.

    Args:
      lines: of all documents.
      mark: number of the final answer's line.
      floor: the first line that may be read.
      asking: what may ask; what a label opens needs no question mark.
    """
    below = mark
    for n_above in range(_MAX_PARAGRAPHS + 1):
        first, last = paragraph_above(lines, below, floor)
        if first == last:
            return None
        if _first_in(asking.opens, first, first + 1) is not None:
            # "Solution: ..." opens the response to the paragraph above.
            first, last = paragraph_above(lines, first, floor)
            return (_opening(first, last, asking), last - 1) if first < last else None
        first = _opening(first, last, asking)
        asked = _last_asked(lines, first, last, asking)
        if asked is None and n_above == 0:
            asked = _asked_above_steps(first, last, mark, asking)
        elif asked is None and (
            first in asking.starts or _first_in(asking.marked, last - 1, last) is not None
        ):
            asked = last - 1
        if asked is None and _opens_exercise(lines, first, floor):
            asked = last - 1 if n_above else first
        if asked is not None:
            return first, asked
        below = first
    return None


def _first_in(numbers: Sequence[int], low: int, high: int) -> int | None:
    """The first of ascending numbers in the range [low, high)."""
    at = bisect.bisect_left(numbers, low)
    return numbers[at] if at < len(numbers) and numbers[at] < high else None


def _opens_exercise(lines: Lines, first: int, floor: int) -> bool:
    """Whether a paragraph says what is to be done, and nothing stands above it."""
    above, end = paragraph_above(lines, first, floor)
    return above == end and _EXERCISE.match(line_text(lines, first)) is not None


def _opening(first: int, last: int, asking: _Asking) -> int:
    """The line that opens a paragraph's question: "Example 1" may stand above "Question: ..."."""
    at = bisect.bisect_left(asking.labelled, last)
    return max(first, asking.labelled[at - 1]) if at else first


def _last_asked(lines: Lines, first: int, last: int, asking: _Asking) -> int | None:
    """The last line of a question in the lines [first, last), if the response starts in them."""
    opened = _first_in(asking.opens, first + 1, last)
    if first not in asking.starts:
        return None if opened is None else opened - 1
    marked = _first_in(asking.marked, first, last)
    # "Follow up: Who?" asks oneself.
    end = min(last if each is None else each for each in (opened, marked))
    for line in range(first + 1, end + 1 if end < last else last):
        if line in asking.steps or LABEL.match(line_text(lines, line)):
            return line - 1
    return None if end == last else end - (end == opened)


def _asked_above_steps(first: int, last: int, mark: int, asking: _Asking) -> int | None:
    """The last line of a question at the head of the paragraph right above a mark, or that has it.

    A label's question is its line where nothing else says where it ends.
    """
    if first in asking.starts:
        if last == mark and _first_in(asking.opens, mark, mark + 1) is not None:
            return last - 1
        return first if first + 1 < mark else None
    return _first_in(asking.marked, first, last)
