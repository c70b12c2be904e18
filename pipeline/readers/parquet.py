"""Parquet: a row is a document, one column the text. Cut by row groups.

pyarrow unpacks a page at a time, and rows of a dictionary become copies of its values. What would
take more memory than some documents of the greatest length is not read, or fewer rows at once are.
The size of a dictionary is what its page says; that of other pages is at most what the file's own
metadata says of their column, which is believed.
"""

import errno
from collections.abc import Iterator
from itertools import accumulate, islice, pairwise
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.inputs import InputFile
from pipeline.readers.base import (
    DAMAGED,
    Document,
    InputRange,
    Reader,
    decoded,
    note_place,
    rejected,
)
from pipeline.readers.footer import ColumnChunk, read_footer
from pipeline.streams import ReadBytes, open_input
from schemas.config import PrepareConfig

_BATCH_ROWS = 256

_BATCH_DOCUMENTS = 2
"""What is unpacked at once is no more than so many documents of the greatest length."""

_MOST_REPEATED = 200
"""Times that the text of a row group is shorter as stored; what has no end of repetition is none.
Prose is 2 to 10 times shorter."""

_DICTIONARY_PAGE = 2

_DAMAGE = (pa.ArrowException, OSError, ValueError)
"""What pyarrow raises for content that is no Parquet or has no UTF-8 as names."""


def _cut(file: InputFile, range_bytes: int) -> list[tuple[int, int]]:
    """Ranges of row groups, by their sizes in memory."""
    try:
        with open_input(file.path) as stream:
            metadata = pq.read_metadata(stream)
            read_footer(stream)
    except _DAMAGE as error:
        _words(error)
        return [(0, 0)]  # Reading proper says what is wrong with the file.
    starts, size = [0], 0
    for group in range(metadata.num_row_groups):
        if size >= range_bytes:
            starts.append(group)
            size = 0
        size += metadata.row_group(group).total_byte_size
    return list(pairwise([*starts, metadata.num_row_groups]))


def _columns(file: InputFile) -> list[str] | None:
    try:
        with open_input(file.path) as stream:
            return list(pq.read_schema(stream).names)
    except _DAMAGE:
        return None


def _read(part: InputRange, config: PrepareConfig, read: ReadBytes) -> Iterator[Document]:
    """The rows of a range, group by group, so that a damaged group takes no other with it."""
    try:
        with open_input(part.path) as stream:
            file, chunks = pq.ParquetFile(stream), read_footer(stream)
            if part.end == 0 and chunks:
                raise OSError(errno.EIO, "not when it was listed, and now it can be")
            groups = range(min(part.end, len(chunks)))
            sizes = (file.metadata.row_group(group).num_rows for group in groups)
            firsts = islice(enumerate(accumulate(sizes, initial=0)), part.start, groups.stop)
            for group, row in firsts:
                if group == part.start:
                    note_place(row, read)
                yield from _group(file, stream, chunks[group], group, row, part, config, read)
            if groups.stop < part.end:
                msg = f"it has {groups.stop} row groups, fewer than when it was listed"
                raise ValueError(msg)
    except _DAMAGE as error:
        yield _damaged(part, 0, _words(error), read)


def _group(
    file: pq.ParquetFile,
    stream: BinaryIO,
    chunks: list[ColumnChunk],
    group: int,
    row: int,
    part: InputRange,
    config: PrepareConfig,
    read: ReadBytes,
) -> Iterator[Document]:
    """The rows of a row group, the first of which has the number `row` in the file."""
    try:
        columns = _wanted(file, config)
        chunks = [each for each in chunks if _is_of(each.path, columns)]
        n_rows = file.metadata.row_group(group).num_rows
        if reason := _refusal(chunks, config):
            reason = f"row group {group} ({n_rows} rows) {reason}"
            yield _damaged(part, row, reason, read)
            return
        rows = _batch_rows(stream, chunks, config)
        for batch in file.iter_batches(
            rows, row_groups=[group], columns=columns, use_threads=False
        ):
            for document in _documents(batch, part.relative, row, config, read):
                yield document
                row += 1
    except _DAMAGE as error:
        yield _damaged(part, row, _words(error), read)


def _damaged(part: InputRange, row: int, reason: str, read: ReadBytes) -> Document:
    """What stands for the rows that are lost."""
    read.update(reason.encode())
    return rejected(f"{part.relative}#{row}", None, f"{DAMAGED}{reason}", b"")


def _words(error: Exception) -> str:
    """What pyarrow says of damage.

    Raises:
      MemoryError: pyarrow's own is an ArrowException too, but says nothing of the file.
      OSError: of the disk or a store, not of the file's content: of that pyarrow says OSError
        itself, without a number.
    """
    is_of_source = isinstance(error, OSError) and (error.errno or type(error) is not OSError)
    if isinstance(error, MemoryError) or is_of_source:
        raise error
    return " ".join(str(error).split())[:300]


def _wanted(file: pq.ParquetFile, config: PrepareConfig) -> list[str]:
    wanted = {config.text_column, config.id_column, config.source_column}
    return [name for name in file.schema_arrow.names if name in wanted]


