"""Which lines open with what: a gate that costs what passes it, not what there is.

Lines are sorted by the first two bytes of their content, so that those that open with given ones
are found without a look at the others; two more bytes are compared one line after the other.
"""

import dataclasses
import functools
import itertools
import string
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_COMPARED_BYTES = 4
_NEWLINE = 10
_MAYBE, _SURELY = 1, 2
_NOT_ASCII = bytes(range(0x80, 0x100))
# What may stand behind a word: no letter but "no.", before a number, or those of other scripts.
_BEHIND = [
    bytes([byte])
    for byte in (*range(0x80), *_NOT_ASCII)
    if chr(byte) not in string.ascii_letters or chr(byte) in "nN"
]
_SHORT = 2


@dataclasses.dataclass(frozen=True, eq=False)
class Openings:
    """Lines by the bytes at which their content starts.

    Attributes:
      buffer: uint8 [n_bytes], the text.
      number: int64 [n], numbers of the lines.
      start: int64 [n], byte offset of their content.
      end: int64 [n], byte offset of their end.
      order: int64 [n], their places here, sorted by their first two bytes.
      pair: uint16 [n_runs], which first two bytes there are, the first one times 256.
      run: int64 [n_runs + 1], where in `order` the lines with each start.
    """

    buffer: npt.NDArray[np.uint8]
    number: Int64s
    start: Int64s
    end: Int64s
    order: Int64s
    pair: npt.NDArray[np.uint16]
    run: Int64s

    def matching(self, beginnings: frozenset[bytes]) -> Int64s:
        """int64 [n], the lines that may open with one of these, in no order.

        Args:
          beginnings: of one to four bytes; of four the last two are compared apart.
        """
        first, second = _tables(beginnings)
        is_wanted = first[self.pair]
        rows = self._rows(is_wanted == _MAYBE)
        if len(rows):
            rows = rows[second[read_pairs(self.buffer, self.start[rows] + 2, self.end[rows])]]
        found: Int64s = self.number[np.concatenate([self._rows(is_wanted == _SURELY), rows])]
        return found

    def _rows(self, is_wanted: Bools) -> Int64s:
        """int64 [n], the places of the lines of some runs, bool [n_runs]."""
        run = np.flatnonzero(is_wanted)
        size = self.run[run + 1] - self.run[run]
        # Each run's rows follow one another: what all before take is left out.
        offset = np.repeat(self.run[run] - np.cumsum(size) + size, size)
        rows: Int64s = self.order[np.arange(len(offset)) + offset]
        return rows


def sort_openings(
    buffer: npt.NDArray[np.uint8],
    number: Int64s,
    start: Int64s,
    end: Int64s,
    pair: npt.NDArray[np.uint16],
) -> Openings:
    """Lines, int64 [n] numbers, by the bytes from `start` on, up to `end`, int64 [n].

    Args:
      buffer: uint8 [n_bytes], the text.
      number: numbers of the lines.
      start: byte offset of their content.
      end: byte offset of their end.
      pair: uint16 [n], the first two bytes of each.
    """
    order = np.argsort(pair, kind="stable")
    ordered = pair[order]
    run = np.flatnonzero(np.diff(ordered, prepend=ordered[:1] ^ 1))
    return Openings(buffer, number, start, end, order, ordered[run], np.append(run, len(ordered)))


def opening_so(
    buffer: npt.NDArray[np.uint8],
    pair: npt.NDArray[np.uint16],
    start: Int64s,
    end: Int64s,
    beginnings: frozenset[bytes],
) -> Bools:
    """Bool [n], whether each line may open with one of these; arguments as of `sort_openings`."""
    first, second = _tables(beginnings)
    wanted = first[pair]
    opens: Bools = wanted == _SURELY
    rows = np.flatnonzero(wanted == _MAYBE)
    opens[rows] = second[read_pairs(buffer, start[rows] + 2, end[rows])]
    return opens


def read_pairs(buffer: npt.NDArray[np.uint8], start: Int64s, end: Int64s) -> npt.NDArray[np.uint16]:
    """uint16 [n], the bytes at each offset and behind it, the first one times 256.

    Behind a line's end there are newlines.
    """
    if len(start) == 0:
        return np.zeros(0, np.uint16)
    first, second = (
        np.where(at < end, buffer.take(at, mode="clip"), np.uint8(_NEWLINE)).astype(np.uint16)
        for at in (start, start + 1)
    )
    return np.asarray(first << 8 | second, np.uint16)


@functools.cache
def beginnings(openings: str | tuple[str, ...]) -> frozenset[bytes]:
    """The bytes that lines open with which open with one of these.

    A last character stands for all with its first byte.
    """
    return frozenset(
        (opening[:-1].encode() + opening[-1].encode()[:1])[:_COMPARED_BYTES] for opening in openings
    )


@functools.cache
def word_beginnings(words: tuple[str, ...]) -> frozenset[bytes]:
    """The bytes that lines open with which open with one of these words, in any case."""
    # Other scripts put words together without space.
    heads = {(word[:_COMPARED_BYTES], len(word) <= _SHORT and word.isascii()) for word in words}
    return frozenset(itertools.chain.from_iterable(itertools.starmap(_cased, heads)))


def _cased(head: str, is_short: bool) -> Iterator[bytes]:
    for cased in itertools.product(*map(_cases, head)):
        letters = "".join(cased).encode()
        behind = _BEHIND if is_short else [b""]
        yield from ((letters + byte)[:_COMPARED_BYTES] for byte in behind)


def _cases(letter: str) -> str:
    # Two letters are others' small forms: the long s and the sign of kelvin.
    return letter.lower() + letter.upper() + {"s": "\u017f", "k": "\u212a"}.get(letter.lower(), "")


@functools.cache
def _tables(beginnings: frozenset[bytes]) -> tuple[npt.NDArray[np.uint8], Bools]:
    """For every first pair of bytes whether it opens a line that is wanted, and every second one.

    Returns:
      uint8 [65536], 0, _MAYBE if the second pair decides, or _SURELY; bool [65536].
    """
    first, second = np.zeros((256, 256), np.uint8), np.zeros((256, 256), np.bool_)
    # The short ones last: what they let pass needs no second pair.
    for opening in sorted(beginnings, key=len, reverse=True):
        at = (opening[0], opening[1] if len(opening) > 1 else slice(None))
        if len(opening) > 2:
            first[at] = _MAYBE
            second[opening[2], opening[3] if len(opening) > 3 else slice(None)] = True
        else:
            first[at] = _SURELY
    return first.ravel(), second.ravel()
