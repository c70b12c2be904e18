r"""Questions without an answer's label, with steps below them that a final answer closes.

"#### 42" is sure enough to look for a question above the steps; "Answer: 42", "The answer is 42."
and a box are so if steps are numbered or the document does it again. A question ends with its mark,
or right above a label that opens the response: "Solution: ...".
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from schemas.episode import SegmentKind
from transforms.candidates import Candidates, LinePattern, beginnings
from transforms.cues import fields, label
from transforms.cues.above import line_tail, line_text, paragraph_above
from transforms.cues.family import Content, Episode
from transforms.cues.final import LABELLED, find_final
from transforms.cues.labels import read_labels
from transforms.cues.options import LABEL
from transforms.cues.steps import STEPS, with_options, worked
from transforms.cues.words import FINAL_WORDS, QUESTION_MARKS, SOLVING
from transforms.episodes import trim
from transforms.lines import Bools, Int64s, Lines

_OPENINGS = beginnings(["the", "final", "correct", "numerical", *FINAL_WORDS])
_ANSWERS = (
    LinePattern(rf"(?i:^{LABELLED})", opens=_OPENINGS, holds=":："),
    LinePattern(rf"(?i:^{LABELLED})", opens="#*_"),
)
_BOXES = LinePattern(r"\\boxed\{", holds="\\")
_SAYS = r"(?i:answer is[ :])"

_OPENING = re.compile(
    r"[ \t]*[*_]{0,2}(?:(?:answer|solution|explanation|reasoning|rationale|thought)[a-z ]{0,20}"
    r"|output|target)(?:\d+[ \t]*|\([^()\n]{1,40}\))?[*_]{0,2}[:：.][*_]{0,2}",
    re.IGNORECASE,
)
_SOLVING = rf"(?i:^[ \t#*_]*(?:{'|'.join(sorted(SOLVING))}))"
# "Input:" labels too many things to be a question's label everywhere.
_INPUTS = LinePattern(
    r"^[ \t]*[*_]{0,2}Input[*_]{0,2}[:：][*_]{0,2}(?:[ \t\r\n]|$)", opens="*_I", holds=":："
)
_NUMBER = re.compile(r"\(?\d{1,3}[.):][ \t]+")
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
    marks, _ = candidates.matching(label.FINAL_VALUE, *_ANSWERS, _BOXES)
    # A sentence or a box is a final answer where its paragraph ends.
    says, _ = candidates.among(np.flatnonzero(lines.closes & ~lines.is_blank), _SAYS)
    marks = np.union1d(marks, says)
    if len(marks) == 0:
        return
    is_value, is_label = (
        np.isin(marks, candidates.matching(*each)[0]) for each in ([label.FINAL_VALUE], _ANSWERS)
    )
    is_mark = is_value | is_label | lines.closes[marks]
    is_mark &= is_value | ~_within(lines.start[marks], labelled)
    is_mark &= ~_within(lines.start[marks], candidates.once(fields.find))
    marks, is_value = marks[is_mark], is_value[is_mark]
    is_final = ~_opens_steps(lines, marks)
    marks, is_value = marks[is_final], is_value[is_final]
    steps, _ = candidates.matching(STEPS)
    asks, known_steps = _asking(candidates), frozenset(steps.tolist())
    documents = lines.document_of(marks)
    # No line is read for two final answers, or a run of them would be read again and again.
    floors = np.maximum(lines.first_line[documents], np.append(0, marks[:-1] + 1)[: len(marks)])
    for mark, floor, document, value in zip(
        marks.tolist(), floors.tolist(), documents.tolist(), is_value.tolist(), strict=True
    ):
        asked = _find_asked(lines, mark, max(floor, mark - _MAX_STEPS), asks, known_steps)
        if asked is None:
            continue
        first, last = asked
        opening = int(lines.content_start[first])
        start = asks[first] if first in asks else opening + _number_bytes(lines, first)
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
    filled = int(lines.next_filled(np.array([line - 1]))[0])
    opened = _OPENING.match(line_text(lines, filled))
    if opened is None:
        return 0
    return int(lines.start[filled] - lines.start[line]) + len(opened[0].encode())


def _opens_steps(lines: Lines, marks: Int64s) -> Bools:
    """Bool [n], whether a mark is a "Solution:" whose answer has a label of its own below."""
    is_solving: Bools = lines.text.gather(marks).str.contains(_SOLVING).to_numpy()
    documents = lines.document_of(marks)
    is_followed = np.append(documents[:-1] == documents[1:], False)[: len(marks)]
    opens: Bools = is_solving & is_followed & ~np.append(is_solving[1:], False)[: len(marks)]
    return opens


def _asking(candidates: Candidates) -> dict[int, int]:
    """The lines with a question's label, each with the byte offset of what it labels."""
    lines = candidates.lines
    inputs, texts = candidates.matching(_INPUTS)
    asks = {
        line: start + len(re.split("[:：]", text, maxsplit=1)[0].encode()) + 1
        for line, start, text in zip(
            inputs.tolist(), lines.start[inputs].tolist(), texts, strict=True
        )
    }
    asks.update(
        (found.line, found.end)
        for found in candidates.once(read_labels)
        # "(D) paper" is an option.
        if found.asks and (len(found.word) > 1 or found.separator in (":", "："))
    )
    return asks


