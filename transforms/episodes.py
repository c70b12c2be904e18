"""From proposed episodes to spans: trim them, keep those that do not overlap, tile the documents.

Offsets are bytes of UTF-8 into the buffer that holds all documents of a table.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from schemas.episode import PLAYER_OF_KIND, Player, SegmentKind
from transforms.cues.family import Content, Episode

# White space as `str.isspace` has it, in UTF-8.
_WHITE = re.compile(
    rb"(?:[\t-\r\x1c-\x20]|\xc2[\x85\xa0]|\xe1\x9a\x80|\xe2\x80[\x80-\x8a\xa8\xa9\xaf]"
    rb"|\xe2\x81\x9f|\xe3\x80\x80)*+"
)
_ASCII_WHITE = frozenset(b"\t\n\v\f\r\x1c\x1d\x1e\x1f ")
_NOT_ASCII = 0x80
_NO_NEWLINE = re.compile(rb"[^\n]*+")
_TAIL_BYTES = 64


class Span(NamedTuple):
    """One span of a document; `schemas.SPAN` with offsets into the table's buffer."""

    kind: SegmentKind
    player: Player
    game: str
    episode: int | None
    turn: int | None
    start: int
    end: int
    cue: str | None


def trim(data: memoryview, start: int, end: int) -> tuple[int, int]:
    r"""The range without the white space at its ends; empty (end, end) when it holds nothing else.

    Example:
      >>> trim(np.fromdata(" a\u3000".encode(), np.uint8), 0, 5)
      (1, 2)
    """
    while start < end and data[start] in _ASCII_WHITE:
        start += 1
    while start < end and data[end - 1] in _ASCII_WHITE:
        end -= 1
    if start < end and (data[start] >= _NOT_ASCII or data[end - 1] >= _NOT_ASCII):
        return _trim_any(data, start, end)
    return start, end


def _trim_any(data: memoryview, start: int, end: int) -> tuple[int, int]:
    match = _WHITE.match(data, start, end)
    start = end if match is None else match.end()
    size = _TAIL_BYTES
    while start < end:
        # Most tails are short. Looking ever further back keeps a long one linear.
        low = max(start, end - size)
        tail = str(data[low:end], "utf-8", "surrogateescape")
        kept = len(tail.rstrip().encode("utf-8", "surrogateescape"))
        if kept:
            return start, low + kept
        end, size = low, 2 * size
    return start, start


def trim_episode(data: memoryview, episode: Episode) -> Episode | None:
    """The episode with its ends and its contents trimmed; None if a content is empty."""
    contents = []
    for content in episode.contents:
        start, end = trim(data, content.start, content.end)
        if start == end:
            return None
        contents.append(content._replace(start=start, end=end))
    start, _ = trim(data, episode.start, contents[0].end)
    # Nothing but a label stands behind the last content, so its end is cheap to find.
    _, end = trim(data, contents[-1].start, episode.end)
    return episode._replace(start=start, end=end, contents=tuple(contents))


def resolve(proposed: Sequence[tuple[str, Sequence[Episode]]]) -> list[tuple[str, Episode]]:
    """Keeps episodes that do not overlap: the outer of two, else the one that starts earlier.

    Args:
      proposed: for each family, in the order that breaks ties, its name and episodes.

    Returns:
      (family's name, episode), ascending.
    """
    ranked = [
        (episode.start, -episode.end, order, episode)
        for order, (_, episodes) in enumerate(proposed)
        for episode in episodes
    ]
    ranked.sort(key=lambda entry: entry[:3])
    kept: list[tuple[str, Episode]] = []
    free_from = 0
    for start, _, order, episode in ranked:
        if start >= free_from:
            kept.append((proposed[order][0], episode))
            free_from = episode.end
    return kept


def tile(
    data: memoryview,
    start: int,
    end: int,
    episodes: Sequence[tuple[str, Episode]],
) -> Iterator[Span]:
    """The spans of one document.

    Args:
      data: uint8, the text of all documents.
      start: where the document starts.
      end: where it ends.
      episodes: (game, trimmed episode) of this document, ascending, not overlapping.
    """
    at = start
    for ordinal, (game, episode) in enumerate(episodes):
        if at < episode.start:
            yield _text(at, episode.start)
        yield from _tile_episode(data, ordinal, game, episode)
        at = episode.end
    if at < end:
        yield _text(at, end)


def _text(start: int, end: int) -> Span:
    return Span(SegmentKind.TEXT, Player.NATURE, "text", None, None, start, end, None)


def _tile_episode(data: memoryview, ordinal: int, game: str, episode: Episode) -> Iterator[Span]:
    at, player, turn = episode.start, Player.NATURE, 0
    for content in episode.contents:
        # What stands before the first content was chosen by neither player; what stands between
        # two turns belongs to the following one.
        if content is not episode.contents[0]:
            player = PLAYER_OF_KIND[content.kind]
        turn = content.turn
        for low, high in _markers(data, at, content.start):
            yield Span(SegmentKind.MARKER, player, game, ordinal, turn, low, high, episode.cue)
        player = PLAYER_OF_KIND[content.kind]
        yield Span(
            content.kind, player, game, ordinal, turn, content.start, content.end, episode.cue
        )
        at = content.end
    for low, high in _markers(data, at, episode.end):
        yield Span(SegmentKind.MARKER, player, game, ordinal, turn, low, high, episode.cue)


def _markers(data: memoryview, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Cuts what stands between two contents into white space and labels, a line's label in one."""
    at = start
    while at < end:
        low, _ = trim(data, at, end)
        if at < low:
            yield at, low
        if low == end:
            return
        line_end = _line_end(data, low, end)
        _, high = trim(data, low, line_end)
        yield low, high
        at = high


def _line_end(data: memoryview, start: int, end: int) -> int:
    match = _NO_NEWLINE.match(data, start, end)
    return end if match is None else match.end()


def contents_of(episode: Episode, kind: SegmentKind) -> list[Content]:
    """The contents of one kind, in order."""
    return [content for content in episode.contents if content.kind is kind]
