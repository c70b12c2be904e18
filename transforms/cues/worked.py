r"""Worked answers: a response whose steps lead to a marked final answer.

The response of a labelled pair, or of a question in a heading or a line, is one if it ends in a
final answer (`final`) and something stands before that; a session's are if most of them do. Steps
may stand above the answer's label too: "Q: ... Step 1: ... Step 2: ... Answer: 42". Where an
explanation follows a short answer, it reasons. Without labels, "#### 42" is sure enough to look for
a question above the steps; "Answer: 42", "The answer is 42." and a box are so if steps are numbered
or the document does it again.
"""

import bisect
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from schemas.episode import SegmentKind
from transforms.candidates import Candidates, LinePattern, initials
from transforms.cues import dialogue, fields, heading, label
from transforms.cues.above import line_tail, line_text, paragraph_above
from transforms.cues.family import Content, CueFamily, Episode
from transforms.cues.final import LABELLED, Final, find_final, may_conclude
from transforms.cues.labels import Label, read_labels
from transforms.cues.options import LABEL, options_below
from transforms.cues.words import FINAL_WORDS, QUESTION_MARKS, SOLVING, THINKING
from transforms.episodes import trim
from transforms.lines import Bools, Int64s, Lines

GAME = "worked"

_INITIALS = initials(["the", "final", "correct", "numerical", *FINAL_WORDS])
_ANSWERS = (
    LinePattern(rf"(?i:^{LABELLED})", opens=_INITIALS, holds=":："),
    LinePattern(rf"(?i:^{LABELLED})", opens="#*_"),
)
_EXPLAINS = LinePattern(
    r"(?i:^[ \t]*(?:#{1,6}[ \t]+)?[*_]{0,2}(?:detailed |brief )?(?:explanation|rationale"
    r"|reasoning|justification|erklärung|begründung|explication|explicación|explicação"
    r"|spiegazione|пояснение|объяснение|解析|解説)[*_]{0,2}[ \t]*[:：])",
    opens="#*_" + initials("dberjsпо解"),
    holds=":：",
)
_STEPS = LinePattern(
    r"(?i:^[ \t]*(?:#{1,6}[ \t]+)?[*_]{0,2}(?:step|schritt|étape|paso|passo|шаг|第?步骤?)"
    r"[ \t]*(?:1|one|一)\b[ \t]*[*_]{0,2}[.:)—–-])",
    opens="#*_" + initials("spéш第步"),
    holds="0٠:：",
)
_BOXES = LinePattern(r"\\boxed\{", holds="\\")
_SAYS = r"(?i:answer is[ :])"

