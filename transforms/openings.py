"""Which lines open with what: a gate that costs what passes it, not what there is.

Lines are sorted by the first two bytes of their content, so that those that open with given ones
are found without a look at the others; two more bytes are compared of these.
"""

import dataclasses
import functools
import itertools
import string
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Uint16s = npt.NDArray[np.uint16]

_COMPARED_BYTES = 4
_NEWLINE = 10
_NO, _SURELY, _FIRST_GROUP = 0, 1, 2
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
      number: int64 [n], numbers of the lines, sorted by their first two bytes.
      then: uint16 [n], the two bytes behind these, the first one times 256.
      pair: uint16 [n_runs], which first two bytes there are.
      run: int64 [n_runs + 1], where the lines with each start.
    """

    number: Int64s
    then: Uint16s
    pair: Uint16s
    run: Int64s

    def matching(self, beginnings: frozenset[bytes]) -> Int64s:
        """int64 [n], the lines that open with one of these, of one to four bytes; in no order."""
        tables = _read_tables(beginnings)
        group = tables.group[self.pair]
        surely, maybe = self._rows(group == _SURELY), group >= _FIRST_GROUP
        rows = self._rows(maybe)
        of_row = np.repeat(group[maybe], np.diff(self.run)[maybe])
        rows = rows[tables.goes_on(of_row, self.then[rows])]
        found: Int64s = self.number[np.concatenate([surely, rows])]
        return found

    def n_similar(self, beginnings: frozenset[bytes]) -> int:
        """How many lines open with the first two bytes of one of these."""
        group = _read_tables(beginnings).group[self.pair]
        return int(np.diff(self.run)[group != _NO].sum())

    def _rows(self, is_wanted: Bools) -> Int64s:
        """int64 [n], where the lines of some runs, bool [n_runs], stand."""
        run = np.flatnonzero(is_wanted)
        size = self.run[run + 1] - self.run[run]
        # Each run's rows follow one another: what all before take is left out.
        offset = np.repeat(self.run[run] - np.cumsum(size) + size, size)
        rows: Int64s = np.arange(len(offset)) + offset
        return rows


def sort_openings(number: Int64s, pair: Uint16s, then: Uint16s) -> Openings:
    """Lines, int64 [n] numbers, by their first two bytes and the two behind, uint16 [n] each."""
    order = np.argsort(pair, kind="stable")
    ordered = pair[order]
    run = np.flatnonzero(np.diff(ordered, prepend=ordered[:1] ^ 1))
    return Openings(number[order], then[order], ordered[run], np.append(run, len(ordered)))


def opening_so(
    number: Int64s, pair: Uint16s, then: Uint16s, beginnings: frozenset[bytes]
) -> Int64s:
    """Those of some lines, int64 [n], that open with one of these; bytes are those of all lines."""
    tables = _read_tables(beginnings)
    group = tables.group[pair[number]]
    opens = group == _SURELY
    rows = np.flatnonzero(group >= _FIRST_GROUP)
    opens[rows] = tables.goes_on(group[rows], then[number[rows]])
    found: Int64s = number[opens]
    return found


def read_pairs(buffer: npt.NDArray[np.uint8], start: Int64s, end: Int64s) -> Uint16s:
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


class _Tables(NamedTuple):
    """Which bytes a line that is wanted opens with.

    Attributes:
      group: uint16 [65536], by its first pair of bytes: _NO, _SURELY, or which group of beginnings
        it opens those of.
      third: bool [n_groups * 256], by group, the bytes that may follow.
      fourth: bool [n_groups * 256], those that may follow these.
    """

    group: Uint16s
    third: Bools
    fourth: Bools

    def goes_on(self, group: Uint16s, then: Uint16s) -> Bools:
        """Bool [n], whether each line, of a group by its first bytes, goes on as it should."""
        row = group.astype(np.uint32) << 8
        goes_on: Bools = self.third[row | then >> 8] & self.fourth[row | then & 255]
        return goes_on


@functools.cache
def _read_tables(beginnings: frozenset[bytes]) -> _Tables:
    pairs = sorted({opening[:2] for opening in beginnings if len(opening) > 2})
    of_pair = {pair: place for place, pair in enumerate(pairs, _FIRST_GROUP)}
    group = np.full((256, 256), _NO, np.uint16)
    third, fourth = np.zeros((2, _FIRST_GROUP + len(pairs), 256), np.bool_)
    # The short ones last: what they let pass is looked at no further.
    for opening in sorted(beginnings, key=len, reverse=True):
        at = (opening[0], opening[1] if len(opening) > 1 else slice(None))
        place = of_pair[opening[:2]] if len(opening) > 2 else _SURELY
        group[at] = place
        if len(opening) > 2:
            third[place, opening[2]] = True
            fourth[place, opening[3] if len(opening) > 3 else slice(None)] = True
    return _Tables(group.ravel(), third.ravel(), fourth.ravel())
