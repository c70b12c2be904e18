r"""Worked answers: a response whose steps lead to a marked final answer.

The response of a labelled pair is one if it ends in a line "#### 42", in a line "Answer: 42", in
the sentence "The answer is 42." or in "\boxed{42}", and something stands before that. Without
labels only "#### 42" is sure enough: a paragraph of steps that it closes, below a question.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from schemas.episode import SegmentKind
from transforms.candidates import Candidates
from transforms.cues import label
from transforms.cues.family import Content, CueFamily, Episode
from transforms.cues.labels import read_labels
from transforms.cues.words import FINAL_WORDS, QUESTION_MARKS
from transforms.episodes import trim
from transforms.lines import Int64s, Lines

GAME = "worked"

_ANSWER_WORDS = "|".join(sorted((re.escape(word) for word in FINAL_WORDS), reverse=True))
_SAID = (
    r"(?:(?:the|our|my)(?: (?:final|correct|right|best))? answer(?: to [^.?!\n]{1,60})? is"
    r"|la respuesta(?: final| correcta)? es|la réponse(?: finale| correcte)? est|la risposta è"
    r"|a resposta(?: final| correta)? é|die (?:richtige )?antwort (?:ist|lautet)|答案是|答案为)"
)
CANDIDATE = (
    r"^[ \t]*####[ \t]*\S|\\boxed\{|(?i:" + _SAID + ")"
    rf"|(?i:^[ \t]*[*_]{{0,2}}(?:the |final |correct ){{0,2}}(?:{_ANSWER_WORDS})"
    r"[*_]{0,2}[ \t]*[:：])"
)
"""Rust regular expression of lines that may hold a final answer."""

_HASHES = re.compile(r"[ \t]*####[ \t]*(?P<answer>\S.*)")
_LABELLED = re.compile(
    rf"[ \t]*[*_]{{0,2}}(?:the |final |correct ){{0,2}}(?:{_ANSWER_WORDS})[*_]{{0,2}}[ \t]*[:：]"
    r"[*_]{0,2}[ \t]*(?P<answer>\S.*)",
    re.IGNORECASE,
)
# The sentence that gives the answer closes the response, and what it gives is short: "The answer is
# no. Then ..." goes on, and prose about an answer is long.
_SENTENCE = re.compile(
    r"(?<![^\s.!?;,:。])(?P<label>(?:(?:so|thus|hence|therefore|then|finally),? )?"
    rf"{_SAID}[:：]?)[ \t]*(?P<answer>[^\s](?:[^.!?。\n]|[.!?](?=\S)){{0,59}}?)[*_]{{0,2}}[.!。]?$",
    re.IGNORECASE,
)
_BOXED = "\\boxed{"
# "The answer is $\boxed{42}$." announces the answer once.
_ANNOUNCED = re.compile(rf"(?:(?:so|thus|hence|therefore),? )?{_SAID}[:：]?$", re.IGNORECASE)
_MAX_TAIL_BYTES = 4_000
_MAX_AFTER_BOX = 24
_MAX_STEPS = 200


class Final(NamedTuple):
    """A final answer in a text.

    Attributes:
      label: where what announces it starts.
      start: where the answer starts.
      end: where the answer ends.
      cue: what announces it, for people.
    """

    label: int
    start: int
    end: int
    cue: str


def find(candidates: Candidates) -> Sequence[Episode]:
    """Labelled pairs whose response is worked, and bare questions whose steps end in "####"."""
    number, _ = candidates.matching(CANDIDATE)
    if len(number) == 0:
        return []
    return [*_refine_pairs(candidates, number), *_find_bare(candidates)]


def _refine_pairs(candidates: Candidates, marks: Int64s) -> Iterator[Episode]:
    """Labelled pairs with their responses cut into reasoning and final answer."""
    lines = candidates.lines
    mark_start = lines.start[marks]
    pairs = candidates.once(label.find)
    last_mark = mark_start.searchsorted([episode.end for episode in pairs]) - 1
    for episode, mark in zip(pairs, last_mark.tolist(), strict=True):
        question, response = episode.contents
        if mark < 0 or int(lines.start[marks[mark] + 1]) <= response.start:
            continue
        start, end = trim(lines.data, response.start, response.end)
        final = find_final(lines, start, end)
        if final is not None:
            yield _worked(question, start, final, episode.start, end)


def _worked(question: Content, start: int, final: Final, opening: int, end: int) -> Episode:
    contents = (
        question,
        Content(SegmentKind.REASONING, 1, start, final.label),
        Content(SegmentKind.ANSWER, 1, final.start, final.end),
    )
    return Episode(opening, end, contents, final.cue)


def find_final(lines: Lines, start: int, end: int) -> Final | None:
    """The final answer that closes a response, if it is marked and something stands before it.

    Args:
      lines: of all documents.
      start: byte offset of the response.
      end: byte offset of its end, white space left out.

    Returns:
      Byte offsets into the lines' buffer.
    """
    low = max(start, end - _MAX_TAIL_BYTES)
    tail = str(lines.data[low:end], "utf-8", "ignore")
    final = read_final(tail)
    if final is None:
        return None
    # Counted from the end, because the first bytes may be the rest of a character.
    label_at, answer_at, answer_end = (end - len(tail[at:].encode()) for at in final[:3])
    if trim(lines.data, start, label_at)[0] == label_at:
        return None
    return Final(label_at, answer_at, answer_end, final.cue)


def read_final(text: str) -> Final | None:
    r"""The final answer in a text's last line, or in a box close to its end.

    Args:
      text: without white space at its end.

    Returns:
      Offsets into the text.

    Example:
      >>> read_final("3 * 4 = 12\n#### 12")
      Final(label=11, start=16, end=18, cue='####')
      >>> read_final("#### A title\n\nThe answer is no. Then it went on.")
    """
    boxed = _read_box(text)
    if boxed is not None:
        return boxed
    line_at = text.rfind("\n") + 1
    hashes = _HASHES.match(text, line_at)
    if hashes is not None:
        return Final(line_at, hashes.start("answer"), len(text), "####")
    labelled = _LABELLED.match(text, line_at)
    if labelled is not None:
        cue = text[line_at : labelled.start("answer")].strip(" \t*_")
        return Final(line_at, labelled.start("answer"), len(text), cue)
    sentence = _SENTENCE.search(text, line_at)
    if sentence is not None:
        return Final(sentence.start(), *sentence.span("answer"), sentence["label"])
    return None


def _read_box(text: str) -> Final | None:
    at = text.rfind(_BOXED)
    if at < 0:
        return None
    depth, end = 1, at + len(_BOXED)
    while end < len(text) and depth:
        depth += {"{": 1, "}": -1}.get(text[end], 0)
        end += 1
    if depth or len(text) - end > _MAX_AFTER_BOX:
        return None
    opening = len(text[:at].rstrip("$\\([* "))
    announced = _ANNOUNCED.search(text, text.rfind("\n", 0, opening) + 1, opening)
    label_at = opening if announced is None else announced.start()
    return Final(label_at, at + len(_BOXED), end - 1, "\\boxed")


def _find_bare(candidates: Candidates) -> Iterator[Episode]:
    """Questions without an answer's label, with steps below them that a line "#### 42" closes."""
    lines = candidates.lines
    marks, _ = candidates.matching(label.FINAL_VALUE)
    if len(marks) == 0:
        return
    labels = {found.line: found for found in candidates.once(read_labels)}
    floors = lines.first_line[lines.document_of(marks)]
    # No line is read for two final answers, or a run of them would be read again and again.
    floors = np.maximum(floors, np.append(0, marks[:-1] + 1))
    for mark, floor in zip(marks.tolist(), floors.tolist(), strict=True):
        asked = _find_asked(lines, mark, max(floor, mark - _MAX_STEPS))
        if asked is None:
            continue
        first, last = asked
        opening = labels[first].end if first in labels else int(lines.content_start[first])
        steps = int(lines.start[last + 1])
        end = trim(lines.data, steps, int(lines.start[mark + 1]))[1]
        final = find_final(lines, steps, end)
        if final is not None:
            question = Content(SegmentKind.QUESTION, 0, opening, steps)
            yield _worked(question, steps, final, int(lines.content_start[first]), end)


def _find_asked(lines: Lines, mark: int, floor: int) -> tuple[int, int] | None:
    """First and last line of the question that a final answer in line `mark` answers.

    It opens the paragraph that holds the steps, or is the paragraph above that.

    Args:
      lines: of all documents.
      mark: number of the final answer's line.
      floor: the first line that may be read.
    """
    first, last = _paragraph_above(lines, mark, floor)
    for line in range(first, last):
        if _line(lines, line).endswith(QUESTION_MARKS):
            return first, line
    first, last = _paragraph_above(lines, first, floor)
    if last > first and _line(lines, last - 1).endswith(QUESTION_MARKS):
        return first, last - 1
    return None


def _paragraph_above(lines: Lines, line: int, floor: int) -> tuple[int, int]:
    """The lines [first, last) that stand together above a line, blank lines between left out."""
    last = line
    while last > floor and lines.is_blank[last - 1]:
        last -= 1
    first = last
    while first > floor and not lines.is_blank[first - 1]:
        first -= 1
    return first, last


def _line(lines: Lines, line: int) -> str:
    return lines.buffer[lines.start[line] : lines.start[line + 1]].tobytes().decode().rstrip()


FAMILY = CueFamily(name=GAME, candidate=CANDIDATE, find=find)
