"""Corpus formats. A new one is a module with a READER and an entry here."""

from collections.abc import Iterator

from pipeline.readers import jsonl, lines, parquet, text, unreadable
from pipeline.readers.base import DAMAGED as DAMAGED
from pipeline.readers.base import INVALID_UTF8 as INVALID_UTF8
from pipeline.readers.base import MENDS as MENDS
from pipeline.readers.base import Document as Document
from pipeline.readers.base import InputRange as InputRange
from pipeline.readers.base import Reader as Reader
from pipeline.readers.base import check_column as check_column
from pipeline.readers.base import failures_named as failures_named
from pipeline.readers.base import reason_kind as reason_kind
from pipeline.readers.base import tables as tables
from pipeline.streams import COMPRESSIONS, ReadBytes, suffix_of
from schemas.config import PrepareConfig

UNREADABLE = unreadable.READER
"""Of files that cannot be opened, whatever their format."""

READERS: tuple[Reader, ...] = (text.READER, lines.READER, jsonl.READER, parquet.READER)

READER_OF_NAME = {reader.name: reader for reader in READERS}
"""The formats that `--format` names."""


def documents_of(part: InputRange, config: PrepareConfig, read: ReadBytes) -> Iterator[Document]:
    """The documents of a range, by the reader that it names.

    Raises:
      UserError: if the disk or the network fails; what is wrong with the file itself is rejected.
    """
    reader = UNREADABLE if part.reader == UNREADABLE.name else READER_OF_NAME[part.reader]
    with failures_named(part.path):
        yield from reader.read(part, config, read)


def reader_of(path: str) -> Reader | None:
    """The reader that a file's suffix asks for, or None.

    Example:
      >>> reader_of("a/b.jsonl.zst").name
      'jsonl'
      >>> reader_of("photo.png") is None
      True
    """
    suffix = suffix_of(path)
    compressed = suffix in COMPRESSIONS
    if compressed:
        suffix = suffix_of(path[: -len(suffix)])
    for reader in READERS:
        if suffix in reader.suffixes and (reader.can_be_compressed or not compressed):
            return reader
    return None
