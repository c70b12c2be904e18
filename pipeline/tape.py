"""Rows by the million in little memory: packed in blocks, read in order as often as need be.

A listed file is some 600 bytes as Python objects and some 30 on a tape, because the names of
neighbours are alike; a row is read again in two microseconds.
"""

import pickle
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from backports import zstd

T = TypeVar("T")

BLOCK_ROWS = 1024

_LEVEL = 1
"""Of zstd: a higher one takes longer and gains little."""


class Tape(Generic[T]):
    """Rows in the order in which they were appended; none is appended while they are iterated.

    Example:
      >>> tape = Tape([("a.txt", 5), ("b.txt", 7)])
      >>> tape.append(("c.txt", 1))
      >>> len(tape), tape[1], [size for _, size in tape]
      (3, ('b.txt', 7), [5, 7, 1])
    """

    def __init__(self, rows: Iterable[T] = ()) -> None:
        self._blocks: list[bytes] = []
        # Of each block, and of the open one.
        self._starts = [0]
        self._open: list[T] = []
        self._seen: tuple[int, list[T]] | None = None
        for row in rows:
            self.append(row)

    @classmethod
    def joined(cls, tapes: Iterable["Tape[T]"]) -> "Tape[T]":
        """The rows of all tapes, one after another; no row is unpacked."""
        joined = cls()
        for tape in tapes:
            joined._close()
            start = joined._starts[-1]
            joined._blocks += tape._blocks
            joined._starts += [start + each for each in tape._starts[1:]]
            joined._open = [*tape._open]
        return joined

    def append(self, row: T) -> None:
        """Add a row at the end."""
        self._open.append(row)
        if len(self._open) == BLOCK_ROWS:
            self._close()

    def _close(self) -> None:
        if self._open:
            self._blocks.append(zstd.compress(pickle.dumps(self._open), _LEVEL))
            self._starts.append(len(self))
            self._open = []

    def _block(self, number: int) -> list[T]:
        if number == len(self._blocks):
            return self._open
        block: list[T] = pickle.loads(zstd.decompress(self._blocks[number]))
        return block

    def __len__(self) -> int:
        return self._starts[-1] + len(self._open)

    def __iter__(self) -> Iterator[T]:
        for number in range(len(self._blocks) + 1):
            yield from self._block(number)

    def __getitem__(self, index: int) -> T:
        """A row; its block is kept unpacked until one of another is asked for.

        Raises:
          IndexError: if there is none.
        """
        if not 0 <= index < len(self):
            msg = f"row {index} of {len(self)}"
            raise IndexError(msg)
        number = bisect_right(self._starts, index) - 1
        if self._seen is None or self._seen[0] != number:
            self._seen = (number, self._block(number))
        return self._seen[1][index - self._starts[number]]
