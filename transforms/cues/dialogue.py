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
from transforms.cues import roles
from transforms.cues.family import Content, CueFamily, Episode
from transforms.cues.roles import RoleLabel, read_roles
from transforms.cues.speakers import BREAK, GAME, Speeches, find_speeches
from transforms.episodes import trim
from transforms.lines import Int64s, Lines

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
# What closes a message in a chat's own markup.
_CLOSES = re.compile(rb"(?:\s*(?:<\|(?:im_end|end|eot_id|endoftext|end_of_text)\|>|</s>))++\s*\Z")
_CLOSING_BYTES = 200
_FENCE = re.compile(rb"^[ \t]*(?:```|~~~)[ \t\r]*$", re.MULTILINE)
_MIN_ASKING_TURNS = 0.4
_MIN_SHARE_OF_QUESTIONS = 0.6
_MIN_SHARE_OF_TURNS = 0.3
_USUAL, _MANY = 0.9, 3


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
    breaks, _ = candidates.matching(BREAK)
    headings = np.array([heading.first_line for heading in candidates.outline], np.int64)
    # Looked up again and again, so that the end of all lines is one of them.
    stops = np.sort(np.concatenate([breaks, headings, [lines.n_lines]]))
    episodes = list(_find_roles(candidates, stops))
    for speeches in find_speeches(candidates):
        for said in _sessions(lines, breaks, stops, speeches):
            # What was told by the whole is not all of it: a part in which no one asks is left out.
            asks = speeches.form.is_log or any(each.asks for each in said)
            turns = list(_turns(said)) if asks else []
            if turns:
                episodes.append(_episode(turns, speeches.form.name))
    return episodes


def _find_roles(candidates: Candidates, stops: Int64s) -> Iterator[Episode]:
    """The chats whose labels name the players; a system's message begins another."""
    lines = candidates.lines
    for document, labels in read_roles(candidates).items():
        ends = [*(label.start for label in labels[1:]), _chat_end(lines, stops, document, labels)]
        said: list[Speech] = []
        for label, end in zip([*labels, None], [*ends, 0], strict=True):
            if label is None or label.word == roles.SYSTEM:
                turns = list(_played(said))
                if turns:
                    yield _episode(turns, f"{turns[0][0].speaker}:")
                said = []
                continue
            pieces = list(_trimmed(lines, label.body, _message_end(lines, label.body, end)))
            if pieces:
                said.append(Speech(label.start, label.word, roles.asks(label), pieces))


def _played(said: Sequence[Speech]) -> Iterator[list[Speech]]:
    """The turns of a chat: player one's are those whose label asks."""
    turns = [list(turn) for _, turn in itertools.groupby(said, lambda speech: speech.asks)]
    if turns and not turns[0][0].asks:
        del turns[0]
    yield from turns[: len(turns) // 2 * 2]


def _chat_end(lines: Lines, stops: Int64s, document: int, labels: Sequence[RoleLabel]) -> int:
    """Byte offset of the last message's end: the document's, if it is nothing but a chat.

    Else it ends with a paragraph, and before a heading, a rule or the end of a fence.
    """
    first, end = lines.first_line[document : document + 2].tolist()
    last = labels[-1]
    if int(lines.next_filled(np.array([first - 1]))[0]) < labels[0].line:
        spoken = trim(lines.data, last.body, int(lines.start[end]))[0]
        body = int(np.searchsorted(lines.start, spoken, side="right")) - 1
        end = min(end, int(lines.next_blank(np.array([body]))[0]))
        end = min(end, int(stops[stops.searchsorted(last.line, side="right")]))
    fence = _FENCE.search(lines.data, last.body, int(lines.start[end]))
    is_shown = end < int(lines.first_line[document + 1])
    return fence.start() if fence is not None and is_shown else int(lines.start[end])


def _message_end(lines: Lines, start: int, end: int) -> int:
    """The end of a message without the marks that close it."""
    low = max(start, end - _CLOSING_BYTES)
    match = _CLOSES.search(lines.data, low, end)
    return end if match is None else match.start()


def _sessions(
    lines: Lines, breaks: Int64s, stops: Int64s, speeches: Speeches
) -> Iterator[list[Speech]]:
    """The speeches, parted where a rule stands between them, or much that has no label.

    Each ends at the next label, the last of a session with as many paragraphs as is usual.
    """
    document_end = int(lines.first_line[speeches.document + 1])
    line = np.array([*speeches.line, document_end])
    usual = sorted(speeches.n_paragraphs[:-1])[int((len(line) - 3) * _USUAL)]
    is_last = np.diff(breaks.searchsorted(line)) > 0
    is_last |= np.array(speeches.n_paragraphs) > _MANY * usual + _MANY
    is_last[-1] = True
    beside = _EVENT if speeches.form.is_log else _DIRECTION
    said: list[Speech] = []
    for i, (start, body) in enumerate(zip(speeches.start, speeches.body, strict=True)):
        end = int(line[i + 1])
        if is_last[i]:
            stop = int(stops[stops.searchsorted(line[i], side="right")])
            end = min(end, stop, _usual_end(lines, speeches, i, usual))
        at = speeches.start[i + 1] if end == line[i + 1] < document_end else int(lines.start[end])
        pieces = list(_pieces(lines, beside, body, at))
        if pieces:
            said.append(Speech(start, speeches.speaker[i], speeches.asks[i], pieces))
        if is_last[i]:
            yield said
            said = []


def _usual_end(lines: Lines, speeches: Speeches, i: int, usual: int) -> int:
    """The line after speech i, if it has the usual number of paragraphs; in a log, one line."""
    line = speeches.line[i]
    if speeches.form.is_log:
        return line + 1
    is_apart = speeches.body[i] >= int(lines.start[line + 1]) - 1 and lines.closes[line]
    at = line
    for ordinal in range(usual):
        if ordinal or is_apart:
            at = int(lines.next_filled(np.array([at]))[0])
        if at >= lines.n_lines:
            break
        at = int(lines.next_blank(np.array([at]))[0])
    return at


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
    if not said:
        return
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


FAMILY = CueFamily(name=GAME, find=find)