def _find_asked(
    lines: Lines, mark: int, floor: int, asks: Mapping[int, int], steps: frozenset[int]
) -> tuple[int, int] | None:
    """First and last line of the question that a final answer in line `mark` answers.

    It opens the paragraph that holds the steps, or is a paragraph above.

    Args:
      lines: of all documents.
      mark: number of the final answer's line.
      floor: the first line that may be read.
      asks: the lines with a question's label; what one opens needs no question mark.
      steps: the lines that open steps.
    """
    below = mark
    for n_above in range(_MAX_PARAGRAPHS + 1):
        first, last = paragraph_above(lines, below, floor)
        if first == last:
            return None
        if _OPENING.match(line_text(lines, first)):
            # "Solution: ..." opens the response to the paragraph above.
            first, last = paragraph_above(lines, first, floor)
            return (_opening(first, last, asks), last - 1) if first < last else None
        first = _opening(first, last, asks)
        asked = _last_asked(lines, first, last, asks, steps)
        if asked is None and n_above == 0:
            asked = _asked_above_steps(lines, first, last, mark, asks)
        elif asked is None and (
            first in asks or line_tail(lines, last - 1).endswith(QUESTION_MARKS)
        ):
            asked = last - 1
        if asked is not None:
            return first, asked
        below = first
    return None


def _opening(first: int, last: int, asks: Mapping[int, int]) -> int:
    """The line that opens a paragraph's question: "Example 1" may stand above "Question: ..."."""
    return next((line for line in range(last - 1, first, -1) if line in asks), first)


def _last_asked(
    lines: Lines, first: int, last: int, asks: Mapping[int, int], steps: frozenset[int]
) -> int | None:
    """The last line of a question in the lines [first, last), if the response starts in them."""
    is_labelled = first in asks
    for line in range(first, last):
        text = line_text(lines, line)
        # "Follow up: Who?" asks oneself.
        is_other = is_labelled and (line in steps or LABEL.match(text) is not None)
        if line > first and (is_other or _OPENING.match(text)):
            return line - 1
        if is_labelled and line_tail(lines, line).endswith(QUESTION_MARKS):
            return line
    return None


def _asked_above_steps(
    lines: Lines, first: int, last: int, mark: int, asks: Mapping[int, int]
) -> int | None:
    """The last line of a question at the head of the paragraph right above a mark, or that has it.

    A label's question is its line where nothing else says where it ends.
    """
    if first in asks:
        if last == mark and _OPENING.match(line_text(lines, mark)):
            return last - 1
        return first if first + 1 < mark else None
    marked = (
        line for line in range(first, last) if line_tail(lines, line).endswith(QUESTION_MARKS)
    )
    return next(marked, None)
