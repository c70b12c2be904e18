"""Parquet: a row is a document, one column the text. Cut by row groups."""

from collections.abc import Iterator
from itertools import accumulate, islice, pairwise

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.inputs import InputFile
from pipeline.readers.base import (
    DAMAGED,
    Document,
    InputRange,
    Reader,
    decoded,
    rejected,
)
from pipeline.streams import ReadBytes, open_input
from schemas.config import PrepareConfig

_BATCH_ROWS = 256

_DAMAGE = (pa.ArrowException, OSError, UnicodeDecodeError, IndexError)
"""What pyarrow raises for content that is no Parquet, has no UTF-8 as names, or too few groups."""


def _cut(file: InputFile, range_bytes: int) -> list[tuple[int, int]]:
    """Ranges of row groups, by their sizes in memory."""
    try:
        with open_input(file.path) as stream:
            metadata = pq.read_metadata(stream)
    except _DAMAGE:
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
            file = pq.ParquetFile(stream)
            sizes = (file.metadata.row_group(group).num_rows for group in range(part.end))
            for group, row in islice(enumerate(accumulate(sizes, initial=0)), part.start, part.end):
                yield from _group(file, group, row, part, config, read)
    except _DAMAGE as error:
        yield _damaged(part, 0, error)


def _group(
    file: pq.ParquetFile,
    group: int,
    row: int,
    part: InputRange,
    config: PrepareConfig,
    read: ReadBytes,
) -> Iterator[Document]:
    wanted = {config.text_column, config.id_column, config.source_column}
    try:
        columns = [name for name in file.schema_arrow.names if name in wanted]
        for batch in file.iter_batches(
            _BATCH_ROWS, row_groups=[group], columns=columns, use_threads=False
        ):
            for document in _documents(batch, part.relative, row, config, read):
                yield document
                row += 1
    except _DAMAGE as error:
        yield _damaged(part, row, error)


def _damaged(part: InputRange, row: int, error: Exception) -> Document:
    """What stands for the rows that an error took.

    Raises:
      MemoryError: pyarrow's own is an ArrowException too, but says nothing of the file.
      OSError: of the disk, not of the file's content.
    """
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno):
        raise error
    reason = f"{DAMAGED}{' '.join(str(error).split())[:300]}"
    return rejected(f"{part.relative}#{row}", None, reason, b"")


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


def _values(batch: pa.RecordBatch, name: str | None) -> list[object]:
    present = name is not None and name in batch.schema.names
    return [*map(_value, batch.column(name))] if present else [None] * batch.num_rows


def _value(scalar: pa.Scalar) -> object:
    """What a column of names holds; None for what Python cannot hold, such as invalid UTF-8."""
    try:
        return scalar.as_py()
    except (ValueError, OverflowError):
        return None


def _texts(batch: pa.RecordBatch, name: str) -> list[bytes | None]:
    """The text column as bytes: nothing checks that a file's strings are UTF-8."""
    if name not in batch.schema.names:
        return [None] * batch.num_rows
    column = batch.column(name)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if not _is_text(column.type):
        return [None] * batch.num_rows
    values: list[bytes | None] = column.cast(pa.large_binary()).to_pylist()
    return values


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
