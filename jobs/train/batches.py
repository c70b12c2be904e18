"""Batches of packed rows: several rows in a context, each behind a BOS, none seeing another."""

import dataclasses
import functools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

from transforms.annotate import trained_actions
from transforms.flat import Ints, list_sizes
from transforms.pack import BOS_TOKENS, packing_plan

IGNORED = -100
"""Target of a position whose next token is in no loss; torch's cross-entropy passes over it."""

PADDING = -1
"""Document of the positions that fill a context; they see one another and nobody else."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """B contexts of T tokens.

    Attributes:
      input_ids: int64 [B, T].
      position_ids: int64 [B, T], from 0 in each document.
      document: int64 [B, T], ordinal of the document in its context; PADDING after the last.
      targets: int64 [B, T], the action that each position predicts; IGNORED where it is in no loss.
      columns: extra columns, each [B, T] and aligned with targets; 0 where no action is predicted.
    """

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    document: torch.Tensor
    targets: torch.Tensor
    columns: Mapping[str, torch.Tensor]

    def to(self, device: torch.device) -> "Batch":
        """The same on a device."""
        moved = {
            name: getattr(self, name).to(device, non_blocking=True)
            for name in ("input_ids", "position_ids", "document", "targets")
        }
        columns = {name: each.to(device) for name, each in self.columns.items()}
        return Batch(**moved, columns=columns)


class PackedRows:
    """Rows in contexts, gathered when a batch is asked for; tables that are mapped stay on disk.

    Attributes:
      context: T, tokens of a context.
      rows_of_context: list of int64 arrays, the rows of each context in order.
      n_trained: int64 [contexts], actions in the loss of each context.
      n_tokens: int64 [contexts], tokens of each context that are no padding.
      lengths: int64 [rows kept], tokens of each row, BOS counted.
    """

    def __init__(
        self,
        rows: pa.Table,
        *,
        context: int,
        bos_id: int,
        objective: str = "all",
        lengths: Ints | None = None,
        is_target: str | None = None,
        columns: tuple[str, ...] = (),
    ) -> None:
        """Plans the packing of rows.

        Args:
          rows: `input_ids` and `player`, lists; those without a trained action are left out.
          context: tokens of a context; at least one more than the longest row.
          bos_id: stands before each row, in no loss.
          objective: a key of `transforms.annotate.OBJECTIVES`.
          lengths: int64 [rows], what to plan with instead of the rows' own lengths: the longest of
            several arms', so that all arms have one plan.
          is_target: name of a list<bool> column that says which actions are in the loss, instead of
            the objective's players.
          columns: names of list columns of numbers to hand on.

        Raises:
          ValueError: if a row does not fit into a context, a column has not an entry a token, or
            there is no such objective.
        """
        self.context = context
        self._bos_id = bos_id
        self._objective = objective
        self._decides = is_target or "player"
        self._columns = columns
        names = ("input_ids", self._decides, *columns)
        self._lists = {name: _Lists(rows[name]) for name in names}
        sizes = self._lists["input_ids"].sizes
        for name, lists in self._lists.items():
            if not np.array_equal(lists.sizes, sizes):
                row = int(np.flatnonzero(lists.sizes != sizes)[0])
                msg = (
                    f"row {row} has {sizes[row]} tokens and {lists.sizes[row]} of {name}: columns "
                    "have an entry a token"
                )
                raise ValueError(msg)
        trained = self._n_trained_of_rows()
        kept = np.flatnonzero(trained > 0) if lengths is None else np.arange(len(sizes))
        planned = sizes if lengths is None else np.maximum(lengths, sizes)
        bins = packing_plan(planned[kept] + BOS_TOKENS, context)
        order = np.argsort(bins, kind="stable")
        cuts = np.flatnonzero(np.diff(bins[order])) + 1
        self.rows_of_context = np.split(kept[order], cuts) if len(kept) else []
        self.n_trained = np.bincount(bins, weights=trained[kept]).astype(np.int64)
        self.lengths = sizes[kept] + BOS_TOKENS
        self.n_tokens = np.bincount(bins, weights=self.lengths).astype(np.int64)

    def __len__(self) -> int:
        """How many contexts there are."""
        return len(self.rows_of_context)

    def batch(self, contexts: Iterable[int]) -> Batch:
        """The batch of some contexts, at least one, in the order given."""
        held = [self.rows_of_context[context] for context in contexts]
        rows, ordinal, sizes = self._stretches(held)
        start = np.cumsum(sizes) - sizes
        position = np.arange(len(held) * self.context) - np.repeat(start, sizes)
        document = np.repeat(ordinal, sizes)
        laid_out = self._lists["input_ids"].laid_out
        ids = laid_out(rows, sizes, self._bos_id, is_first=True).astype(np.int64)
        # Position t predicts the action after it: BOS the first one, a row's last position none.
        names = {self._decides, *self._columns}
        aligned = {
            name: self._lists[name].laid_out(rows, sizes, 0, is_first=False) for name in names
        }
        is_action = document != PADDING
        is_action[start[rows >= 0] + sizes[rows >= 0] - 1] = False
        is_action &= self._is_trained(aligned[self._decides])
        targets = np.full(len(ids), IGNORED)
        np.copyto(targets[:-1], ids[1:], where=is_action[:-1])
        shape = (len(held), self.context)
        columns = {name: aligned[name].reshape(shape) for name in self._columns}
        return Batch(
            input_ids=torch.from_numpy(ids.reshape(shape)),
            position_ids=torch.from_numpy(position.reshape(shape)),
            document=torch.from_numpy(document.reshape(shape)),
            targets=torch.from_numpy(targets.reshape(shape)),
            columns={name: torch.from_numpy(values) for name, values in columns.items()},
        )

    def _stretches(self, held: list[Ints]) -> tuple[Ints, Ints, Ints]:
        """What a batch is made of: the rows of each context and, after them, its padding.

        Args:
          held: the rows of each context.

        Returns:
          int64 [stretches] each: the row, -1 for padding; its ordinal in the context, PADDING for
          padding; its tokens, BOS counted.
        """
        n_rows = np.array([len(each) for each in held], np.int64)
        rows = np.concatenate([np.append(each, -1) for each in held])
        is_padding = rows < 0
        sizes = np.where(is_padding, 0, self._lists["input_ids"].sizes[rows] + BOS_TOKENS)
        first = np.cumsum(n_rows + 1) - n_rows - 1
        sizes[is_padding] = self.context - np.add.reduceat(sizes, first)
        ordinal = np.where(is_padding, PADDING, np.arange(len(rows)) - np.repeat(first, n_rows + 1))
        return rows, ordinal, sizes

    def _is_trained(self, values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Which actions are in the loss, from entries of the column that decides."""
        if self._decides == "player":
            return trained_actions(values, self._objective)
        return values.astype(np.bool_)

    def _n_trained_of_rows(self) -> Ints:
        """int64 [rows]."""
        counts = [np.zeros(0, np.int64)]
        for values, offsets in self._lists[self._decides].chunks():
            count, filled = np.zeros(len(offsets) - 1, np.int64), np.diff(offsets) > 0
            starts = offsets[:-1][filled]
            count[filled] = np.add.reduceat(self._is_trained(values), starts, dtype=np.int64)
            counts.append(count)
        return np.concatenate(counts)


