"""Dialogue: interviews, plays, chats and their logs, told by the labels of their speakers.

One session is one episode of many turns. What one speaker says in a row is one turn. Where one
speaker asks and the others do not, as in an interview, that one is player one, and what all others
say up to the next question is player two's turn. Else whoever opens is player one, and turns
alternate, however many speakers there are: each turn answers the one before. An episode begins with
player one and ends with player two; what is left over at its ends is text.

Stage directions, headings, times and the joins and parts of a log are markers.
"""

import collections
import itertools
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from schemas.episode import SegmentKind
from transforms.candidates import Candidates
from transforms.cues.family import Content, CueFamily, Episode
from transforms.cues.speakers import CANDIDATE, Speeches, find_speeches
from transforms.episodes import trim
from transforms.lines import Lines

GAME = "dialogue"

_CLOCK = rb"[\[(]?(?:\d{1,4}[-./]\d\d?[-./]\d{2,4},?[T ])?\d{1,2}:\d\d(?::\d\d)?(?:\.\d+)?[\])]?"
# What stands between speeches, in lines of its own.
_DIRECTION = re.compile(
    rb"^[ \t]*+(?:"
    rb"_?[\[(][^\[\]()]{1,400}[\])]_?\.?"
    rb"|" + _CLOCK + rb"|#{1,6}[ \t][^\n]*+|(?:[-=*_~][ \t]*+){3,}+"
    rb"|_?(?:Enter|Exit|Exeunt|Re-enter|Reenter|Flourish|Alarum)\b[^\n]{0,100}"
    rb")[ \t\r]*+$",
    re.MULTILINE,
)
# What follows describes the scene, up to the next speech.
_SCENE = re.compile(rb"^[ \t]*+(?:ACT|SCENE|Act|Scene|Actus|Scena)\b[^\n]{0,80}+$", re.MULTILINE)
_EVENT = re.compile(
    rb"^[ \t]*+(?:" + _CLOCK + rb"Z?[ \t]|\*{1,3}[ \t]|-!-|-->|<--|---)[^\n]*+$", re.MULTILINE
)
_MIN_ASKING_TURNS = 0.4
_MIN_SHARE_OF_QUESTIONS = 0.6
_MIN_SHARE_OF_TURNS = 0.3
_USUAL = 0.9


class Speech(NamedTuple):
    """What a speaker says after one label.

    Attributes:
      start: byte offset of the label.
      speaker: the name.
      asks: whether it asks.
      pieces: byte ranges of what is said, white space left out.
    """

    start: int
    speaker: str
    asks: bool
    pieces: Sequence[tuple[int, int]]


def find(candidates: Candidates) -> Sequence[Episode]:
    """Sessions of at least two speakers."""
    lines = candidates.lines
    headings = np.array([heading.first_line for heading in candidates.outline], np.int64)
    episodes = []
    for speeches in find_speeches(candidates):
        said = [each for each in _read(lines, headings, speeches) if each.pieces]
        turns = list(_turns(said))
        if turns:
            episodes.append(_episode(turns, speeches.form.name))
    return episodes


def _read(lines: Lines, headings: np.ndarray, speeches: Speeches) -> Iterator[Speech]:
    """The speeches of a session; each ends at the next label, the last with its paragraphs."""
    is_log = speeches.form.is_log
    beside = _EVENT if is_log else _DIRECTION
    last_end = int(lines.start[_last_line(lines, headings, speeches)])
    ends = [*speeches.start[1:], last_end]
    columns = zip(speeches.start, speeches.body, ends, speeches.speaker, speeches.asks, strict=True)
    for start, body, end, speaker, asks in columns:
        yield Speech(start, speaker, asks, list(_pieces(lines, beside, body, end)))


def _last_line(lines: Lines, headings: np.ndarray, speeches: Speeches) -> int:
    """The line after the last speech, which has as many paragraphs as is usual in its session."""
    line = speeches.line[-1]
    end = int(lines.first_line[speeches.document + 1])
    following = int(headings.searchsorted(line, side="right"))
    if following < len(headings):
        end = min(end, int(headings[following]))
    if speeches.form.is_log:
        return line + 1
    before = sorted(speeches.n_paragraphs[:-1])
    n_paragraphs = before[int(len(before) * _USUAL)] if before else 1
    at = line
    is_apart = speeches.body[-1] >= int(lines.start[line + 1]) - 1 and lines.closes[line]
    for ordinal in range(n_paragraphs):
        if ordinal or is_apart:
            at = int(lines.next_filled(np.array([at]))[0])
        if at >= end:
            return end
        at = int(lines.next_blank(np.array([at]))[0])
    return min(at, end)


def _pieces(
    lines: Lines, beside: re.Pattern[bytes], start: int, end: int
) -> Iterator[tuple[int, int]]:
    """What is said in the bytes [start, end), without the lines that nobody says."""
    scene = None if beside is _EVENT else _SCENE.search(lines.data, start, end)
    at, end = start, end if scene is None else scene.start()
    for match in beside.finditer(lines.data, start, end):
        if match.start() > start:
            yield from _trimmed(lines, at, match.start())
            at = match.end()
    yield from _trimmed(lines, at, end)


def _trimmed(lines: Lines, start: int, end: int) -> Iterator[tuple[int, int]]:
    start, end = trim(lines.data, start, end)
    if start < end:
        yield start, end


def _turns(said: Sequence[Speech]) -> Iterator[list[Speech]]:
    """The turns of a session, player one's first and player two's last."""
    asker = _asker(said)
    if asker is None:
        groups = itertools.groupby(said, lambda speech: speech.speaker)
        turns = [list(group) for _, group in groups]
    else:
        sides = itertools.groupby(said, lambda speech: speech.speaker == asker)
        turns = [list(group) for _, group in sides]
        if turns[0][0].speaker != asker:
            del turns[0]
    yield from turns[: len(turns) // 2 * 2]


def _asker(said: Sequence[Speech]) -> str | None:
    """The one speaker who asks, if there is one."""
    runs = [(name, [s.asks for s in run]) for name, run in itertools.groupby(said, _speaker)]
    n_turns, n_asking = collections.Counter[str](), collections.Counter[str]()
    for name, asks in runs:
        n_turns[name] += 1
        n_asking[name] += any(asks)
    if not n_asking:
        return None
    asker, n_questions = max(n_asking.items(), key=lambda item: (item[1], item[0]))
    is_asker = (
        n_questions >= _MIN_ASKING_TURNS * n_turns[asker]
        and n_questions >= _MIN_SHARE_OF_QUESTIONS * n_asking.total()
        and n_turns[asker] >= _MIN_SHARE_OF_TURNS * n_turns.total()
    )
    return asker if is_asker else None


def _speaker(speech: Speech) -> str:
    return speech.speaker


def _episode(turns: Sequence[Sequence[Speech]], cue: str) -> Episode:
    contents: list[Content] = []
    for ordinal, turn in enumerate(turns):
        kind = SegmentKind.ANSWER if ordinal % 2 else SegmentKind.QUESTION
        for speech in turn:
            contents.extend(Content(kind, ordinal, *piece) for piece in speech.pieces)
    return Episode(turns[0][0].start, contents[-1].end, tuple(contents), cue)


FAMILY = CueFamily(name=GAME, candidate=CANDIDATE, find=find)
