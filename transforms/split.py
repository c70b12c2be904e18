"""Splits over-long rows where no exchange is torn.

A row may be cut before a turn of player one, so that a piece holds whole exchanges, at the edges of
episodes, and in nature's text at line ends. Within an exchange there is no cut: an episode with one
that does not fit is left out as a whole, and what stands before it and after it become pieces of
their own. A text that fits into a row is not cut; of one that does not, a line that is longer than
a row is cut between words as the last resort.
"""

import dataclasses
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.episode import Player
from transforms.cut_text import text_cuts
from transforms.flat import OUTSIDE, Bools, Ints, Segments, concat, starts_of_runs, text_offsets
from transforms.segment_tokenizer import SegmentTokenizer

MIN_ROW_TOKENS = 4
"""Tokens that a character may need, one a byte; a shorter row could not hold it."""

# How willingly a row is cut before a segment, or before a part of one.
_NEVER, _LAST_RESORT, _CUT = range(3)

CutText = Callable[[int, npt.NDArray[np.unsignedinteger]], tuple[Ints, Ints, Bools]]
"""From a segment and its ids to what `text_cuts` gives, bytes counted in the document."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Pieces:
    """Rows after splitting.

    Attributes:
      segments: of all pieces; their rows count pieces.
      parents: int64 [pieces], ascending, the row each piece is of.
      ordinals: int64 [pieces], place of the piece in its row.
      is_truncated: bool [pieces], True for pieces of rows that were over-long.
      overlong: int64 [episodes left out], the row of each.
    """

    segments: Segments
    parents: Ints
    ordinals: Ints
    is_truncated: Bools
    overlong: Ints


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Atoms:
    """What is packed undivided: segments, and parts of texts that are too long for a row.

    Attributes:
      segment: int64 [A], ascending, the segment each atom is of.
      token_start: int64 [A], counted through all segments.
      byte_start: int64 [A], in the document.
      level: int64 [A], how willingly a row is cut before it.
    """

    segment: Ints
    token_start: Ints
    byte_start: Ints
    level: Ints


def split_rows(
    segments: Segments,
    texts: pa.Array,
    documents: Ints,
    tokenizer: SegmentTokenizer,
    max_tokens: int | None,
) -> Pieces:
    """Splits the rows that have more than max_tokens tokens, delimiters included.

    Ids are not touched: the pieces of a row, one after another, have its ids, but for those of
    episodes left out.

    Args:
      segments: of R rows, with delimiters.
      texts: large_string, the documents' texts.
      documents: int64 [R], which of texts each row is of.
      tokenizer: says where the tokens of a long text begin.
      max_tokens: at least MIN_ROW_TOKENS; None splits nothing.
    """
    sizes = segments.tokens_of_rows(len(documents))
    is_long = sizes > (sizes.max(initial=0) if max_tokens is None else max_tokens)
    short = np.flatnonzero(~is_long)
    kept = segments.take(~is_long[segments.rows])
    whole = Pieces(
        segments=dataclasses.replace(kept, rows=np.searchsorted(short, kept.rows)),
        parents=short,
        ordinals=np.zeros_like(short),
        is_truncated=np.zeros(len(short), np.bool_),
        overlong=short[:0],
    )
    if max_tokens is None or not is_long.any():
        return whole
    long = segments.take(is_long[segments.rows])
    begin = text_offsets(texts)[documents][long.rows]
    raw = memoryview(texts.buffers()[2])
    is_line = _follows_line_end(np.frombuffer(raw, np.uint8), begin + long.byte_start)

    def cut_text(segment: int, ids: npt.NDArray[np.unsignedinteger]) -> tuple[Ints, Ints, Bools]:
        first, last = long.byte_start[segment], long.byte_end[segment]
        text = bytes(raw[begin[segment] + first : begin[segment] + last])
        starts = tokenizer.token_starts(text.decode(), ids)
        tokens, byte_starts, is_line = text_cuts(text, starts, max_tokens)
        return tokens, first + byte_starts, is_line

    return _merge(whole, split_long_rows(long, is_line, cut_text, max_tokens))


def split_long_rows(long: Segments, is_line: Bools, cut_text: CutText, max_tokens: int) -> Pieces:
    """Splits rows all of which are over-long.

    Args:
      long: of R rows, with delimiters.
      is_line: bool [S], True for segments outside episodes that begin a line.
      cut_text: cuts a text that is too long for a row.
      max_tokens: at least MIN_ROW_TOKENS.
    """
    levels = _cut_levels(long, is_line)
    is_lost = _is_in_overlong_episode(long, levels, max_tokens)
    episodes = np.unique(np.stack([long.rows, long.episode])[:, is_lost], axis=1)[0]
    kept = np.flatnonzero(~is_lost)
    rest = long.take(kept)
    ids = rest.token_lists().flatten().to_numpy()
    # What stood before and after something left out is not one text.
    is_forced = starts_of_runs(kept - np.arange(len(kept)), rest.rows)
    atoms = _atoms(
        rest, levels[kept], ids, lambda index, ids: cut_text(int(kept[index]), ids), max_tokens
    )
    begins = _pack(atoms, is_forced, len(ids), max_tokens)
    return _pieces(rest, atoms, begins, ids, episodes)


def _cut_levels(segments: Segments, is_line: Bools) -> Ints:
    """int64 [S], how willingly the row is cut before each segment."""
    rows, episode = segments.rows, segments.episode
    is_inside = episode != OUTSIDE
    is_edge = starts_of_runs(rows, episode)
    turn = _turn_of_markers(segments)
    turn_starts = starts_of_runs(rows, episode, turn)
    # Markers of nature's open a turn too, so the turn's player is the greatest of its segments'.
    player = np.maximum.reduceat(segments.player, np.flatnonzero(turn_starts))
    is_question = turn_starts & (player[np.cumsum(turn_starts) - 1] == Player.ONE)
    levels = np.full(len(segments), _NEVER, np.int64)
    levels[~is_inside] = _LAST_RESORT
    levels[is_edge | (is_inside & is_question) | (~is_inside & is_line)] = _CUT
    return levels


def _turn_of_markers(segments: Segments) -> Ints:
    """int64 [S], turns, where those without one in an episode take that of what follows."""
    turn = segments.turn
    known = np.where(turn != OUTSIDE, np.arange(len(turn)), len(turn))
    following = np.minimum.accumulate(known[::-1])[::-1]
    is_filled = (turn == OUTSIDE) & (segments.episode != OUTSIDE) & (following < len(turn))
    source = np.where(is_filled, np.minimum(following, len(turn) - 1), np.arange(len(turn)))
    same = (segments.rows[source] == segments.rows) & (segments.episode[source] == segments.episode)
    filled: Ints = np.where(same, turn[source], turn)
    return filled


def _is_in_overlong_episode(segments: Segments, levels: Ints, max_tokens: int) -> Bools:
    """True, bool [S], for all of an episode that has an exchange of over max_tokens tokens.

    An answer far from its question may be cut from it, but is not left behind alone.
    """
    unit = np.cumsum(levels == _CUT) - 1
    size = np.bincount(unit, weights=segments.n_tokens)
    is_inside = segments.episode != OUTSIDE
    n_episodes = segments.episode.max(initial=0) + 1
    episode = segments.rows * n_episodes + segments.episode
    lost = np.unique(episode[is_inside & (size[unit] > max_tokens)])
    is_lost: Bools = is_inside & np.isin(episode, lost)
    return is_lost


def _atoms(
    segments: Segments,
    levels: Ints,
    ids: npt.NDArray[np.unsignedinteger],
    cut_text: CutText,
    max_tokens: int,
) -> _Atoms:
    """Cuts the texts that do not fit into a row, so that no atom has over max_tokens tokens."""
    sizes = segments.n_tokens
    ends = np.cumsum(sizes)
    starts = ends - sizes
    parts = [(np.arange(len(segments)), starts, segments.byte_start, levels)]
    for index in np.flatnonzero((segments.episode == OUTSIDE) & (sizes > max_tokens)):
        tokens, byte_starts, is_line = cut_text(int(index), ids[starts[index] : ends[index]])
        level = np.where(is_line, _CUT, _LAST_RESORT)
        parts.append((np.full(len(tokens), index), starts[index] + tokens, byte_starts, level))
    segment, token_start, byte_start, level = map(np.concatenate, zip(*parts, strict=True))
    order = np.lexsort((token_start, segment))
    return _Atoms(
        segment=segment[order],
        token_start=token_start[order],
        byte_start=byte_start[order],
        level=level[order],
    )


def _pack(atoms: _Atoms, is_forced: Bools, n_tokens: int, max_tokens: int) -> Ints:
    """Fills pieces from the front, each up to the last cut within max_tokens.

    Args:
      atoms: what to pack.
      is_forced: bool [S], True where a piece has to begin at a segment.
      n_tokens: tokens of all atoms.
      max_tokens: the most tokens of a piece.

    Returns:
      int64 [pieces], the first atom of each piece.
    """
    offsets = np.append(atoms.token_start, n_tokens)
    preferences = [np.flatnonzero(atoms.level >= level) for level in (_CUT, _LAST_RESORT)]
    opens = starts_of_runs(atoms.segment) & is_forced[atoms.segment]
    stretches = np.append(np.flatnonzero(opens), len(atoms.segment))
    begins = []
    for begin, end in pairwise(stretches.tolist()):
        while begin < end:
            begins.append(begin)
            reach = int(np.searchsorted(offsets, offsets[begin] + max_tokens, side="right")) - 1
            begin = end if reach >= end else _last_cut(preferences, begin, reach)
    return np.array(begins, np.int64)


def _last_cut(preferences: Sequence[Ints], begin: int, reach: int) -> int:
    """The last atom in (begin, reach] to cut before, of the first preference that has one."""
    for cuts in preferences:
        nearest = int(np.searchsorted(cuts, reach, side="right")) - 1
        if nearest >= 0 and cuts[nearest] > begin:
            return int(cuts[nearest])
    msg = f"no cut between atoms {begin} and {reach}: an exchange that does not fit was kept"
    raise AssertionError(msg)


def _pieces(
    segments: Segments,
    atoms: _Atoms,
    begins: Ints,
    ids: npt.NDArray[np.unsignedinteger],
    overlong: Ints,
) -> Pieces:
    """Makes rows of pieces, the atoms of a segment in one piece being one segment again."""
    piece = np.searchsorted(begins, np.arange(len(atoms.segment)), side="right") - 1
    first = np.flatnonzero(starts_of_runs(piece, atoms.segment))
    chosen = atoms.segment[first]
    byte_start = atoms.byte_start[first]
    byte_end = segments.byte_end[chosen]
    goes_on = np.append(chosen[1:] == chosen[:-1], False)[: len(chosen)]
    byte_end[goes_on] = np.append(byte_start[1:], 0)[: len(chosen)][goes_on]
    offsets = np.append(atoms.token_start[first], len(ids)).astype(np.int32)
    cut = dataclasses.replace(
        segments.take(chosen),
        rows=piece[first],
        byte_start=byte_start,
        byte_end=byte_end,
        tokens=np.arange(len(chosen)),
        pool=pa.ListArray.from_arrays(pa.array(offsets), pa.array(ids)),
    )
    parents = segments.rows[atoms.segment[begins]]
    firsts = np.flatnonzero(starts_of_runs(parents))
    return Pieces(
        segments=cut,
        parents=parents,
        ordinals=np.arange(len(parents))
        - np.repeat(firsts, np.diff(np.append(firsts, len(parents)))),
        is_truncated=np.ones(len(parents), np.bool_),
        overlong=overlong,
    )


def _merge(whole: Pieces, cut: Pieces) -> Pieces:
    """Puts the pieces of long rows between the rows that are left whole."""
    n_whole = len(whole.parents)
    parents = np.concatenate([whole.parents, cut.parents])
    # A row is either whole or cut, and pieces are in order, so a stable sort by row will do.
    order = np.argsort(parents, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    both = concat(
        [whole.segments, dataclasses.replace(cut.segments, rows=cut.segments.rows + n_whole)]
    )
    both = dataclasses.replace(both, rows=place[both.rows])
    return Pieces(
        segments=both.take(np.argsort(both.rows, kind="stable")),
        parents=parents[order],
        ordinals=np.concatenate([whole.ordinals, cut.ordinals])[order],
        is_truncated=np.concatenate([whole.is_truncated, cut.is_truncated])[order],
        overlong=np.concatenate([whole.overlong, cut.overlong]),
    )


def _follows_line_end(raw: npt.NDArray[np.uint8], positions: Ints) -> Bools:
    """True for each position right after a line end."""
    follows = np.zeros(len(positions), np.bool_)
    inside = positions > 0
    follows[inside] = np.isin(raw[positions[inside] - 1], list(b"\r\n"))
    return follows
