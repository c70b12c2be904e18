"""Arms: the same content with delimiters, without, or with delimiters that mean nothing.

An arm is told apart from its content: content tokens are one array for all arms, and an arm is what
it inserts between them. So arms of the insertion class share content ids and order by construction;
`content_digest` lets a run check that they do.
"""

import dataclasses
import hashlib
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.delimiters import Control
from schemas.episode import SegmentKind
from schemas.keys import digest
from transforms.flat import KIND_CODE, Bools, Ints
from transforms.rows import redelimit, segments_of_rows
from transforms.tokenize import SegmentTokenizer

_DELIMITER = KIND_CODE[SegmentKind.DELIMITER]
UNSCORED = -1
"""Cell of a token whose loss is in no result."""

_SWAPPED = {"<question>": "<answer>", "</question>": "</answer>"}


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Content:
    """R rows of T tokens without delimiters, flat.

    Attributes:
      ids: string [R], the `id` column.
      offsets: int64 [R + 1], row r is [offsets[r], offsets[r + 1]).
      tokens: unsigned [T].
      player: uint8 [T].
      cell: int32 [T], which result a token's loss is counted in; UNSCORED for most.
      is_bare: bool [R], rows that carry no delimiters in any arm.
      n_bytes: int64 [R], bytes of each row's document text; a cue that was stripped still counts.
    """

    ids: pa.ChunkedArray
    offsets: Ints
    tokens: npt.NDArray[np.unsignedinteger]
    player: npt.NDArray[np.uint8]
    cell: npt.NDArray[np.int32]
    is_bare: Bools
    n_bytes: Ints

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Ints:
        """int64 [R], tokens of each row."""
        return np.diff(self.offsets)

    @property
    def digest(self) -> str:
        """Of ids and their order, row by row."""
        return _digest(self.offsets, self.tokens)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Delimiters:
    """D tokens to insert into the rows of a Content, in order.

    Attributes:
      row: int64 [D], ascending.
      place: int64 [D], the content token of the row that it stands before; ascending in a row, and
        the row's length for one at its end.
      tokens: unsigned [D].
      player: uint8 [D].
    """

    row: Ints
    place: Ints
    tokens: npt.NDArray[np.unsignedinteger]
    player: npt.NDArray[np.uint8]

    def take(self, chosen: Bools) -> "Delimiters":
        """Those that are chosen."""
        columns = ("row", "place", "tokens", "player")
        return Delimiters(**{name: getattr(self, name)[chosen] for name in columns})


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Arm:
    """A way to delimit.

    Attributes:
      name: of the arm.
      scheme: of schemas.delimiters, whose delimiters it takes; None for none at all.
      description: for the report.
      change: what it does to them, given the content, the tokenizer and a seed.
    """

    name: str
    scheme: str | None
    description: str
    change: Callable[[Delimiters, Content, SegmentTokenizer, int], Delimiters]


def content_of(
    rows: pa.Table, *, is_bare: Bools, cell: npt.NDArray[np.int32] | None = None
) -> Content:
    """The content of written rows; their delimiters are left out.

    Args:
      rows: row_schema [R].
      is_bare: bool [R].
      cell: int32 [segments that are no delimiters], of each segment's tokens; None scores nothing.
    """
    segments = segments_of_rows(rows)
    kept = segments.take(segments.kind != _DELIMITER)
    sizes = kept.n_tokens
    cells = np.full(len(kept), UNSCORED, np.int32) if cell is None else cell
    return Content(
        ids=rows["id"],
        offsets=np.concatenate([[0], np.cumsum(kept.tokens_of_rows(len(rows)))]),
        tokens=kept.token_lists().flatten().to_numpy(),
        player=np.repeat(kept.player, sizes),
        cell=np.repeat(cells, sizes),
        is_bare=is_bare,
        n_bytes=np.bincount(
            kept.rows, weights=kept.byte_end - kept.byte_start, minlength=len(rows)
        ).astype(np.int64),
    )


def delimiters_of(rows: pa.Table, tokenizer: SegmentTokenizer, scheme: str) -> Delimiters:
    """What a scheme inserts into written rows, whatever delimiters they carry now."""
    segments = segments_of_rows(redelimit(rows, tokenizer, scheme))
    sizes = segments.n_tokens
    is_delimiter = np.repeat(segments.kind == _DELIMITER, sizes)
    row = np.repeat(segments.rows, sizes)
    before = np.cumsum(~is_delimiter) - ~is_delimiter
    n_content = np.bincount(row[~is_delimiter], minlength=len(rows))
    place = before - (np.cumsum(n_content) - n_content)[row]
    return Delimiters(
        row=row[is_delimiter],
        place=place[is_delimiter],
        tokens=segments.token_lists().flatten().to_numpy()[is_delimiter],
        player=np.repeat(segments.player, sizes)[is_delimiter],
    )


