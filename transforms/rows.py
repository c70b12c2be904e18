"""Puts rows together from tokenised documents: whole documents, or their episodes."""

import dataclasses

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.delimiters import SCHEMES
from schemas.episode import Player, SegmentKind, row_schema
from schemas.keys import row_id
from transforms.delimit import insert_delimiters, strip_delimiters
from transforms.flat import (
    KIND_CODE,
    OUTSIDE,
    Bools,
    Ints,
    Segments,
    segment_lists,
    segments_of,
    starts_of_runs,
    text_offsets,
)
from transforms.segment_tokenizer import SegmentTokenizer
from transforms.split import MIN_ROW_TOKENS, Pieces, split_rows
from transforms.tokenize import one_array

EMPTY = "empty"
NO_EPISODE = "no episode"
NO_ANSWER = "no answer"
NO_TOKEN = "no token"
TOO_LONG = "over max_tokens"

_MARKER = KIND_CODE[SegmentKind.MARKER]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class RowConfig:
    """What rows look like.

    Attributes:
      delimiters: name of a scheme of schemas.delimiters.
      max_tokens: the most tokens of a row, delimiters included; None never splits.
    """

    delimiters: str = "eos"
    max_tokens: int | None = None

    def __post_init__(self) -> None:
        """Checks the names and numbers."""
        if self.delimiters not in SCHEMES:
            msg = f"no delimiter scheme {self.delimiters!r}; choose one of {', '.join(SCHEMES)}"
            raise ValueError(msg)
        if self.max_tokens is not None and self.max_tokens < MIN_ROW_TOKENS:
            msg = f"rows of {self.max_tokens} tokens cannot hold a character; give {MIN_ROW_TOKENS}"
            raise ValueError(msg)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Rows:
    """Rows of a config, and what did not become part of one.

    The document bytes of all rows and the bytes left out add up to the bytes of the documents that
    were not rejected.

    Attributes:
      table: row_schema.
      documents_dropped: documents without a row, by reason; rejected ones are not among them.
      episodes_dropped: episodes left out, by reason.
      bytes_left_out: "marker" and "text" around episodes, "dropped" with an episode or a document.
    """

    table: pa.Table
    documents_dropped: dict[str, int]
    episodes_dropped: dict[str, int]
    bytes_left_out: dict[str, int]


def document_rows(tokenized: pa.Table, tokenizer: SegmentTokenizer, config: RowConfig) -> Rows:
    """Rows of the `documents` config: each document with all of its text, delimiters added.

    A document's game is the commonest of the episodes in its row, the alphabetically first of
    several, else "text". A document without bytes is dropped, as is one without a token.

    Args:
      tokenized: what `tokenize_documents` gives; rejected documents are passed over.
      tokenizer: the one that it was tokenised with.
      config: delimiters and length.
    """
    used = _used(tokenized)
    segments = segments_of(used.spans, used.tokens)
    documents = np.arange(len(used.sizes))
    pieces = _delimited_pieces(segments, documents, used, tokenizer, config)
    pieces = choose(pieces, pieces.segments.tokens_of_rows(len(pieces.parents)) > 0)
    why = [(TOO_LONG, np.isin(documents, pieces.overlong)), (NO_TOKEN, used.sizes > 0)]
    return Rows(
        table=_table(pieces, documents, used, tokenizer, episodes=None),
        documents_dropped=_reasons(documents, pieces.parents, [(EMPTY, used.sizes == 0), *why]),
        episodes_dropped=_counts({TOO_LONG: len(pieces.overlong)}),
        bytes_left_out=_counts({"dropped": int(used.sizes.sum()) - _content_bytes(pieces)}),
    )