def _is_of(path: str, columns: list[str]) -> bool:
    """Whether a column chunk is of one of the columns, which may be structs."""
    return any(path == name or path.startswith(f"{name}.") for name in columns)


def _most_bytes(config: PrepareConfig) -> int:
    return _BATCH_DOCUMENTS * config.max_document_bytes


def _refusal(chunks: list[ColumnChunk], config: PrepareConfig) -> str | None:
    """Why a row group is not read, None if it is."""
    unpacked = sum(chunk.unpacked_bytes for chunk in chunks)
    stored = sum(chunk.stored_bytes for chunk in chunks)
    if unpacked <= max(_most_bytes(config), _MOST_REPEATED * stored):
        return None
    return (
        f"would unpack from {stored} bytes to {unpacked}, more than {_BATCH_DOCUMENTS} documents "
        f"of max_document_bytes ({config.max_document_bytes})"
    )


def _batch_rows(stream: BinaryIO, chunks: list[ColumnChunk], config: PrepareConfig) -> int:
    """How many rows to unpack at once: each may be the longest value, the whole dictionary."""
    longest = max((_dictionary_bytes(stream, each) for each in chunks), default=0)
    return min(_BATCH_ROWS, max(1, _most_bytes(config) // max(1, longest)))


def _dictionary_bytes(stream: BinaryIO, chunk: ColumnChunk) -> int:
    """How long the dictionary of a column chunk is when unpacked; 0 without one."""
    stream.seek(chunk.offset)
    # A page header begins with its type and its size unpacked, in Thrift's compact protocol.
    header = iter(stream.read(12))
    page_type, size = _i32(header), _i32(header)
    if page_type is None or size is None:
        return chunk.unpacked_bytes
    return size if page_type == _DICTIONARY_PAGE else 0


def _i32(encoded: Iterator[int]) -> int | None:
    """The next field, if it is a number and none was left out before it: 0x15, a zigzag varint."""
    if next(encoded, None) != 0x15:
        return None
    value, shift = 0, 0
    for byte in encoded:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value >> 1 ^ -(value & 1)
    return None


def _documents(
    batch: pa.RecordBatch, relative: str, first_row: int, config: PrepareConfig, read: ReadBytes
) -> Iterator[Document]:
    texts = _texts(batch, config.text_column)
    ids = _values(batch, config.id_column)
    sources = _values(batch, config.source_column)
    for row, (data, id_key, source) in enumerate(zip(texts, ids, sources, strict=True), first_row):
        record = f"{relative}#{row}"
        # What the columns hold, not the file's pages: those are read in no fixed order.
        size = None if data is None else len(data)
        read.update(repr((size, id_key, source)).encode() + (data or b""))
        if data is None:
            reason = f"no text: column {config.text_column!r} is null or no text"
            yield rejected(record, None, reason, b"")
            continue
        for column, value in ((config.id_column, id_key), (config.source_column, source)):
            if column is not None and not isinstance(value, str | int):
                reason = f"no id: column {column!r} has no string or integer"
                yield rejected(record, None, reason, data)
                break
        else:
            yield decoded(record, 0, data, config)._replace(
                source=record if source is None else str(source),
                source_offset=None,
                id_key=None if id_key is None else str(id_key),
            )


def _values(batch: pa.RecordBatch, name: str | None) -> Iterator[object]:
    """The values of a column, one at a time; None for what Python has no value for."""
    if name is None or name not in batch.schema.names:
        yield from [None] * batch.num_rows
        return
    for value in batch.column(name):
        try:
            yield value.as_py()
        except (ValueError, OverflowError):
            # Strings that are no UTF-8, among others.
            yield None


def _texts(batch: pa.RecordBatch, name: str) -> Iterator[bytes | None]:
    """The text column as bytes, one at a time: nothing checks that a file's strings are UTF-8."""
    column = batch.column(name) if name in batch.schema.names else pa.nulls(batch.num_rows)
    is_dictionary = pa.types.is_dictionary(column.type)
    values = column.dictionary if is_dictionary else column
    if not _is_text(values.type):
        yield from [None] * batch.num_rows
        return
    values = values.cast(pa.large_binary())
    rows = column.indices.to_pylist() if is_dictionary else range(len(column))
    if len(rows) != batch.num_rows or any(
        row is not None and not 0 <= row < len(values) for row in rows
    ):
        # Of damaged files pyarrow makes columns that point past their ends.
        msg = f"column {name!r} has values for other rows than its row group has"
        raise pa.ArrowInvalid(msg)
    # Not decoded: many rows may be one long value.
    for row in rows:
        yield None if row is None else values[row].as_py()


def _is_text(column: pa.DataType) -> bool:
    tests = (
        pa.types.is_string,
        pa.types.is_large_string,
        pa.types.is_string_view,
        pa.types.is_binary,
        pa.types.is_large_binary,
    )
    return any(test(column) for test in tests)


READER = Reader(
    name="parquet",
    suffixes=(".parquet",),
    can_be_compressed=False,
    cut=_cut,
    read=_read,
    columns=_columns,
)
