"""Batches of packed rows: several rows in a context, each behind a BOS, none seeing another."""

import dataclasses
import functools
from collections.abc import Iterator, Mapping
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
          ValueError: if a row does not fit into a context, or there is no such objective.
        """
        self.context = context
        self._bos_id = bos_id
        self._objective = objective
        self._decides = is_target or "player"
        self._columns = columns
        names = ("input_ids", self._decides, *columns)
        self._lists = {name: _Lists(rows[name]) for name in names}
        sizes = self._lists["input_ids"].sizes
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

    def batch(self, contexts: Ints) -> Batch:
        """The batch of some contexts, in the order given."""
        shape = (len(contexts), self.context)
        ids, position = np.full(shape, self._bos_id, np.int64), np.zeros(shape, np.int64)
        document, targets = np.full(shape, PADDING), np.full(shape, IGNORED)
        names = {self._decides, *self._columns}
        aligned = {name: np.zeros(shape, self._lists[name].dtype) for name in names}
        for place, context in enumerate(contexts.tolist()):
            start = 0
            for ordinal, row in enumerate(self.rows_of_context[context].tolist()):
                actions = self._lists["input_ids"].at(row)
                end = start + BOS_TOKENS + len(actions)
                ids[place, start + BOS_TOKENS : end] = actions
                position[place, start:end] = np.arange(end - start)
                document[place, start:end] = ordinal
                # Position t predicts the action after it: BOS the first one.
                predicts = slice(start, end - 1)
                targets[place, predicts] = actions
                for name, values in aligned.items():
                    values[place, predicts] = self._lists[name].at(row)
                start = end
            position[place, start:] = np.arange(self.context - start)
        targets[~self._is_trained(aligned[self._decides])] = IGNORED
        columns = {name: aligned[name] for name in self._columns}
        return Batch(
            input_ids=torch.from_numpy(ids),
            position_ids=torch.from_numpy(position),
            document=torch.from_numpy(document),
            targets=torch.from_numpy(targets),
            columns={name: torch.from_numpy(values) for name, values in columns.items()},
        )

    def _is_trained(self, values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Which actions are in the loss, from entries of the column that decides."""
        if self._decides == "player":
            return trained_actions(values, self._objective)
        return values.astype(np.bool_)

    def _n_trained_of_rows(self) -> Ints:
        """int64 [rows]."""
        counts = [np.zeros(0, np.int64)]
        for values, offsets in self._lists[self._decides].chunks():
            before = np.concatenate([[0], np.cumsum(self._is_trained(values))])
            counts.append(np.diff(before[offsets]))
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
        self._starts = np.cumsum([0, *(len(chunk) for chunk in column.chunks)])
        self._values = [_numbers(chunk.flatten()) for chunk in column.chunks]
        self._offsets = [
            np.concatenate([[0], np.cumsum(list_sizes(chunk))]) for chunk in column.chunks
        ]
        self.dtype = _numbers(pa.array([], column.type.value_type)).dtype

    def chunks(self) -> Iterator[tuple[npt.NDArray[Any], Ints]]:
        """(values, offsets) of each chunk."""
        return zip(self._values, self._offsets, strict=True)

    def at(self, row: int) -> npt.NDArray[Any]:
        """The list of a row."""
        chunk = int(np.searchsorted(self._starts, row, side="right")) - 1
        start, end = self._offsets[chunk][row - self._starts[chunk] :][:2]
        return self._values[chunk][start:end]


def _numbers(values: pa.Array) -> npt.NDArray[Any]:
    # Arrow's booleans are bits.
    return values.to_numpy(zero_copy_only=not pa.types.is_boolean(values.type))