def episode_rows(tokenized: pa.Table, tokenizer: SegmentTokenizer, config: RowConfig) -> Rows:
    """Rows of the `episodes` config: each episode's questions, reasoning and answers alone.

    An episode in which player two has no token is dropped, and so is a piece of an over-long one.

    Args:
      tokenized: what `tokenize_documents` gives; rejected documents are passed over.
      tokenizer: the one that it was tokenised with.
      config: delimiters and length.
    """
    used = _used(tokenized)
    everything = segments_of(used.spans, used.tokens)
    content = _episode_by_episode(everything.take(everything.is_content))
    opens = starts_of_runs(content.rows, content.episode)
    documents, episodes = content.rows[opens], content.episode[opens]
    rows = np.cumsum(opens) - 1
    segments = dataclasses.replace(content, rows=rows)
    pieces = _delimited_pieces(segments, documents, used, tokenizer, config)
    pieces = choose(pieces, _has_answer(pieces))
    numbers = np.arange(len(used.sizes))
    overlong = np.isin(np.arange(len(documents)), pieces.overlong)
    why = [
        (EMPTY, used.sizes == 0),
        (NO_EPISODE, ~np.isin(numbers, documents)),
        (TOO_LONG, np.isin(numbers, documents[overlong])),
        (NO_ANSWER, np.isin(numbers, documents)),
    ]
    kept_documents = documents[pieces.parents]
    return Rows(
        table=_table(pieces, documents, used, tokenizer, episodes=episodes),
        documents_dropped=_reasons(numbers, kept_documents, why),
        episodes_dropped=_reasons(
            np.arange(len(documents)),
            pieces.parents,
            [(TOO_LONG, overlong), (NO_ANSWER, ~overlong)],
        ),
        bytes_left_out=_bytes_around(everything, kept_documents, used, _content_bytes(pieces)),
    )


def redelimit(rows: pa.Table, tokenizer: SegmentTokenizer, scheme: str | None) -> pa.Table:
    """Exchanges the delimiters of written rows; everything else is as it was.

    Args:
      rows: row_schema.
      tokenizer: the one that the rows were tokenised with.
      scheme: name of a scheme of schemas.delimiters; None takes all delimiters out.

    Returns:
      row_schema, the same rows. A row may now be longer than its output's max_tokens.
    """
    segments = strip_delimiters(segments_of_rows(rows))
    if scheme is not None:
        segments = insert_delimiters(segments, SCHEMES[scheme], tokenizer)
    return with_segments(rows, segments)


def segments_of_rows(rows: pa.Table) -> Segments:
    """The segments of written rows with their tokens; rows that row_schema describes."""
    lists = one_array(rows["segments"])
    flat = lists.flatten()
    sizes = (pc.subtract(flat.field("end"), flat.field("start"))).to_numpy()
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    ids = one_array(rows["input_ids"]).flatten()
    return segments_of(lists, pa.ListArray.from_arrays(pa.array(offsets), ids))


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Used:
    """The documents that are not rejected."""

    table: pa.Table
    texts: pa.Array
    spans: pa.ListArray
    tokens: pa.ListArray
    """list<token> [spans]."""
    sizes: Ints
    """int64 [documents], bytes of each text."""


def _episode_by_episode(segments: Segments) -> Segments:
    """The segments of each row with those of an episode together, in order, wherever they stand."""
    return segments.take(np.lexsort((segments.episode, segments.rows)))


def _used(tokenized: pa.Table) -> _Used:
    is_rejected = tokenized["key"].null_count > 0
    table = tokenized.filter(tokenized["key"].is_valid()) if is_rejected else tokenized
    texts = one_array(table["text"])
    return _Used(
        table=table,
        texts=texts,
        spans=one_array(table["spans"]),
        tokens=one_array(table["tokens"]).flatten(),
        sizes=np.diff(text_offsets(texts)),
    )


def _delimited_pieces(
    segments: Segments,
    documents: Ints,
    used: _Used,
    tokenizer: SegmentTokenizer,
    config: RowConfig,
) -> Pieces:
    delimited = insert_delimiters(segments, SCHEMES[config.delimiters], tokenizer)
    return split_rows(delimited, used.texts, documents, tokenizer, config.max_tokens)


def choose(pieces: Pieces, is_kept: Bools) -> Pieces:
    """Leaves out whole pieces; the others keep their ordinals."""
    number = np.cumsum(is_kept) - 1
    segments = pieces.segments.take(is_kept[pieces.segments.rows])
    return dataclasses.replace(
        pieces,
        segments=dataclasses.replace(segments, rows=number[segments.rows]),
        parents=pieces.parents[is_kept],
        ordinals=pieces.ordinals[is_kept],
        is_truncated=pieces.is_truncated[is_kept],
    )


def _has_answer(pieces: Pieces) -> Bools:
    """True, bool [pieces], where player two has a token that is no delimiter."""
    segments = pieces.segments
    is_answer = segments.is_content & (segments.player == Player.TWO) & (segments.n_tokens > 0)
    return np.isin(np.arange(len(pieces.parents)), segments.rows[is_answer])


