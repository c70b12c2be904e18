"""Where the column chunks of a Parquet file stand and how long they are, from its footer.

pyarrow says it too, but ends the process over a footer whose parts contradict each other (its
`RowGroupMetaData.column` lets C++ exceptions through). The footer is a struct in Thrift's compact
protocol; of the format's parquet.thrift only the fields named here are looked at.
"""

import functools
from collections import deque
from typing import Any, BinaryIO, NamedTuple

import msgspec

from schemas.manifest import Count

_TAIL_BYTES = 8
"""The footer's length as a little-endian int32, and "PAR1"."""

_READ_BYTES = 1 << 16
"""Read at once from the end: most footers are shorter, and stores are asked once."""

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


class _MetaData(msgspec.Struct):
    path: list[bytes]
    unpacked_bytes: Count
    stored_bytes: Count
    data_page: Count
    dictionary_page: Count = 0


class _Column(msgspec.Struct):
    meta_data: _MetaData


class _RowGroup(msgspec.Struct):
    columns: list[_Column]


class _FileMetaData(msgspec.Struct):
    row_groups: list[_RowGroup]


class _Wanted(NamedTuple):
    """A field that is kept: its name here, and of a struct, or a list of them, which of theirs."""

    name: str
    fields: "dict[int, _Wanted]"


_META_DATA = {
    3: "path",
    6: "unpacked_bytes",
    7: "stored_bytes",
    9: "data_page",
    11: "dictionary_page",
}
_COLUMN = {3: _Wanted("meta_data", {n: _Wanted(name, {}) for n, name in _META_DATA.items()})}
_FILE = {4: _Wanted("row_groups", {1: _Wanted("columns", _COLUMN)})}


def read_footer(stream: BinaryIO) -> list[list[ColumnChunk]]:
    """The column chunks of each row group.

    Args:
      stream: a Parquet file; its position changes.

    Raises:
      ValueError: if there is no whole footer, or it lacks what every file has.
    """
    size = stream.seek(0, 2)
    stream.seek(max(0, size - _READ_BYTES))
    end = stream.read()
    length = int.from_bytes(end[-_TAIL_BYTES:][:4], "little")
    if length > size - _TAIL_BYTES:
        msg = f"its footer would be {length} bytes, more than the file has"
        raise ValueError(msg)
    if length > len(end) - _TAIL_BYTES:
        stream.seek(size - _TAIL_BYTES - length)
        end = stream.read()
    return _row_groups(end[len(end) - _TAIL_BYTES - length : -_TAIL_BYTES])


# One file's ranges are read one after the other, and wide files have long footers.
@functools.lru_cache(maxsize=1)
def _row_groups(footer: bytes) -> list[list[ColumnChunk]]:
    try:
        fields = _Thrift(footer).struct(_FILE)
    except IndexError as error:
        msg = "its footer is cut short"
        raise ValueError(msg) from error
    found = msgspec.convert(fields, _FileMetaData, builtin_types=(bytes,))
    return [[_column_chunk(each.meta_data) for each in group.columns] for group in found.row_groups]


def _column_chunk(found: _MetaData) -> ColumnChunk:
    path = b".".join(found.path).decode()
    # Some writers note 0 for no dictionary.
    has_dictionary = 0 < found.dictionary_page < found.data_page
    offset = found.dictionary_page if has_dictionary else found.data_page
    return ColumnChunk(path, found.unpacked_bytes, found.stored_bytes, offset)


class _Thrift:
    """Walks over a value in Thrift's compact protocol and keeps what is wanted of it.

    Raises:
      IndexError: where the bytes end too early.
      ValueError: over what is no such value.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def struct(self, wanted: dict[int, _Wanted], depth: int = 0) -> dict[str, Any]:
        """The wanted fields of the struct that comes next."""
        kept, number = {}, 0
        while header := self._byte():
            # The number is counted on from the one before, or stands by itself.
            number = number + (header >> 4) if header >> 4 else self._zigzag()
            field = wanted.get(number)
            value = self._value(header & 0xF, field, depth)
            if field:
                kept[field.name] = value
        return kept

    def _value(self, kind: int, field: _Wanted | None, depth: int, *, in_list: bool = False) -> Any:  # noqa: ANN401
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
                return self._list(field, depth + 1)
            case 12 if depth < _MOST_DEEP:
                return self.struct(field.fields if field else {}, depth + 1)
        # Parquet has no maps.
        msg = f"its footer has a value of type {kind} at depth {depth}"
        raise ValueError(msg)

    def _list(self, field: _Wanted | None, depth: int) -> list[Any]:
        header = self._byte()
        n_values = header >> 4 if header >> 4 < 0xF else self._varint()
        values = (self._value(header & 0xF, field, depth, in_list=True) for _ in range(n_values))
        if field is None:
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
                msg = "its footer has a number of more than 64 bits"
                raise ValueError(msg)
        return value | byte << shift