_OPENING = re.compile(
    r"[ \t]*[*_]{0,2}(?:answer|solution|explanation|reasoning)[a-z ]{0,20}(?:\d+[ \t]*)?[*_]{0,2}"
    r"[:：.][*_]{0,2}",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\(?\d{1,3}[.):][ \t]+")
# What a final answer is where only the sentence before it says so: a value, a choice, a few words.
_VALUE = re.compile(r"\(?[A-Ja-j]\)?|.*[\d$\\].*|(?:\S+ ){0,2}\S+")
# What stands between one exemplar and the next: a rule, the title of the next.
_RULE = re.compile(
    r"(?:\n\s*(?:#{2,}|-{3,}|={3,}|\*{3,}|_{3,}"
    r"|[#* \t]*(?:Example|Exemplar|Sample|Demonstration) #?\d{1,3}[:.]?\**)[ \t]*)+$"
)
_MAX_RULE_BYTES = 100
_MAX_SHORT_BYTES = 200
_MAX_QUESTION_BYTES = 4_000
_MAX_STEPS = 200
_MAX_PARAGRAPHS = 12
_MIN_RECURRING = 2


class _Bare(NamedTuple):
    """A question without a label above a final answer, and whether one such is enough."""

    episode: Episode
    document: int
    is_sure: bool


def find(candidates: Candidates) -> Sequence[Episode]:
    """Pairs whose response is worked, and bare questions whose steps end in a final answer."""
    labelled = [pair for pair in candidates.once(label.find) if _is_pair(pair)]
    headed = [pair for pair in candidates.once(heading.find) if _is_pair(pair)]
    lines = candidates.lines
    refined = [*_refine_labelled(candidates, labelled)]
    for pair in _hopeful(lines, headed):
        refined.extend(_with_options(lines, each) for each in _refine(lines, pair))
    refined.extend(_refine_sessions(candidates))
    return [*refined, *_find_bare(candidates, labelled)]


def _is_pair(episode: Episode) -> bool:
    return len(episode.contents) == 2


def _hopeful(lines: Lines, pairs: Sequence[Episode]) -> list[Episode]:
    """Those whose responses may close with a final answer."""
    return list(itertools.compress(pairs, _may_conclude(lines, pairs)))


def _may_conclude(lines: Lines, pairs: Sequence[Episode]) -> list[bool]:
    return may_conclude(lines, [trim(lines.data, *pair.contents[1][2:])[1] for pair in pairs])


def _refine_labelled(candidates: Candidates, pairs: Sequence[Episode]) -> Iterator[Episode]:
    """Labelled pairs with their responses cut into reasoning and final answer."""
    lines = candidates.lines
    explains, steps = (
        lines.start[candidates.matching(pattern)[0]] for pattern in (_EXPLAINS, _STEPS)
    )
    labels = sorted(candidates.once(read_labels), key=lambda found: found.start)
    starts = [found.start for found in labels]
    for pair, is_hopeful in zip(pairs, _may_conclude(lines, pairs), strict=True):
        question, response = pair.contents
        first, body, last = (
            bisect.bisect_left(starts, at) for at in (pair.start, response.start, response.end)
        )
        asks, opens = labels[first], labels[body - 1]
        if opens.word in THINKING or opens.word in SOLVING:
            answer = _answer_label(asks, labels[body:last])
            found = _labelled_answer(lines, pair, opens, answer)
        elif (explained := _first_in(explains, response)) is not None:
            found = _explained(lines, pair, explained)
        else:
            found = _stepped(lines, pair, _first_in(steps, question))
        if found is not None:
            yield found
        elif is_hopeful:
            yield from _refine(lines, pair)


def _answer_label(asks: Label, labels: Sequence[Label]) -> Label | None:
    """The first label that answers what is asked and opens no steps."""
    for found in labels:
        is_answer = asks.asks & found.answers and found.word not in THINKING | SOLVING
        is_same = not (asks.number and found.number) or asks.number == found.number
        # "A. one" is an option.
        is_spelled = len(found.word) > 1 or found.separator in (":", "：", "]")
        if is_answer and is_same and is_spelled:
            return found
    return None


def _first_in(starts: Int64s, content: Content) -> int | None:
    """The first of the offsets, ascending, inside a content but not at its start."""
    at = int(starts.searchsorted(content.start, side="right"))
    return int(starts[at]) if at < len(starts) and starts[at] < content.end else None


def _refine(lines: Lines, pair: Episode) -> Iterator[Episode]:
    question, response = pair.contents
    start, end = _closing(lines, response.start, response.end)
    final = find_final(lines, start, end)
    if final is not None:
        yield _worked(question, start, final, pair.start, pair.end)


def _refine_sessions(candidates: Candidates) -> Iterator[Episode]:
    """Sessions in which most answers are worked, as in a prompt's exemplars."""
    lines = candidates.lines
    for session in candidates.once(dialogue.find):
        contents: list[Content] = []
        n_worked = 0
        may = may_conclude(lines, [trim(lines.data, *said[2:])[1] for said in session.contents])
        for said, is_hopeful in zip(session.contents, may, strict=True):
            start, end = _closing(lines, said.start, said.end)
            is_answer = is_hopeful and said.kind == SegmentKind.ANSWER
            final = find_final(lines, start, end) if is_answer else None
            if final is None:
                contents.append(said)
                continue
            n_worked += 1
            contents.append(Content(SegmentKind.REASONING, said.turn, start, final.label))
            contents.append(Content(SegmentKind.ANSWER, said.turn, final.start, final.end))
        if n_worked and 2 * n_worked >= sum(
            said.kind == SegmentKind.ANSWER for said in session.contents
        ):
            yield session._replace(contents=tuple(contents))


def _with_options(lines: Lines, episode: Episode) -> Episode:
    """The options right below a question belong to it."""
    question, reasoning, *rest = episode.contents
    start = int(lines.start[lines.start.searchsorted(question.end - 1, side="right")])
    found = options_below(lines, start, reasoning.end)
    if found is None or trim(lines.data, found[1], reasoning.end)[0] >= reasoning.end:
        return episode
    asked, reasoned = question._replace(end=found[0]), reasoning._replace(start=found[1])
    return episode._replace(contents=(asked, reasoned, *rest))


def _worked(question: Content, start: int, final: Final, opening: int, end: int) -> Episode:
    contents = (
        question,
        Content(SegmentKind.REASONING, 1, start, final.label),
        Content(SegmentKind.ANSWER, 1, final.start, final.end),
    )
    return Episode(opening, max(end, final.end), contents, final.cue)


def _labelled_answer(
    lines: Lines, pair: Episode, opens: Label, answer: Label | None
) -> Episode | None:
    """A response that opens with "Reasoning:" and goes on with "Answer:", however long.

    Below "Solution:", which may label all of a response, "Answer:" is one only if it is short.
    """
    question, response = pair.contents
    if answer is None:
        return None
    start, end = _closing(lines, answer.end, response.end)
    if start >= end or (opens.word in SOLVING and end - start > _MAX_SHORT_BYTES):
        return None
    final = find_final(lines, response.start, end)
    if final is None or final.label > answer.start:
        final = Final(answer.start, start, end, answer.cue)
    if trim(lines.data, response.start, final.label)[0] >= final.label:
        return None
    return _worked(question, response.start, final, pair.start, pair.end)


def _closing(lines: Lines, start: int, end: int) -> tuple[int, int]:
    """A range without white space at its ends and without the rules that part it from the next."""
    start, end = trim(lines.data, start, end)
    tail = str(lines.data[max(start, end - _MAX_RULE_BYTES) : end], "utf-8", "ignore")
    rule = _RULE.search(tail)
    return (start, end) if rule is None else trim(lines.data, start, end - len(rule[0].encode()))


def _explained(lines: Lines, pair: Episode, at: int) -> Episode | None:
    """A short answer with its explanation below: the explanation reasons."""
    question, response = pair.contents
    start, end = trim(lines.data, response.start, at)
    if not 0 < end - start <= _MAX_SHORT_BYTES or find_final(lines, at, response.end) is not None:
        return None
    head = str(lines.data[at : min(at + 120, response.end)], "utf-8", "ignore")
    opened = re.match(rf"{_EXPLAINS.pattern}[*_]*", head)
    if opened is None:
        return None
    contents = (
        question,
        Content(SegmentKind.ANSWER, 1, start, end),
        Content(SegmentKind.REASONING, 1, at + len(opened[0].encode()), response.end),
    )
    return Episode(pair.start, pair.end, contents, opened[0].strip(" \t*_#"))


def _stepped(lines: Lines, pair: Episode, at: int | None) -> Episode | None:
    """Steps that stand before the answer's label: they are player two's, not the question's."""
    question, response = pair.contents
    start, end = trim(lines.data, response.start, response.end)
    if at is None or end - start > _MAX_SHORT_BYTES or b"\n" in bytes(lines.data[start:end]):
        return None
    asked = str(lines.data[question.start : at], "utf-8", "ignore").rstrip()
    worked = str(lines.data[at : question.end], "utf-8", "ignore").rstrip()
    # "I did so: Step 1: ... Why does it fail?" asks about steps.
    if not asked or asked.endswith((":", ",")) or worked.endswith(QUESTION_MARKS):
        return None
    contents = (
        Content(SegmentKind.QUESTION, 0, question.start, at),
        Content(SegmentKind.REASONING, 1, at, question.end),
        Content(SegmentKind.ANSWER, 1, start, end),
    )
    return Episode(pair.start, pair.end, contents, "Step 1")


def _find_bare(candidates: Candidates, labelled: Sequence[Episode]) -> Iterator[Episode]:
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
    steps, _ = candidates.matching(_STEPS)
    labels = {found.line: found for found in candidates.once(read_labels) if found.asks}
    documents = lines.document_of(marks)
    # No line is read for two final answers, or a run of them would be read again and again.
    floors = np.maximum(lines.first_line[documents], np.append(0, marks[:-1] + 1)[: len(marks)])
    for mark, floor, document, value in zip(
        marks.tolist(), floors.tolist(), documents.tolist(), is_value.tolist(), strict=True
    ):
        asked = _find_asked(lines, mark, max(floor, mark - _MAX_STEPS), labels)
        if asked is None:
            continue
        first, last = asked
        opening = int(lines.content_start[first])
        start = labels[first].end if first in labels else opening + _number_bytes(lines, first)
        body = int(lines.start[last + 1])
        end = trim(lines.data, body, int(lines.start[mark + 1]))[1]
        final = find_final(lines, body, end)
        if final is None or body - opening > _MAX_QUESTION_BYTES:
            continue
        at = int(steps.searchsorted(last, side="right"))
        is_sure = value or (at < len(steps) and int(steps[at]) <= mark)
        answer = str(lines.data[final.start : final.end], "utf-8", "ignore")
        if is_sure or _VALUE.fullmatch(answer):
            question = Content(SegmentKind.QUESTION, 0, start, body)
            body += _label_bytes(lines, last + 1)
            if trim(lines.data, body, final.label)[0] >= final.label:
                continue
            episode = _with_options(lines, _worked(question, body, final, opening, end))
            yield _Bare(episode, document, is_sure)


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


def _find_asked(
    lines: Lines, mark: int, floor: int, labels: Mapping[int, Label]
) -> tuple[int, int] | None:
    """First and last line of the question that a final answer in line `mark` answers.

    It opens the paragraph that holds the steps, or is a paragraph above.

    Args:
      lines: of all documents.
      mark: number of the final answer's line.
      floor: the first line that may be read.
      labels: those that ask, by line; what one opens needs no question mark.
    """
    first, last = paragraph_above(lines, mark, floor)
    is_labelled = first < last and first in labels
    for line in range(first, last):
        # "Follow up: Who?" asks oneself.
        if is_labelled and line > first and LABEL.match(line_text(lines, line)):
            break
        if line_tail(lines, line).endswith(QUESTION_MARKS):
            return first, line
    if is_labelled and first + 1 < mark:
        return first, first
    for _ in range(_MAX_PARAGRAPHS):
        first, last = paragraph_above(lines, first, floor)
        if first == last:
            return None
        if line_tail(lines, last - 1).endswith(QUESTION_MARKS):
            return first, last - 1
    return None


FAMILY = CueFamily(name=GAME, find=find)
