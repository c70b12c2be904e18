"""Fits written rows into a context: over-long ones are split as `split` does, text unseen.

Written rows do not hold their documents' text. What the rules need of it, line ends in long texts
of nature's, comes from decoding the tokens of these texts alone.
"""

import dataclasses

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from schemas.keys import piece_id
from transforms.cut_text import text_cuts
from transforms.flat import OUTSIDE, Bools, Ints, Segments, starts_of_runs
from transforms.rows import choose, commonest_games, segments_of_rows, token_columns
from transforms.segment_tokenizer import SegmentTokenizer
from transforms.split import MIN_ROW_TOKENS, Pieces, split_long_rows
from transforms.tokenize import one_array

_FEW = 16
"""Rows of a stretch: to slice out fewer takes longer than to copy them."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class FittedRows:
    """Rows none of which is over-long.

    Attributes:
      table: row_schema [P]; rows that fitted are as they were.
      parents: int64 [P], ascending, the row that each is, or is a piece of.
      rows_split: how many of the rows were over-long.
      episodes_dropped: how many episodes have an exchange that does not fit, and were left out.
    """

    table: pa.Table
    parents: Ints
    rows_split: int
    episodes_dropped: int


def fit_rows(rows: pa.Table, tokenizer: SegmentTokenizer, max_tokens: int) -> FittedRows:
    """Splits the rows that have more than max_tokens tokens, delimiters included.

    Where a row may be cut is what `transforms.split` says; where the tokenizer is lossless, the
    pieces are those that `prepare --max-tokens` gives, but for their ids (`schemas.keys.piece_id`
    of the row's). Of a lossy one, a text's line ends may be lost and with them the cuts there, and
    bytes of parts of a text are near the true ones, within the text's. A piece without a token is
    not made. A piece of an episode may be without a token of player two.

    Args:
      rows: row_schema, whole or themselves pieces.
      tokenizer: the one that the rows were tokenised with.
      max_tokens: at least MIN_ROW_TOKENS.

    Raises:
      ValueError: if max_tokens is too small to hold any character.
    """
    if max_tokens < MIN_ROW_TOKENS:
        msg = f"rows of {max_tokens} tokens cannot hold a character; give {MIN_ROW_TOKENS}"
        raise ValueError(msg)
    is_long = one_array(pc.list_value_length(rows["input_ids"])).to_numpy() > max_tokens
    if not is_long.any():
        return FittedRows(
            table=rows, parents=np.arange(len(rows)), rows_split=0, episodes_dropped=0
        )
    short, long = np.flatnonzero(~is_long), np.flatnonzero(is_long)
    long_rows = _chosen(rows, long)
    pieces = _pieces(segments_of_rows(long_rows), tokenizer, max_tokens)
    parents = np.concatenate([short, long[pieces.parents]])
    order = np.argsort(parents, kind="stable")
    both = pa.concat_tables([rows, _table(pieces, long_rows)])
    places = np.concatenate([short, np.arange(len(rows), len(both))])
    return FittedRows(
        table=_chosen(both, places[order]),
        parents=parents[order],
        rows_split=len(long),
        episodes_dropped=len(pieces.overlong),
    )


def _chosen(rows: pa.Table, places: Ints) -> pa.Table:
    """The rows at some places, int64 [n], in that order; none is copied if stretches are long."""
    starts = np.flatnonzero(np.diff(places, prepend=-2) != 1)
    if len(starts) * _FEW > len(places):
        return rows.take(pa.array(places))
    ends = np.append(starts[1:], len(places))
    stretches = zip(places[starts].tolist(), (ends - starts).tolist(), strict=True)
    return pa.concat_tables([rows.slice(0, 0), *(rows.slice(*each) for each in stretches)])


def _pieces(long: Segments, tokenizer: SegmentTokenizer, max_tokens: int) -> Pieces:
    """Splits rows all of which are over-long."""

    def cut_text(segment: int, ids: npt.NDArray[np.unsignedinteger]) -> tuple[Ints, Ints, Bools]:
        text, starts = tokenizer.decode_with_starts(ids)
        tokens, byte_starts, is_line = text_cuts(text.encode(), starts, max_tokens)
        # A lossy tokenizer's text may be longer than the document's.
        byte_starts = np.minimum(long.byte_start[segment] + byte_starts, long.byte_end[segment])
        return tokens, byte_starts, is_line

    pieces = split_long_rows(long, _begins_line(long, tokenizer), cut_text, max_tokens)
    return choose(pieces, pieces.segments.tokens_of_rows(len(pieces.parents)) > 0)


def _begins_line(segments: Segments, tokenizer: SegmentTokenizer) -> Bools:
    """True, bool [S], for a text that follows one that ends in a line end.

    A text at the edge of an episode may be cut off anyway, so that few have to be looked at.
    """
    begins = np.zeros(len(segments), np.bool_)
    same = ~starts_of_runs(segments.rows, segments.episode) & (segments.episode == OUTSIDE)
    follows = np.flatnonzero(same)
    if len(follows):
        before = tokenizer.decode_lists(segments.take(follows - 1).token_lists())
        begins[follows] = [text.endswith(("\r", "\n")) for text in before]
    return begins


def _table(pieces: Pieces, rows: pa.Table) -> pa.Table:
    """Writes down pieces of rows, row_schema [P]."""
    n_pieces = len(pieces.parents)
    parents = pa.array(pieces.parents)
    ids = rows["id"].take(parents).to_pylist()
    names = [piece_id(*each) for each in zip(ids, pieces.ordinals.tolist(), strict=True)]
    columns = {
        "id": pa.array(names, pa.string()),
        "source": rows["source"].take(parents),
        "source_offset": rows["source_offset"].take(parents),
        "game": commonest_games(pieces.segments, n_pieces),
        **token_columns(pieces.segments, n_pieces),
        "is_truncated": pa.array(pieces.is_truncated),
    }
    return pa.table(columns, schema=rows.schema)