def _table(
    pieces: Pieces,
    documents: Ints,
    used: _Used,
    tokenizer: SegmentTokenizer,
    *,
    episodes: Ints | None,
) -> pa.Table:
    """Writes down pieces of rows.

    Args:
      pieces: P pieces of R rows.
      documents: int64 [R], the document of each row.
      used: the documents.
      tokenizer: gives the type of ids.
      episodes: int64 [R], the episode of each row, None if rows are documents.

    Returns:
      row_schema [P].
    """
    owners = pa.array(documents[pieces.parents])
    keys = used.table["key"].take(owners).to_pylist()
    ordinals = pieces.ordinals.tolist()
    names = [None] * len(keys) if episodes is None else episodes[pieces.parents].tolist()
    columns = {
        "id": pa.array(
            [
                row_id(key, episode=episode, piece=piece)
                for key, episode, piece in zip(keys, names, ordinals, strict=True)
            ],
            pa.string(),
        ),
        "source": used.table["source"].take(owners),
        "source_offset": used.table["source_offset"].take(owners),
        "game": commonest_games(pieces.segments, len(keys)),
        **token_columns(pieces.segments, len(keys)),
        "is_truncated": pa.array(pieces.is_truncated),
    }
    return pa.table(columns, schema=row_schema(tokenizer.token_type))


def token_columns(segments: Segments, n_rows: int) -> dict[str, pa.Array]:
    """`input_ids`, `player` and `segments` of rows."""
    sizes = segments.tokens_of_rows(n_rows)
    offsets = pa.array(np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32))
    players = pa.array(np.repeat(segments.player, segments.n_tokens))
    return {
        "input_ids": pa.ListArray.from_arrays(offsets, segments.token_lists().flatten()),
        "player": pa.ListArray.from_arrays(offsets, players),
        "segments": segment_lists(segments, n_rows),
    }


def commonest_games(segments: Segments, n_rows: int) -> pa.Array:
    """String [rows], the game that most episodes of a row are of; TEXT where it has none."""
    # An answer far from its question belongs to the same episode.
    segments = _episode_by_episode(segments)
    is_episode = starts_of_runs(segments.rows, segments.episode) & (segments.episode != OUTSIDE)
    n_games = max(len(segments.games), 1)
    pairs, counts = np.unique(
        segments.rows[is_episode] * n_games + segments.game[is_episode], return_counts=True
    )
    # By row, the commonest first; pairs are sorted, and games too, so ties are alphabetical.
    order = np.lexsort((-counts, pairs // n_games))
    rows, game = pairs[order] // n_games, pairs[order] % n_games
    first = starts_of_runs(rows)
    codes = np.full(n_rows, len(segments.games))
    codes[rows[first]] = game[first]
    return pa.array([*segments.games, SegmentKind.TEXT.value], pa.string()).take(pa.array(codes))


def with_segments(rows: pa.Table, segments: Segments) -> pa.Table:
    """The rows with other segments and their tokens; all other columns as they were."""
    columns = {name: rows[name] for name in rows.column_names}
    return pa.table(columns | token_columns(segments, len(rows)), schema=rows.schema)


def _content_bytes(pieces: Pieces) -> int:
    """Document bytes in all pieces; delimiters have none."""
    return int((pieces.segments.byte_end - pieces.segments.byte_start).sum())


def _reasons(every: Ints, kept: Ints, reasons: list[tuple[str, Bools]]) -> dict[str, int]:
    """Counts those of every that are not kept by the first reason that holds for each."""
    left = ~np.isin(every, kept)
    counts = {}
    for reason, holds in reasons:
        counts[reason] = int((left & holds).sum())
        left &= ~holds
    return _counts(counts)


def _bytes_around(
    everything: Segments, kept_documents: Ints, used: _Used, content_bytes: int
) -> dict[str, int]:
    """Bytes that are in no row of `episodes`: around episodes, and with what was dropped."""
    is_around = np.isin(everything.rows, kept_documents) & ~everything.is_content
    is_marker = everything.kind == _MARKER
    sizes = everything.byte_end - everything.byte_start
    around = {
        "marker": int(sizes[is_around & is_marker].sum()),
        "text": int(sizes[is_around & ~is_marker].sum()),
    }
    dropped = int(used.sizes.sum()) - content_bytes - sum(around.values())
    return _counts(around | {"dropped": dropped})


def _counts(counts: dict[str, int]) -> dict[str, int]:
    """The counts that are not 0."""
    return {name: count for name, count in counts.items() if count}