def arm_rows(
    content: Content, delimiters: Delimiters | None, *, delimiter_cell: int = 0
) -> pa.Table:
    """Puts delimiters into content.

    Args:
      content: R rows.
      delimiters: what to insert; None inserts nothing.
      delimiter_cell: cell of the delimiters.

    Returns:
      R rows: `input_ids`, `player`, `is_delimiter` uint8, `cell` int32 (UNSCORED as 0) and
      `is_scored` bool, all lists.
    """
    if delimiters is None:
        delimiters = _none_of(content)
    at = content.offsets[delimiters.row] + delimiters.place
    cell = np.insert(content.cell, at, delimiter_cell)
    n_inserted = np.bincount(delimiters.row, minlength=len(content))
    offsets = pa.array(
        np.concatenate([[0], np.cumsum(content.lengths + n_inserted)]).astype(np.int32)
    )
    flat = {
        "input_ids": np.insert(content.tokens, at, delimiters.tokens),
        "player": np.insert(content.player, at, delimiters.player),
        "is_delimiter": np.insert(np.zeros(len(content.tokens), np.uint8), at, 1),
        "cell": np.maximum(cell, 0),
        "is_scored": cell != UNSCORED,
    }
    return pa.table(
        {name: pa.ListArray.from_arrays(offsets, pa.array(each)) for name, each in flat.items()}
    )


def arm_delimiters(
    arm: Arm,
    content: Content,
    of_scheme: Mapping[str, Delimiters],
    tokenizer: SegmentTokenizer,
    *,
    seed: int,
    keeps_half_bare: bool,
) -> Delimiters | None:
    """What an arm inserts.

    Args:
      arm: one of ARMS.
      content: the rows.
      of_scheme: what `delimiters_of` gave for the schemes that arms need.
      tokenizer: of the rows.
      seed: the paired seed; decides the placebo's draw.
      keeps_half_bare: leave the bare rows alone, as in training.
    """
    if arm.scheme is None:
        return None
    delimiters = of_scheme[arm.scheme]
    if keeps_half_bare:
        delimiters = delimiters.take(~content.is_bare[delimiters.row])
    return arm.change(delimiters, content, tokenizer, seed)


def content_digest(rows: pa.Table) -> str:
    """The digest of an arm's content, read from its rows: `Content.digest` if nothing changed."""
    lists = rows["input_ids"].combine_chunks()
    is_content = rows["is_delimiter"].combine_chunks().flatten().to_numpy() == 0
    ends = np.concatenate([[0], np.cumsum(is_content)])[lists.offsets.to_numpy()]
    return _digest(ends, lists.flatten().to_numpy()[is_content])


def is_bare(source: str, source_offset: int | None) -> bool:
    """Whether a document is of the half that carries no delimiters, by hash, in every arm."""
    return int(digest(["bare", source, source_offset], size_bytes=1), 16) % 2 == 0


def _as_they_are(
    delimiters: Delimiters, content: Content, tokenizer: SegmentTokenizer, seed: int
) -> Delimiters:
    del content, tokenizer, seed
    return delimiters


def _moved(
    delimiters: Delimiters, content: Content, tokenizer: SegmentTokenizer, seed: int
) -> Delimiters:
    """The same tokens in the same order and row, at boundaries of content tokens drawn at random.

    Boundaries are distinct where a row has enough of them. What is inserted belongs to the player
    of the token after it, or before it at the end.
    """
    del tokenizer
    place = delimiters.place.copy()
    rows, starts, counts = np.unique(delimiters.row, return_index=True, return_counts=True)
    ids = content.ids.take(pa.array(rows)).to_pylist()
    for name, row, start, count in zip(ids, rows, starts, counts, strict=True):
        draw = np.random.default_rng(int(digest(["placebo", seed, name], size_bytes=8), 16))
        n_boundaries = int(content.lengths[row]) + 1
        drawn = draw.choice(n_boundaries, count, replace=count > n_boundaries)
        place[start : start + count] = np.sort(drawn)
    at = content.offsets[delimiters.row] + place
    at = np.minimum(at, content.offsets[delimiters.row + 1] - 1)
    return dataclasses.replace(delimiters, place=place, player=content.player[at])


def _exchanged(
    delimiters: Delimiters, content: Content, tokenizer: SegmentTokenizer, seed: int
) -> Delimiters:
    """Question tags for answer tags and the other way round; players and text as they are."""
    del content, seed
    tokens = delimiters.tokens.copy()
    for one, two in _SWAPPED.items():
        of_one, of_two = (tokenizer.delimiter_ids([Control(name)])[0] for name in (one, two))
        tokens[delimiters.tokens == of_one] = of_two
        tokens[delimiters.tokens == of_two] = of_one
    return dataclasses.replace(delimiters, tokens=tokens)


ARMS: dict[str, Arm] = {
    arm.name: arm
    for arm in (
        Arm(
            name="raw",
            scheme=None,
            description="no delimiters",
            change=_as_they_are,
        ),
        Arm(
            name="eos",
            scheme="eos",
            description="the end-of-turn token after each turn",
            change=_as_they_are,
        ),
        Arm(
            name="tags",
            scheme="tags",
            description="question, reasoning and answer tags around what they name",
            change=_as_they_are,
        ),
        Arm(
            name="placebo",
            scheme="tags",
            description="the same tags in the same number and order, at token boundaries drawn by "
            "seed",
            change=_moved,
        ),
        Arm(
            name="swapped",
            scheme="tags",
            description="the tags with question and answer exchanged, the text unmoved",
            change=_exchanged,
        ),
    )
}
"""The insertion class: identical content tokens in identical order."""


def _none_of(content: Content) -> Delimiters:
    nothing = np.zeros(0, np.int64)
    return Delimiters(
        row=nothing, place=nothing, tokens=content.tokens[:0], player=content.player[:0]
    )


def _digest(offsets: Ints, tokens: npt.NDArray[np.unsignedinteger]) -> str:
    state = hashlib.sha256(np.ascontiguousarray(offsets, np.int64))
    state.update(np.ascontiguousarray(tokens, np.uint32))
    return state.hexdigest()
