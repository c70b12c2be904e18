"""Puts delimiters around turns and segments, and takes them away again."""

import dataclasses
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from schemas.delimiters import DelimiterScheme, Pair, Piece
from schemas.episode import SegmentKind
from transforms.flat import (
    KIND_CODE,
    Bools,
    Ints,
    Segments,
    concat,
    starts_of_runs,
)
from transforms.segment_tokenizer import SegmentTokenizer

_DELIMITER = KIND_CODE[SegmentKind.DELIMITER]

# The order of what stands at one content segment, which itself is third.
_TURN_OPENS, _SEGMENT_OPENS, _CONTENT, _SEGMENT_CLOSES, _TURN_CLOSES = range(5)
_TURN = (_TURN_OPENS, _TURN_CLOSES)
_SEGMENT = (_SEGMENT_OPENS, _SEGMENT_CLOSES)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Insertions:
    """Delimiters of one place and spelling: those before (or after) some content segments."""

    anchors: Ints
    """int64, the content segments that they stand beside."""
    place: int
    """_TURN_OPENS.._TURN_CLOSES."""
    pieces: tuple[Piece, ...]


def insert_delimiters(
    segments: Segments, scheme: DelimiterScheme, tokenizer: SegmentTokenizer
) -> Segments:
    """Puts a scheme's delimiters around the turns and segments of players.

    A turn's segments may lie in several spans, with markers between them. What opens stands right
    before the first of them, what closes right after the last one: the turn's outside, the
    segment's inside. A delimiter belongs to its turn's player and has no bytes. One that has no
    token either, as white space in a vocabulary of words, is left out.

    Args:
      segments: without delimiters.
      scheme: what to put where.
      tokenizer: gives the delimiters' ids.

    Returns:
      The same segments, their tokens untouched, with those of kind DELIMITER between them.
    """
    insertions = [each for each in _insertions(segments, scheme) if len(each.anchors)]
    ids = [tokenizer.delimiter_ids(each.pieces) for each in insertions]
    spelled = [(each, each_ids) for each, each_ids in zip(insertions, ids, strict=True)]
    sizes = [len(each_ids) for _, each_ids in spelled if len(each_ids)]
    kept = [each for each, each_ids in spelled if len(each_ids)]
    if not kept:
        return segments
    pool = pa.ListArray.from_arrays(
        pa.array(np.cumsum([0, *sizes]).astype(np.int32)),
        pa.array(np.concatenate([each_ids for _, each_ids in spelled])),
    )
    anchors = np.concatenate([each.anchors for each in kept])
    counts = [len(each.anchors) for each in kept]
    places = np.repeat([each.place for each in kept], counts)
    edges = np.where(places < _CONTENT, segments.byte_start[anchors], segments.byte_end[anchors])
    delimiters = dataclasses.replace(
        segments.take(anchors),
        kind=np.full(len(anchors), _DELIMITER),
        byte_start=edges,
        byte_end=edges,
        tokens=np.repeat(np.arange(len(kept)), counts),
        pool=pool,
    )
    # A key a segment: its content segment first, then its place beside that.
    n_places = _TURN_CLOSES + 1
    keys = np.concatenate(
        [np.arange(len(segments)) * n_places + _CONTENT, anchors * n_places + places]
    )
    return concat([segments, delimiters]).take(np.argsort(keys, kind="stable"))


def strip_delimiters(segments: Segments) -> Segments:
    """Leaves out all delimiters."""
    return segments.take(segments.kind != _DELIMITER)


def _insertions(segments: Segments, scheme: DelimiterScheme) -> Iterator[_Insertions]:
    """What to insert beside which content segments."""
    content = np.flatnonzero(segments.is_content)
    turn = (segments.rows[content], segments.episode[content], segments.turn[content])
    kind = segments.kind[content]
    for player, pair in scheme.turns.items():
        is_player = segments.player[content] == player
        yield from _sides(pair, content, starts_of_runs(*turn), is_player, _TURN)
    for name, pair in scheme.segments.items():
        is_kind = kind == KIND_CODE[name]
        yield from _sides(pair, content, starts_of_runs(*turn, kind), is_kind, _SEGMENT)


def _sides(
    pair: Pair, content: Ints, opens: Bools, is_meant: Bools, places: tuple[int, int]
) -> Iterator[_Insertions]:
    """Opens and closes the groups that are meant.

    Args:
      pair: what opens and what closes.
      content: int64 [n], the content segments in order.
      opens: bool [n], True for the first of each group.
      is_meant: bool [n], True for the members of groups to delimit.
      places: where the two sides stand.
    """
    closes = np.append(opens[1:], True)[: len(opens)]
    for pieces, is_edge, place in zip(pair, (opens, closes), places, strict=True):
        if pieces:
            yield _Insertions(anchors=content[is_edge & is_meant], place=place, pieces=pieces)
