"""Segments of many rows as flat arrays, the form in which rows are put together.

Rows are lists of structs of lists in Arrow. To insert, leave out or cut segments, all of a table's
segments are held column by column, and their tokens as indices into a pool of token lists, so that
moving a segment moves one integer, and tokens are gathered once, at the end.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.episode import CONTENT_KINDS, SEGMENT, SegmentKind

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

KINDS = tuple(SegmentKind)
KIND_CODE = {kind: code for code, kind in enumerate(KINDS)}
OUTSIDE = -1
"""Episode and turn of a segment that stands outside episodes; null in Arrow."""

_IS_CONTENT = np.array([kind in CONTENT_KINDS for kind in KINDS])


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Segments:
    """S segments of R rows, in order; segment i is of the row r with rows[i] == r.

    Attributes:
      rows: int64 [S], ascending: the row of each segment.
      kind: int64 [S], index into KINDS.
      player: uint8 [S].
      game: int64 [S], index into games.
      episode: int64 [S], OUTSIDE where there is none.
      turn: int64 [S], OUTSIDE where there is none.
      byte_start: int64 [S], in the document's UTF-8 text.
      byte_end: int64 [S].
      tokens: int64 [S], index into pool.
      games: the names that game points at, sorted, so that codes compare as names do.
      pool: list<token>, without nulls.
    """

    rows: Ints
    kind: Ints
    player: npt.NDArray[np.uint8]
    game: Ints
    episode: Ints
    turn: Ints
    byte_start: Ints
    byte_end: Ints
    tokens: Ints
    games: tuple[str, ...]
    pool: pa.ListArray

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def n_tokens(self) -> Ints:
        """int64 [S], tokens of each segment."""
        return list_sizes(self.pool)[self.tokens]

    @property
    def is_content(self) -> Bools:
        """True for what players chose: questions, reasoning and answers."""
        content: Bools = _IS_CONTENT[self.kind] & (self.episode != OUTSIDE)
        return content

    def take(self, chosen: Ints | Bools) -> "Segments":
        """The chosen segments (a mask, or indices), tokens left where they are."""
        return dataclasses.replace(self, **{name: getattr(self, name)[chosen] for name in COLUMNS})

    def tokens_of_rows(self, n_rows: int) -> Ints:
        """int64 [n_rows], tokens of each row."""
        ends = np.cumsum(self.n_tokens)
        offsets = np.concatenate([[0], ends])
        return np.diff(offsets[self.row_offsets(n_rows)])

    def row_offsets(self, n_rows: int) -> Ints:
        """int64 [n_rows + 1]: segments [offsets[r], offsets[r + 1]) are row r's."""
        offsets: Ints = np.searchsorted(self.rows, np.arange(n_rows + 1))
        return offsets

    def token_lists(self) -> pa.ListArray:
        """The tokens of each segment, list<token> [S], gathered and without gaps."""
        return self.pool.take(pa.array(self.tokens))


COLUMNS = (
    "rows",
    "kind",
    "player",
    "game",
    "episode",
    "turn",
    "byte_start",
    "byte_end",
    "tokens",
)
"""The columns of Segments that have an entry a segment."""


def segments_of(spans: pa.ListArray, tokens: pa.ListArray) -> Segments:
    """Flattens a column of spans or segments.

    Args:
      spans: list<SPAN> or list<SEGMENT> [R], one list a row, without nulls.
      tokens: list<token> [S], the tokens of each span in order.
    """
    flat = spans.flatten()
    sizes = list_sizes(spans)
    games = flat.field("game").dictionary_encode()
    names = games.dictionary.to_pylist()
    ranked = sorted(names)
    rank = np.array([ranked.index(name) for name in names], np.int64)
    return Segments(
        rows=np.repeat(np.arange(len(sizes)), sizes),
        kind=kind_codes(flat.field("kind")),
        player=flat.field("player").to_numpy(zero_copy_only=False),
        game=rank[games.indices.to_numpy(zero_copy_only=False)],
        episode=flat.field("episode").fill_null(OUTSIDE).to_numpy().astype(np.int64),
        turn=flat.field("turn").fill_null(OUTSIDE).to_numpy().astype(np.int64),
        byte_start=flat.field("byte_start").to_numpy(),
        byte_end=flat.field("byte_end").to_numpy(),
        tokens=np.arange(len(flat)),
        games=tuple(ranked),
        pool=tokens,
    )


