r"""Worked answers: a response whose steps lead to a marked final answer.

The response of a labelled pair, or of a question in a heading or a line, is one if it ends in a
final answer (`final`) and something stands before that; a session's are if most of them do. Steps
may stand above the answer's label too: "Q: ... Step 1: ... Step 2: ... Answer: 42". Where an
explanation follows a short answer, it reasons. Questions without an answer's label are `bare`.
"""

import bisect
import itertools
import re
from collections.abc import Iterator, Sequence

import numpy as np

from schemas.episode import SegmentKind
from transforms.candidates import Candidates, LinePattern
from transforms.cues import dialogue, heading, label
from transforms.cues.bare import find_bare, is_given
from transforms.cues.enclosed import FENCES, STRINGS
from transforms.cues.family import Content, CueFamily, Episode
from transforms.cues.final import Final, find_final, may_conclude
from transforms.cues.labels import Label, read_labels
from transforms.cues.steps import STEPS, with_options, worked
from transforms.cues.words import QUESTION_MARKS, SOLVING, THINKING
from transforms.episodes import trim
from transforms.lines import Int64s, Lines

GAME = "worked"

_EXPLAINING = (
    "detailed|brief|explanation|rationale|reasoning|justification|erklärung|begründung|explication"
    "|spiegazione|пояснение|объяснение|解析|解説"
)
_EXPLAINS = LinePattern(
    r"(?i:^[ \t]*(?:#{1,6}[ \t]+)?[*_]{0,2}(?:detailed |brief )?(?:explanation|rationale"
    r"|reasoning|justification|erklärung|begründung|explication|explicación|explicação"
    r"|spiegazione|пояснение|объяснение|解析|解説)[*_]{0,2}[ \t]*[:：])",
    words=tuple(_EXPLAINING.split("|")),
    holds=":：",
)
# What stands between one exemplar and the next: a rule, the title of the next.
_RULE = re.compile(
    r"(?:\n\s*(?:#{2,}|-{3,}|={3,}|\*{3,}|_{3,}"
    r"|[#* \t]*(?:Example|Exemplar|Sample|Demonstration) #?\d{1,3}[:.]?\**)[ \t]*)+$"
)
# In a prompt's template these stand for what is to be filled in.
_SLOT = re.compile(
    rb"[\"'$]?(?:\{+[^{}\n]*\}+|<[^<>\n]*>|\.{3}|\[(?i:your|the) [^\[\]\n]*\])[\"'.]?"
)
# The fence around a question closes below it.
_FENCE = re.compile(rb"[`~]{3,}\w*")
_OMITTED = re.compile(rb"\s*(?:\.{3}|\xe2\x80\xa6)[ \t]*\r?\n")
_MAX_BYTES = 12_000
_MAX_RULE_BYTES = 100
_MAX_SHORT_BYTES = 200


def find(candidates: Candidates) -> Sequence[Episode]:
    """Pairs whose response is worked, and bare questions whose steps end in a final answer."""
    labelled = [pair for pair in candidates.once(label.find) if _is_pair(pair)]
    headed = [pair for pair in candidates.once(heading.find) if _is_pair(pair)]
    lines = candidates.lines
    bare = list(find_bare(candidates, labelled))
    # What follows a question in a heading may hold the next question, without a mark.
    taken = {episode.start for episode in bare}
    refined = [*_refine_labelled(candidates, labelled)]
    # A final answer behind a labelled question answers that one.
    asked = np.array(
        [found.start for found in candidates.once(read_labels) if found.asks], np.int64
    )
    headed = [pair for pair in headed if pair.start not in taken and not _asks_again(asked, pair)]
    for pair in _hopeful(lines, headed):
        refined.extend(with_options(lines, each) for each in _refine(lines, pair))
    refined.extend(_refine_sessions(candidates))
    said: list[Episode] = []
    shown: list[Episode] = []
    for episode in (*refined, *bare):
        (said if _is_said(lines, episode) else shown).append(episode)
    starts = np.array([episode.start for episode in shown], np.int64)
    shown_at = lines.start.searchsorted(starts, side="right") - 1
    candidates.refuse(shown_at, GAME, "a template, or more than a response")
    return said


def _is_said(lines: Lines, episode: Episode) -> bool:
    """Whether an episode is no template, and neither leaves a program's string nor a fence."""
    text = lines.buffer[episode.start : episode.end].tobytes()
    is_whole = not any(len(mark.findall(text)) for mark in STRINGS)
    is_whole &= len(FENCES[0].findall(text)) % 2 == 0
    contents = (lines.buffer[each.start : each.end].tobytes() for each in episode.contents)
    is_filled = not any(
        _SLOT.fullmatch(content.strip())
        or _FENCE.fullmatch(content.strip())
        or _OMITTED.match(content)
        for content in contents
    )
    return is_whole and is_filled and len(text) <= _MAX_BYTES


def _asks_again(asked: Int64s, pair: Episode) -> bool:
    """Whether a label of a question, of those at these bytes, stands in a pair's response."""
    _, response = pair.contents
    low, high = asked.searchsorted([response.start, response.end])
    return bool(low < high)


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
        lines.start[candidates.matching(pattern)[0]] for pattern in (_EXPLAINS, STEPS)
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
            is_unlabelled = question.end == response.start
            for refined in _refine(lines, pair):
                yield with_options(lines, refined) if is_unlabelled else refined


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
    if final is None:
        return
    if is_given(lines, start, final.label):
        # What the question is about stands between the two, and nobody reasons.
        asked = question._replace(end=final.label)
        answer = Content(SegmentKind.ANSWER, 1, final.start, final.end)
        yield Episode(pair.start, max(pair.end, final.end), (asked, answer), final.cue)
    else:
        yield worked(question, start, final, pair.start, pair.end)


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
    return worked(question, response.start, final, pair.start, pair.end)


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


FAMILY = CueFamily(name=GAME, find=find)
