"""What must hold of written rows, whatever wrote them; `duologue verify` looks for breaches."""

import dataclasses
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from schemas.episode import PLAYER_OF_KIND, Player, SegmentKind
from schemas.keys import document_key, row_id
from transforms.engines import Ids
from transforms.flat import KIND_CODE, KINDS, Bools, Ints, kind_codes, list_sizes, starts_of_runs
from transforms.segment_tokenizer import SegmentTokenizer
from transforms.tokenize import one_array

CONFIGS = ("documents", "episodes")

_DELIMITER = KIND_CODE[SegmentKind.DELIMITER]
_ANYONE = -1
_OWNERS = np.array([PLAYER_OF_KIND.get(kind, _ANYONE) for kind in KINDS])
_DECODED_AT_ONCE = 1 << 14
"""Segments whose text is held at once."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Written:
    """Columns of R rows, of their S segments and of their T tokens, as flat arrays."""

    ids: list[str]
    n_tokens: Ints
    """int64 [R]."""
    n_segments: Ints
    """int64 [R]."""
    tokens: Ids
    players: npt.NDArray[np.uint8]
    rows: Ints
    """int64 [S], the row of each segment."""
    kind: Ints
    owner: npt.NDArray[np.uint8]
    start: Ints
    end: Ints
    byte_start: Ints
    byte_end: Ints

    def at(self, segment: int) -> str:
        """Where a segment is, for a person."""
        row = int(self.rows[segment])
        place = segment - int(np.searchsorted(self.rows, row))
        return f"row {self.ids[row]}, segment {place} ({KINDS[self.kind[segment]]})"


def row_faults(
    rows: pa.Table,
    tokenizer: SegmentTokenizer,
    config_name: str,
    *,
    are_ids_from_text: bool = True,
) -> list[str]:
    """Looks for rows that break an invariant.

    Args:
      rows: row_schema.
      tokenizer: the one that the rows were tokenised with.
      config_name: "documents" or "episodes".
      are_ids_from_text: False if the ids come from an id column, which rows do not hold.

    Returns:
      A line for each fault with the row's id and the place, none if all is well. The rest of a
      table is looked at only if its lengths agree and its ids are in the vocabulary.

    Raises:
      ValueError: if there is no such config.
    """
    if config_name not in CONFIGS:
        msg = f"no config {config_name!r}; choose one of {', '.join(CONFIGS)}"
        raise ValueError(msg)
    written = _written(rows)
    faults = [*_lengths(written, rows), *_tiling(written), *_unknown_ids(written, tokenizer)]
    if faults:
        return faults
    faults = [*_owners(written), *_control_ids(written, tokenizer)]
    faults += _byte_ranges(written, may_have_gaps=config_name == "episodes")
    if config_name == "episodes":
        faults += _untrained(written)
    if tokenizer.is_lossless:
        faults += _texts(written, tokenizer)
        if config_name == "documents" and are_ids_from_text and not faults:
            faults += _names(rows, written, tokenizer)
    return faults


def schema_faults(rows: pa.Table) -> Iterator[str]:
    """What row_schema rules out, but a file may hold: nulls, and kinds that are none.

    Args:
      rows: of row_schema or some of its columns, valid Arrow.
    """
    for column, field in zip(rows.columns, rows.schema, strict=True):
        yield from _nulls(one_array(column), field, field.name)
    if "segments" not in rows.column_names:
        return
    kinds = pc.unique(one_array(rows["segments"]).flatten().field("kind")).to_pylist()
    yield from (f"segments.kind: {kind!r} is none" for kind in kinds if kind not in KINDS)


def _nulls(values: pa.Array, field: pa.Field, name: str) -> Iterator[str]:
    """The nulls of a column, of its lists' elements and of its structs' fields."""
    if values.null_count and not field.nullable:
        yield f"{name}: {values.null_count} nulls"
    if pa.types.is_list(field.type):
        # Elements are declared nullable, as readers of Parquet and others want it, but are not.
        element = field.type.value_field.with_nullable(False)
        yield from _nulls(values.flatten(), element, name)
    if pa.types.is_struct(field.type):
        for child in field.type:
            yield from _nulls(values.field(child.name), child, f"{name}.{child.name}")


def _written(rows: pa.Table) -> _Written:
    segments, ids, players = (one_array(rows[name]) for name in ("segments", "input_ids", "player"))
    flat = segments.flatten()
    names = ("start", "end", "byte_start", "byte_end")
    numbers = {name: flat.field(name).to_numpy().astype(np.int64) for name in names}
    return _Written(
        ids=rows["id"].to_pylist(),
        n_tokens=list_sizes(ids),
        n_segments=list_sizes(segments),
        tokens=ids.flatten().to_numpy(),
        players=players.flatten().to_numpy(),
        rows=np.repeat(np.arange(len(rows)), list_sizes(segments)),
        kind=kind_codes(flat.field("kind")),
        owner=flat.field("player").to_numpy(),
        **numbers,
    )


def _lengths(written: _Written, rows: pa.Table) -> Iterator[str]:
    n_players = list_sizes(one_array(rows["player"]))
    for row in np.flatnonzero(written.n_tokens != n_players):
        counts = f"{written.n_tokens[row]} input_ids but {n_players[row]} players"
        yield f"row {written.ids[row]}: {counts}"


def _tiling(written: _Written) -> Iterator[str]:
    """Segments begin at 0, each where the one before ends, and the last ends with the row."""
    before = np.concatenate([[0], written.end])[: len(written.end)]
    before[starts_of_runs(written.rows)] = 0
    is_bad = (written.start != before) | (written.end < written.start)
    for segment in np.flatnonzero(is_bad).tolist():
        found = f"[{written.start[segment]}, {written.end[segment]})"
        yield f"{written.at(segment)}: tokens {found} do not follow {before[segment]}"
    last = np.cumsum(written.n_segments) - 1
    ends = np.zeros_like(written.n_tokens)
    has_segments = written.n_segments > 0
    ends[has_segments] = written.end[last[has_segments]]
    for row in np.flatnonzero(ends != written.n_tokens):
        yield f"row {written.ids[row]}: segments end at {ends[row]} of {written.n_tokens[row]}"


def _unknown_ids(written: _Written, tokenizer: SegmentTokenizer) -> Iterator[str]:
    places = np.flatnonzero(written.tokens >= tokenizer.n_ids)
    row_ends = np.cumsum(written.n_tokens)
    for place in places:
        row = int(np.searchsorted(row_ends, place, side="right"))
        token = place - (row_ends[row] - written.n_tokens[row])
        yield (
            f"row {written.ids[row]}, token {token}: id {written.tokens[place]} is not in the "
            f"vocabulary of {tokenizer.n_ids}"
        )


def _owners(written: _Written) -> Iterator[str]:
    """A segment has the player of its kind, and its tokens the player of the segment."""
    expected = _OWNERS[written.kind]
    is_wrong = (expected != _ANYONE) & (written.owner != expected)
    is_wrong |= written.owner > max(Player)
    is_wrong |= (written.kind == _DELIMITER) & (written.owner == Player.NATURE)
    for segment in np.flatnonzero(is_wrong).tolist():
        yield f"{written.at(segment)}: belongs to player {written.owner[segment]}"
    owner_of_token = np.repeat(written.owner, written.end - written.start)
    for segment in _segments_with(written, written.players != owner_of_token):
        yield f"{written.at(segment)}: tokens of players other than {written.owner[segment]}"


def _control_ids(written: _Written, tokenizer: SegmentTokenizer) -> Iterator[str]:
    is_text = _is_content(written)
    for segment in _segments_with(written, tokenizer.is_control(written.tokens) & is_text):
        yield f"{written.at(segment)}: holds a control id"


def _byte_ranges(written: _Written, *, may_have_gaps: bool) -> Iterator[str]:
    """Delimiters have no bytes; other segments follow one another, in documents without a gap."""
    is_delimiter = written.kind == _DELIMITER
    for segment in np.flatnonzero(is_delimiter & (written.byte_start != written.byte_end)).tolist():
        yield f"{written.at(segment)}: {_bytes(written, segment)} of a delimiter"
    content = np.flatnonzero(~is_delimiter)
    begin, end = written.byte_start[content], written.byte_end[content]
    gap = np.zeros_like(begin)
    gap[1:] = begin[1:] - end[:-1]
    gap[starts_of_runs(written.rows[content])] = 0
    is_bad = (gap < 0) | (end < begin) | (begin < 0) | ((gap > 0) & (not may_have_gaps))
    for segment, size in zip(content[is_bad].tolist(), gap[is_bad], strict=True):
        yield f"{written.at(segment)}: {_bytes(written, segment)} after a gap of {size} bytes"


def _untrained(written: _Written) -> Iterator[str]:
    owners = np.repeat(np.arange(len(written.ids)), written.n_tokens)
    answered = np.unique(owners[written.players == Player.TWO])
    for row in np.setdiff1d(np.arange(len(written.ids)), answered):
        yield f"row {written.ids[row]}: no token of player two"


def _texts(written: _Written, tokenizer: SegmentTokenizer) -> Iterator[str]:
    """The ids of a segment give as many bytes as it has."""
    content = np.flatnonzero(written.kind != _DELIMITER)
    tokens = _token_lists(written)
    for start in range(0, len(content), _DECODED_AT_ONCE):
        chosen = content[start : start + _DECODED_AT_ONCE]
        texts = tokenizer.decode_lists(tokens.take(pa.array(chosen)))
        for segment, text in zip(chosen.tolist(), texts, strict=True):
            size = len(text.encode())
            if size != written.byte_end[segment] - written.byte_start[segment]:
                yield f"{written.at(segment)}: {_bytes(written, segment)}, but {size} decoded"


def _names(rows: pa.Table, written: _Written, tokenizer: SegmentTokenizer) -> Iterator[str]:
    """Ids of whole documents are those of their source and decoded text."""
    is_content = _is_content(written)
    ends = np.cumsum(written.n_tokens)
    sources = rows["source"].to_pylist()
    is_whole = pc.invert(rows["is_truncated"]).to_numpy()
    for row in np.flatnonzero(is_whole):
        place = slice(ends[row] - written.n_tokens[row], ends[row])
        text = tokenizer.decode(written.tokens[place][is_content[place]].tolist())
        name = row_id(document_key(sources[row], text, None), episode=None, piece=0)
        if name != written.ids[row]:
            yield f"row {written.ids[row]}: source and decoded text make {name}"


def _is_content(written: _Written) -> Bools:
    """True, bool [T], for tokens that are not a delimiter's."""
    return np.repeat(written.kind != _DELIMITER, written.end - written.start)


def _segments_with(written: _Written, is_meant: Bools) -> list[int]:
    """The segments that hold a token that is meant, bool [T]."""
    ends = np.cumsum(written.end - written.start)
    places = np.searchsorted(ends, np.flatnonzero(is_meant), side="right")
    segments: list[int] = np.unique(places).tolist()
    return segments


def _token_lists(written: _Written) -> pa.ListArray:
    offsets = np.concatenate([[0], np.cumsum(written.end - written.start)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(written.tokens))


def _bytes(written: _Written, segment: int) -> str:
    return f"bytes [{written.byte_start[segment]}, {written.byte_end[segment]})"
