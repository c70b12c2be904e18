"""Packs rows into contexts: whole rows, each behind a BOS of its own, none cut.

The rows of a packed row must not see each other in training; `seq_lengths` says where each ends.
"""

import bisect
import dataclasses

import numpy as np
import pyarrow as pa

from schemas.episode import Player
from transforms.annotate import trained_actions
from transforms.flat import Ints, list_sizes

BOS_TOKENS = 1
"""What every packed row takes beside its own tokens."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Packed:
    """What packing gives.

    Attributes:
      table: `input_ids` list<token_type>, `player` list<uint8>, `seq_lengths` list<int32>, and for
        an objective of one player `assistant_masks` list<uint8>.
      rows: how many of the rows are in it.
      untrained: how many rows the objective trains no action of; they are left out.
      overlong: how many rows do not fit into a context with their BOS; they are left out.
      trained_tokens: how many actions of the table are in the loss.
    """

    table: pa.Table
    rows: int
    untrained: int
    overlong: int
    trained_tokens: int


def packing_plan(lengths: Ints, context: int) -> Ints:
    """Which packed row each row goes into: best fit, the longest first.

    Args:
      lengths: int64 [n], tokens of each row, BOS counted; none over context.
      context: tokens of a packed row.

    Returns:
      int64 [n], packed rows counted from 0 in the order of their first row.

    Raises:
      ValueError: if a row is longer than context.

    Example:
      >>> packing_plan(np.array([3, 5, 2, 4]), 7).tolist()
      [0, 1, 1, 0]
    """
    if lengths.max(initial=0) > context:
        msg = f"a row of {lengths.max()} tokens does not fit into {context}: leave it out first"
        raise ValueError(msg)
    bins = np.empty(len(lengths), np.int64)
    # Packed rows by the space left in them, and those spaces, ascending.
    with_space: dict[int, list[int]] = {}
    spaces: list[int] = []
    n_bins = 0
    order = np.argsort(-lengths, kind="stable")
    for row, length in zip(order.tolist(), lengths[order].tolist(), strict=True):
        place = bisect.bisect_left(spaces, length)
        if place == len(spaces):
            chosen, space = n_bins, context
            n_bins += 1
        else:
            space = spaces[place]
            chosen = with_space[space].pop()
            if not with_space[space]:
                del with_space[space], spaces[place]
        bins[row] = chosen
        left = space - length
        if left not in with_space:
            with_space[left] = []
            bisect.insort(spaces, left)
        with_space[left].append(chosen)
    # Named by first row, so that what is near in the corpus stays near.
    _, first, named = np.unique(bins, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[named]


def pack_rows(rows: pa.Table, *, context: int, objective: str, bos_id: int) -> Packed:
    """Pack rows for training.

    Each row is preceded by BOS (player 0, in no loss, counted in `seq_lengths` and in context):
    trainers that drop the label of a document's first token drop that of BOS, and the first action
    stays in the loss.

    Args:
      rows: with `input_ids` and `player`, as prepare writes them.
      context: the most tokens of a packed row.
      objective: a key of `transforms.annotate.OBJECTIVES`.
      bos_id: the token before each row.

    Raises:
      ValueError: if there is no such objective.
    """
    ids, player = (_list_column(rows, name) for name in ("input_ids", "player"))
    sizes = list_sizes(ids)
    trained = trained_actions(player.flatten().to_numpy(), objective)
    ends = np.cumsum(sizes)
    before = np.concatenate([[0], np.cumsum(trained)])
    n_trained = before[ends] - before[ends - sizes]
    fits = sizes + BOS_TOKENS <= context
    kept = np.flatnonzero(fits & (n_trained > 0))
    bins = packing_plan(sizes[kept] + BOS_TOKENS, context)
    kept, bins = kept[np.argsort(bins, kind="stable")], np.sort(bins)
    flat = _behind_bos(ids, player, kept, bos_id)
    lengths = sizes[kept] + BOS_TOKENS
    n_bins = int(bins[-1]) + 1 if len(bins) else 0
    row_ends = np.searchsorted(bins, np.arange(n_bins), side="right")
    row_offsets = np.concatenate([[0], row_ends])
    offsets = np.concatenate([[0], np.cumsum(lengths)])[row_offsets]
    columns = {name: _lists(offsets, values) for name, values in flat.items()}
    columns["seq_lengths"] = _lists(row_offsets, lengths.astype(np.int32))
    if objective != "all":
        # TRL applies this column whenever it is there; it is exactly the objective's mask.
        is_trained = trained_actions(flat["player"], objective)
        columns["assistant_masks"] = _lists(offsets, is_trained.astype(np.uint8))
    return Packed(
        table=pa.table(columns),
        rows=len(kept),
        untrained=int((fits & (n_trained == 0)).sum()),
        overlong=int((~fits).sum()),
        trained_tokens=int(n_trained[kept].sum()),
    )


def _list_column(rows: pa.Table, name: str) -> pa.ListArray:
    column = rows[name]
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _behind_bos(
    ids: pa.ListArray, player: pa.ListArray, kept: Ints, bos_id: int
) -> dict[str, np.ndarray]:
    """`input_ids` and `player` of the kept rows, one after another, each behind its BOS."""
    starts = np.concatenate([[0], np.cumsum(list_sizes(ids)[kept])])[:-1]
    return {
        "input_ids": np.insert(ids.take(pa.array(kept)).flatten().to_numpy(), starts, bos_id),
        "player": np.insert(
            player.take(pa.array(kept)).flatten().to_numpy(), starts, Player.NATURE
        ),
    }


def _lists(offsets: Ints, values: np.ndarray) -> pa.ListArray:
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), pa.array(values))