def segment_lists(segments: Segments, n_rows: int) -> pa.ListArray:
    """The `segments` column: list<SEGMENT> [n_rows], token ranges relative to their row."""
    offsets = segments.row_offsets(n_rows)
    ends = np.cumsum(segments.n_tokens)
    starts = ends - segments.n_tokens
    base = np.concatenate([starts, ends[-1:], [0]])[offsets[:-1]][segments.rows]
    columns = {
        "kind": pa.array([str(kind) for kind in KINDS]).take(pa.array(segments.kind)),
        "player": pa.array(segments.player),
        "game": pa.array(segments.games, pa.string()).take(pa.array(segments.game)),
        "episode": _nullable(segments.episode),
        "turn": _nullable(segments.turn),
        "start": pa.array((starts - base).astype(np.int32)),
        "end": pa.array((ends - base).astype(np.int32)),
        "byte_start": pa.array(segments.byte_start),
        "byte_end": pa.array(segments.byte_end),
    }
    structs = pa.StructArray.from_arrays(list(columns.values()), fields=list(SEGMENT))
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), structs)


def concat(parts: Sequence[Segments]) -> Segments:
    """Segments of several sets of one table after another, pools joined; not sorted by row.

    The parts must share their games, as parts of one table do.
    """
    pools = [part.pool for part in parts]
    bases = np.cumsum([0] + [len(pool) for pool in pools])
    shifted = [
        dataclasses.replace(part, tokens=part.tokens + base)
        for part, base in zip(parts, bases, strict=False)
    ]
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in shifted]) for name in COLUMNS
    }
    return dataclasses.replace(parts[0], pool=pa.concat_arrays(pools), **columns)


def text_offsets(texts: pa.Array) -> Ints:
    """Where each text begins in the array's bytes, and where the last one ends, int64 [n + 1].

    Args:
      texts: string or large_string [n]; a slice is taken for what it is.
    """
    if not len(texts):
        return np.zeros(1, np.int64)
    width = np.int64 if pa.types.is_large_string(texts.type) else np.int32
    offsets = np.frombuffer(texts.buffers()[1], width, len(texts) + 1 + texts.offset)
    return offsets[texts.offset :].astype(np.int64)


def list_sizes(lists: pa.ListArray) -> Ints:
    """int64, the number of elements of each list; 0 for null."""
    sizes: Ints = lists.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    return sizes.astype(np.int64)


def kind_codes(kinds: pa.Array) -> Ints:
    """int64, index into KINDS of each kind's name."""
    encoded = kinds.dictionary_encode()
    names = encoded.dictionary.to_pylist()
    codes = np.array([KIND_CODE[SegmentKind(name)] for name in names], np.int64)
    kind: Ints = codes[encoded.indices.to_numpy(zero_copy_only=False)]
    return kind


def starts_of_runs(*columns: npt.NDArray[Any]) -> Bools:
    """True where any column differs from the entry before, bool [S]; the first entry is True."""
    starts = np.zeros(len(columns[0]), np.bool_)
    starts[:1] = True
    for column in columns:
        starts[1:] |= column[1:] != column[:-1]
    return starts


def _nullable(values: Ints) -> pa.Array:
    is_null = values == OUTSIDE
    # What stands under a null is written too, and is to be the same however it came there.
    return pa.array(np.where(is_null, 0, values).astype(np.int32), mask=is_null)
