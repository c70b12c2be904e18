"""What a reader is, and how the documents it yields become tables."""

import contextlib
import dataclasses
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import NamedTuple

import pyarrow as pa

from pipeline.inputs import InputFile
from pipeline.streams import ReadBytes
from schemas.config import PrepareConfig
from schemas.episode import DOCUMENTS, REJECTED_BYTES
from schemas.errors import UserError

DAMAGED = "damaged input: "
"""Begins the reason of what an unreadable file lost; such a file is named in the manifest."""

INVALID_UTF8 = "invalid UTF-8"
"""The kind of reason of bytes that are no text."""

UTF16 = "UTF-16 text"

MENDS = {
    INVALID_UTF8: "duologue prepare --encoding-errors replace keeps what is invalid UTF-8",
    "UTF-32 text": "iconv -f UTF-32 -t UTF-8 makes UTF-8 of UTF-32 text",
    UTF16: "iconv -f UTF-16 -t UTF-8 makes UTF-8 of UTF-16 text",
    "gzip data": "gzip data is read where the file's name ends in .gz, such as .txt.gz",
    "zstd data": "zstd data is read where the file's name ends in .zst, such as .txt.zst",
    "Parquet data": "Parquet data is read where the file's name ends in .parquet",
}
"""By kind of reason of what is no UTF-8: the mend, said once a run."""

# UTF-32 comes first: its little-endian mark begins as that of UTF-16 does.
_FORMAT_OF_BEGIN = {
    b"\xff\xfe\0\0": "UTF-32 text",
    b"\0\0\xfe\xff": "UTF-32 text",
    b"\xff\xfe": UTF16,
    b"\xfe\xff": UTF16,
    b"\x1f\x8b": "gzip data",
    b"\x28\xb5\x2f\xfd": "zstd data",
    # With the first field of a page's header: text may begin with the rest.
    b"PAR1\x15": "Parquet data",
}

BEGIN_BYTES = max(map(len, _FORMAT_OF_BEGIN))
"""Of a file, which tell its format."""

TEXT_COLUMN = "text"
"""The column that is read where none is named; in JSON lines without it a chat or a pair is."""

CHAT_COLUMN = "messages"
"""Of JSON lines: a list of role and content."""

_PAIRS = (
    (("question",), "answer"),
    (("prompt",), "completion"),
    (("instruction", "input"), "output"),
    (("instruction",), "output"),
    (("input",), "output"),
)
"""Columns that ask, and the one that answers; the first that are all there are taken."""

_COLUMNS_SHOWN = 500
"""Characters of their names in a message."""

DOCUMENT_OVERHEAD_BYTES = 256
"""What a row costs beside its text, so that a million empty documents are not one table."""


class InputRange(NamedTuple):
    """A part of one file that one worker reads.

    Attributes:
      path: how to open the file.
      relative: the file's name in the output.
      reader: name of the reader.
      start: begin of the range, in the reader's own unit (bytes, row groups).
      end: end of the range, exclusive.
      size_bytes: of the whole file, as listed; 0 of one that could not be read.
      modified: of the file, as listed; likewise.
    """

    path: str
    relative: str
    reader: str
    start: int
    end: int
    size_bytes: int = 0
    modified: float = 0.0


class Document(NamedTuple):
    """One document as read; the fields are the columns of `schemas.episode.DOCUMENTS`."""

    source: str
    source_offset: int | None
    id_key: str | None
    text: str | None
    reason: str | None = None
    raw: bytes | None = None


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Reader:
    """A corpus format.

    Attributes:
      name: of `--format`.
      suffixes: of file names, lower case, without a compression's suffix.
      can_be_compressed: whether `.gz` and `.zst` of it are read.
      cut: the ranges of a file, each of about the given number of bytes.
      read: the documents of a range, in order; bytes consumed are counted and hashed.
      columns: the columns of a file that has some, else None; to check options before work starts.
    """

    name: str
    suffixes: tuple[str, ...]
    can_be_compressed: bool
    cut: Callable[[InputFile, int], list[tuple[int, int]]]
    read: Callable[[InputRange, PrepareConfig, ReadBytes], Iterator[Document]]
    columns: Callable[[InputFile], list[str] | None]


def note_place(first: int, read: ReadBytes) -> None:
    """Hash where a range's first record stands, for its source says so: moved, it is another.

    Args:
      first: its byte offset, or row number, in the file.
      read: takes it in, unless it is the file's own first.
    """
    if first:
        read.update(f"#{first}\0".encode())


