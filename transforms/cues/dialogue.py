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
from transforms.cues.enclosed import FENCES, STRINGS, closing, marks_in
from transforms.cues.family import Content, CueFamily, Episode
from transforms.cues.roles import RoleLabel, read_roles
from transforms.cues.speakers import BREAK, GAME, Speeches, find_speeches
from transforms.episodes import trim
from transforms.lines import Int64s, Lines

_CLOCK = rb"[\[(]?(?:\d{1,4}[-./]\d\d?[-./]\d{2,4},?[T ])?\d{1,2}:\d\d(?::\d\d)?(?:\.\d+)?[\])]?"
# Whom or what a quotation is from.
_SOURCE = rb"(?:\t|[ ]{4})[ \t]*--[ \t]+\S[^\n]{0,100}"
# What stands between speeches, in lines of its own.
_DIRECTION = re.compile(
    rb"^(?:" + _SOURCE + rb"|[ \t]*+(?:"
    rb"_?[\[(][^\[\]()]{1,400}[\])]_?\.?"
    rb"|" + _CLOCK + rb"|#{1,6}[ \t][^\n]*+|(?:[-=*_~][ \t]*+){3,}+"
    rb"|_?(?:Enter|Exit|Exeunt|Re-enter|Reenter|Flourish|Alarum)\b[^\n]{0,100}"
    rb"))[ \t\r]*+$",
    re.MULTILINE,
)
# What follows describes the scene, up to the next speech.
_SCENE = re.compile(rb"^[ \t]*+(?:ACT|SCENE|Act|Scene|Actus|Scena)\b[^\n]{0,80}+$", re.MULTILINE)
_EVENT = re.compile(
    rb"^(?:"
    + _SOURCE
    + rb"|[ \t]*+(?:"
    + _CLOCK
    + rb"Z?[ \t]|\*{1,3}[ \t]|-!-|-->|<--|---)[^\n]*+)$",
    re.MULTILINE,
)
# What closes a message in a chat's own markup; a title or rule with nothing below it, or a slot,
# belongs to what follows.
_CLOSES = re.compile(
    rb"(?:\s*(?:<\|(?:im_end|end|eot_id|endoftext|end_of_text)\|>|<end_of_turn>|</?s>))++\s*\Z"
    rb"|(?m:^)[ \t]*(?:\#{1,6}[ \t][^\n]{0,80}[^\n:?]|\[[A-Z][A-Z \d]+\]|[-=*_]{3,}"
    rb"|\{\{[^{}\n]*\}\})\s*\Z"
)
# What closes a chat that is an example.
_ENDS = re.compile(rb"^[ \t]*+\[?END [A-Z ]++\]?[ \t\r]*+$", re.MULTILINE)
_CLOSING_BYTES = 200
# What a template leaves to be filled in.
_SLOT = re.compile(rb"\{{1,2}[^{}\n]*\}{1,2}|\[[^\[\]\n]*\]|<[^<>\n]*>|%s|\.{3}")
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
        string_end = closing(marks_in(lines, speeches.document, STRINGS), speeches.start[0])
        if string_end is not None and string_end < speeches.start[-1]:
            candidates.refuse(speeches.line, GAME, "in several strings of a program")
            continue
        for said in _sessions(lines, breaks, stops, speeches):
            # What was told by the whole is not all of it: a part in which no one asks is left out.
            asks = speeches.form.is_log or any(each.asks for each in said)
            turns = list(_turns(said)) if asks else []
            if turns:
                episodes.append(_episode(turns, speeches.form.name))
    return episodes


def _find_roles(candidates: Candidates, stops: Int64s) -> Iterator[Episode]:
    """The chats whose labels name the players."""
    lines = candidates.lines
    for document, labels in read_roles(candidates).items():
        end = _chat_end(lines, stops, document, labels)
        for said in _chats(lines, document, labels, end):
            turns = list(_played(lines, said))
            if turns:
                yield _episode(turns, f"{turns[0][0].speaker}:")