def contexts_of_step(n_contexts: int, batch_rows: int, step: int, seed: int) -> Ints:
    """The contexts of a step: epochs without replacement, each in an order of its own.

    Batches run on from one epoch into the next, so each has batch_rows contexts.

    Args:
      n_contexts: how many there are.
      batch_rows: contexts of a step, over all ranks and micro-batches.
      step: from 0.
      seed: of the order.

    Returns:
      int64 [batch_rows].
    """
    places = np.arange(step * batch_rows, (step + 1) * batch_rows)
    chosen = np.empty(batch_rows, np.int64)
    for epoch in np.unique(places // n_contexts):
        order = _order(n_contexts, seed, int(epoch))
        is_here = places // n_contexts == epoch
        chosen[is_here] = order[places[is_here] % n_contexts]
    return chosen


@functools.lru_cache(maxsize=2)
def _order(n_contexts: int, seed: int, epoch: int) -> Ints:
    """The order of an epoch; two are kept, for batches that run on from one into the next."""
    return np.random.default_rng([seed, epoch]).permutation(n_contexts)


class _Lists:
    """A column of lists of numbers, any row of which is a view of its chunk."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        self.sizes = np.concatenate(
            [np.zeros(0, np.int64), *(list_sizes(chunk) for chunk in column.chunks)]
        )
        self._values = [_numbers(chunk.flatten()) for chunk in column.chunks]
        self._offsets = [
            np.concatenate([[0], np.cumsum(list_sizes(chunk))]) for chunk in column.chunks
        ]
        n_rows = [len(chunk) for chunk in column.chunks]
        self._chunk = np.repeat(np.arange(len(n_rows)), n_rows)
        self._start = np.concatenate([np.zeros(0, np.int64), *(o[:-1] for o in self._offsets)])
        self.dtype = _numbers(pa.array([], column.type.value_type)).dtype

    def chunks(self) -> Iterator[tuple[npt.NDArray[Any], Ints]]:
        """(values, offsets) of each chunk."""
        return zip(self._values, self._offsets, strict=True)

    def laid_out(self, rows: Ints, sizes: Ints, filler: int, *, is_first: bool) -> npt.NDArray[Any]:
        """Lists one after another, with fillers before or behind each, as many as BOS_TOKENS.

        Args:
          rows: int64 [stretches], -1 for a stretch of fillers alone.
          sizes: int64 [stretches], fillers counted.
          filler: what stands where no list does.
          is_first: whether the fillers stand before their list.

        Returns:
          the lists' type [sum of sizes].
        """
        fillers = np.full(max(sizes.max(initial=0), BOS_TOKENS), filler, self.dtype)
        few, parts = fillers[:BOS_TOKENS], []
        chunk, start = self._chunk[rows].tolist(), self._start[rows].tolist()
        length = np.where(rows < 0, 0, self.sizes[rows]).tolist()
        for c, s, n, size in zip(chunk, start, length, sizes.tolist(), strict=True):
            if n:
                values = self._values[c][s : s + n]
                parts += (few, values) if is_first else (values, few)
            else:
                parts.append(fillers[:size])
        return np.concatenate(parts)


def _numbers(values: pa.Array) -> npt.NDArray[Any]:
    # Arrow's booleans are bits.
    return values.to_numpy(zero_copy_only=not pa.types.is_boolean(values.type))
