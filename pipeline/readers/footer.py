"""Where the column chunks of a Parquet file stand and how long they are, from its footer.

pyarrow says it too, but ends the process over a footer whose parts contradict each other (its
`RowGroupMetaData.column` lets C++ exceptions through). The footer is a struct in Thrift's compact
protocol; of the format's parquet.thrift only the fields named here are looked at.
"""

import functools
from collections import deque
from typing import Any, BinaryIO, NamedTuple, TypeAlias

_TAIL_BYTES = 8
"""The footer's length as a little-endian int32, and "PAR1"."""

_ROW_GROUPS = 4
_COLUMNS = 1
_META_DATA = 3
_PATH, _UNPACKED_BYTES, _STORED_BYTES, _DATA_PAGE, _DICTIONARY_PAGE = 3, 6, 7, 9, 11

_Fields: TypeAlias = dict[int, "_Fields"]
"""Fields that are kept, by number, and of structs, also in lists, which of theirs."""

_WANTED: _Fields = {
    _ROW_GROUPS: {
        _COLUMNS: {
            _META_DATA: {
                _PATH: {},
                _UNPACKED_BYTES: {},
                _STORED_BYTES: {},
                _DATA_PAGE: {},
                _DICTIONARY_PAGE: {},
            }
        }
    }
}

_MOST_DEEP = 32
"""Structs and lists in each other; the format itself needs nine."""

_MOST_SHIFT = 63
"""Numbers have 64 bits."""


class ColumnChunk(NamedTuple):
    """The values of a column in a row group.

    Attributes:
      path: of the column in the schema, joined by dots.
      unpacked_bytes: of all its pages.
      stored_bytes: the same, as stored.
      offset: of its first page in the file.
    """

    path: str
    unpacked_bytes: int
    stored_bytes: int
    offset: int


def read_footer(stream: BinaryIO) -> list[list[ColumnChunk]]:
    """The column chunks of each row group.

    Args:
      stream: a Parquet file; its position changes.

    Raises:
      ValueError: if there is no whole footer, or it lacks what every file has.
    """
    size = stream.seek(0, 2)
    stream.seek(max(0, size - _TAIL_BYTES))
    length = int.from_bytes(stream.read(4), "little")
    if length > size - _TAIL_BYTES:
        msg = f"its footer would be {length} bytes, more than the file has"
        raise ValueError(msg)
    stream.seek(size - _TAIL_BYTES - length)
    return _row_groups(stream.read(length))


# One file's ranges are read one after the other, and wide files have long footers.
@functools.lru_cache(maxsize=1)
def _row_groups(footer: bytes) -> list[list[ColumnChunk]]:
    try:
        groups = _Footer(footer).struct(_WANTED).get(_ROW_GROUPS, [])
        return [[_column_chunk(each[_META_DATA]) for each in group[_COLUMNS]] for group in groups]
    except (IndexError, KeyError, TypeError, AttributeError, UnicodeDecodeError) as error:
        msg = "its footer is damaged"
        raise ValueError(msg) from error


def _column_chunk(fields: dict[int, Any]) -> ColumnChunk:
    path = ".".join(name.decode() for name in fields[_PATH])
    unpacked, stored, data = (fields[each] for each in (_UNPACKED_BYTES, _STORED_BYTES, _DATA_PAGE))
    dictionary = fields.get(_DICTIONARY_PAGE, 0)
    if min(unpacked, stored, data, dictionary) < 0:
        raise IndexError(fields)
    # Some writers note 0 for no dictionary.
    return ColumnChunk(path, unpacked, stored, dictionary if 0 < dictionary < data else data)


class _Footer:
    """Walks over a value in Thrift's compact protocol and keeps what is wanted of it."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def struct(self, wanted: _Fields, depth: int = 0) -> dict[int, Any]:
        """The wanted fields of the struct that comes next, by number."""
        kept, number = {}, 0
        while header := self._byte():
            # The number is counted on from the one before, or stands by itself.
            number = number + (header >> 4) if header >> 4 else self._zigzag()
            value = self._value(header & 0xF, wanted.get(number), depth)
            if number in wanted:
                kept[number] = value
        return kept

    def _value(
        self, kind: int, wanted: _Fields | None, depth: int, *, in_list: bool = False
    ) -> Any:  # noqa: ANN401
        match kind:
            case 1 | 2:
                # The type says which it is; in a list each is a byte.
                return self._byte() == 1 if in_list else kind == 1
            case 3:
                return self._byte()
            case 4 | 5 | 6:
                return self._zigzag()
            case 7:
                return self._bytes(8)
            case 8:
                return self._bytes(self._varint())
            case 9 | 10 if depth < _MOST_DEEP:
                return self._list(wanted, depth + 1)
            case 12 if depth < _MOST_DEEP:
                return self.struct(wanted or {}, depth + 1)
        # Parquet has no maps.
        msg = f"type {kind} at depth {depth}"
        raise TypeError(msg)

    def _list(self, wanted: _Fields | None, depth: int) -> list[Any]:
        header = self._byte()
        n_values = header >> 4 if header >> 4 < 0xF else self._varint()
        values = (self._value(header & 0xF, wanted, depth, in_list=True) for _ in range(n_values))
        if wanted is None:
            deque(values, maxlen=0)
            return []
        return list(values)

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _bytes(self, size: int) -> bytes:
        self._at += size
        if self._at > len(self._data):
            raise IndexError(size)
        return self._data[self._at - size : self._at]

    def _zigzag(self) -> int:
        value = self._varint()
        return value >> 1 ^ -(value & 1)

    def _varint(self) -> int:
        value, shift = 0, 0
        while (byte := self._byte()) & 0x80:
            value |= (byte & 0x7F) << shift
            shift += 7
            if shift > _MOST_SHIFT:
                raise IndexError(shift)
        return value | byte << shift