@contextlib.contextmanager
def failures_named(path: str) -> Iterator[None]:
    """Tell which input it is that the disk or the network does not give.

    Raises:
      UserError: in the place of an OSError.
    """
    try:
        yield
    except OSError as error:
        msg = (
            f"cannot read {path}: {error.strerror or error}; mend it or take it out of the "
            "inputs, then run the same command again: what is committed is kept"
        )
        raise UserError(msg) from error


def rejected(source: str, offset: int | None, reason: str, raw: bytes) -> Document:
    """A document that can't be used, with the reason and its first bytes."""
    return Document(source, offset, None, None, reason, raw[:REJECTED_BYTES])


def decoded(source: str, offset: int, data: bytes, config: PrepareConfig) -> Document:
    """The document of some bytes; rejected where they are not UTF-8, or replaced as configured."""
    if len(data) > config.max_document_bytes:
        return rejected(source, offset, too_long(config), data)
    try:
        return Document(source, offset, None, data.decode("utf-8"))
    except UnicodeDecodeError as error:
        if config.encoding_errors == "replace":
            return Document(source, offset, None, data.decode("utf-8", "replace"))
        return rejected(source, offset, f"{INVALID_UTF8}: at byte {error.start}", data)


def of_format(document: Document, begin: bytes) -> Document:
    r"""A rejected document; where its file is of a format that its name does not say, with that.

    Args:
      document: one that is no UTF-8, no JSON, or too long.
      begin: of the file, BEGIN_BYTES or more.

    Example:
      >>> refused = rejected("a.txt", 0, "invalid UTF-8: at byte 1", b"\x1f\x8b\x08\0")
      >>> of_format(refused, b"\x1f\x8b\x08\0").reason
      'gzip data: invalid UTF-8: at byte 1'
    """
    names = (name for magic, name in _FORMAT_OF_BEGIN.items() if begin.startswith(magic))
    name = next(names, None)
    return document if name is None else document._replace(reason=f"{name}: {document.reason}")


def too_long(config: PrepareConfig) -> str:
    """The reason of a document over the limit."""
    return f"too long: over max_document_bytes ({config.max_document_bytes})"


def pair_of(columns: Collection[str]) -> tuple[tuple[str, ...], str] | None:
    """Columns that ask and the one that answers, of JSON lines without a text column.

    Example:
      >>> pair_of(["id", "prompt", "completion"])
      (('prompt',), 'completion')
    """
    if TEXT_COLUMN in columns:
        return None
    return next((pair for pair in _PAIRS if {*pair[0], pair[1]} <= {*columns}), None)


def check_column(file: InputFile, columns: list[str], option: str, column: str) -> None:
    """Refuse a file that lacks a column.

    Raises:
      UserError: naming those that there are, and the option.
    """
    may_be_chat = option == "--text-column" and not file.path.lower().endswith(".parquet")
    is_chat = CHAT_COLUMN in columns or pair_of(columns)
    if column in columns or (may_be_chat and column == TEXT_COLUMN and is_chat):
        return
    there = ", ".join(columns)
    there = there if len(there) <= _COLUMNS_SHOWN else f"{there[:_COLUMNS_SHOWN]}..."
    msg = f"{file.relative} has no column {column!r}; there are: {there}. Name one with {option}"
    raise UserError(msg)


def reason_kind(reason: str) -> str:
    """What reasons are counted by: what stands before the colon.

    Example:
      >>> reason_kind("invalid UTF-8: at byte 12")
      'invalid UTF-8'
    """
    return reason.partition(":")[0]


def tables(documents: Iterable[Document], table_bytes: int) -> Iterator[tuple[pa.Table, bool]]:
    """Group documents into (DOCUMENTS table, whether it is the last), at least one.

    A table is closed when it has `table_bytes` of text or more and another document follows.
    """
    batch: list[Document] = []
    size = 0
    for document in documents:
        if batch and size >= table_bytes:
            yield _table(batch), False
            batch, size = [], 0
        batch.append(document)
        size += DOCUMENT_OVERHEAD_BYTES + sum(
            # Names are short, but a column may hold anything.
            _size(each)
            for each in (document.text, document.raw, document.source, document.id_key)
            if each
        )
    yield _table(batch), True


def _size(data: str | bytes) -> int:
    """Bytes of UTF-8."""
    return len(data) if isinstance(data, bytes) or data.isascii() else len(data.encode())


def _table(batch: list[Document]) -> pa.Table:
    columns = zip(*batch, strict=True) if batch else ([] for _ in DOCUMENTS)
    return pa.table(
        [pa.array(column, field.type) for column, field in zip(columns, DOCUMENTS, strict=True)],
        schema=DOCUMENTS,
    )