def _chats(
    lines: Lines, document: int, labels: Sequence[RoleLabel], end: int
) -> Iterator[list[Speech]]:
    """The messages, parted by a system's and by the end of the example, string or fence."""
    marks = marks_in(lines, document, [*STRINGS, *FENCES])
    said: list[Speech] = []
    for label, following in zip(labels, [*(each.start for each in labels[1:]), end], strict=True):
        message_end, is_last = following, label.word == roles.SYSTEM
        closes = closing(marks, label.start)
        if closes is not None and closes < following:
            below = lines.blank_from(_spoken_line(lines, label.body, closes))
            message_end, is_last = min(closes, int(lines.start[below])), True
        example_end = _ENDS.search(lines.data, label.body, message_end)
        if example_end is not None:
            message_end, is_last = example_end.start(), True
        if label.word != roles.SYSTEM:
            message_end = _message_end(lines, label.body, message_end)
            pieces = list(_trimmed(lines, label.body, message_end))
            if pieces:
                said.append(Speech(label.start, label.word, roles.asks(label), pieces))
        if is_last:
            yield said
            said = []
    yield said


def _played(lines: Lines, said: Sequence[Speech]) -> Iterator[list[Speech]]:
    """The turns of a chat: player one's are those whose label asks; not those to be filled in."""
    turns = [list(turn) for _, turn in itertools.groupby(said, lambda speech: speech.asks)]
    if turns and not turns[0][0].asks:
        del turns[0]
    for asked, answered in zip(turns[::2], turns[1::2], strict=False):
        if not _is_slot(lines, asked) and not _is_slot(lines, answered):
            yield from (asked, answered)


def _is_slot(lines: Lines, turn: Sequence[Speech]) -> bool:
    pieces = [piece for speech in turn for piece in speech.pieces]
    return len(pieces) == 1 and _SLOT.fullmatch(lines.data, *pieces[0]) is not None


def _chat_end(lines: Lines, stops: Int64s, document: int, labels: Sequence[RoleLabel]) -> int:
    """Byte offset of the last message's end: the document's, if it is nothing but a chat.

    Else it ends with a paragraph, and before a heading or a rule.
    """
    first, end = lines.first_line[document : document + 2].tolist()
    last = labels[-1]
    if lines.filled_after(first - 1) < labels[0].line:
        body = _spoken_line(lines, last.body, int(lines.start[end]))
        end = min(end, lines.blank_from(body))
        end = min(end, int(stops[stops.searchsorted(last.line, side="right")]))
    return int(lines.start[end])


def _spoken_line(lines: Lines, start: int, end: int) -> int:
    """The line in which a message starts that stands in the bytes [start, end)."""
    spoken = trim(lines.data, start, end)[0]
    return int(np.searchsorted(lines.start, spoken, side="right")) - 1


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
    marks = marks_in(lines, speeches.document, [*STRINGS, *FENCES])
    said: list[Speech] = []
    for i, (start, body) in enumerate(zip(speeches.start, speeches.body, strict=True)):
        end = int(line[i + 1])
        if is_last[i]:
            stop = int(stops[stops.searchsorted(line[i], side="right")])
            end = min(end, stop, _usual_end(lines, speeches, i, usual))
        at = speeches.start[i + 1] if end == line[i + 1] < document_end else int(lines.start[end])
        closes = closing(marks, start)
        pieces = list(_pieces(lines, beside, body, at if closes is None else min(at, closes)))
        if pieces:
            said.append(Speech(start, speeches.speaker[i], speeches.asks[i], pieces))
        if is_last[i]:
            yield said
            said = []


def _usual_end(lines: Lines, speeches: Speeches, i: int, usual: int) -> int:
    """The line after speech i, if it has the usual number of paragraphs.

    In a log it has one line and those below that are deeper.
    """
    line = speeches.line[i]
    if speeches.form.is_log:
        at = line + 1
        while (
            at < lines.n_lines and lines.indent[at] > lines.indent[line] and not lines.is_blank[at]
        ):
            at += 1
        return at
    is_apart = speeches.body[i] >= int(lines.start[line + 1]) - 1 and lines.closes[line]
    at = line
    for ordinal in range(usual):
        if ordinal or is_apart:
            at = lines.filled_after(at)
        if at >= lines.n_lines:
            break
        at = lines.blank_from(at)
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
