"""JSON lines: a line is a record, one of its fields the text, or a chat. Cut by byte ranges.

A record without `text` that has a question and its answer is read as a chat of the two.
"""

import contextlib
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, BinaryIO

import orjson

from pipeline.inputs import InputFile
from pipeline.readers.base import (
    BEGIN_BYTES,
    DAMAGED,
    INVALID_UTF8,
    TEXT_COLUMN,
    Document,
    InputRange,
    Reader,
    note_place,
    of_format,
    pair_of,
    rejected,
    too_long,
)
from pipeline.streams import (
    BLOCK_BYTES,
    DamagedInputError,
    ReadBytes,
    blocks,
    compression_of,
    open_input,
)
from schemas.config import PrepareConfig

_BOM = b"\xef\xbb\xbf"
_COLUMNS_LINE_BYTES = 64 << 20


def _cut(file: InputFile, range_bytes: int) -> list[tuple[int, int]]:
    """Even ranges; a record belongs to the one that its first byte lies in."""
    if compression_of(file.path):
        return [(0, file.size_bytes)]
    starts = [*range(0, file.size_bytes, range_bytes), file.size_bytes]
    return list(pairwise(starts))


def _columns(file: InputFile) -> list[str] | None:
    """Fields of the first record that is one; None where there is none."""
    compression = compression_of(file.path)
    try:
        with open_input(file.path) as stream:
            for _, line in _lines(blocks(stream, compression, ReadBytes()), _COLUMNS_LINE_BYTES):
                record = _parsed(line)
                if isinstance(record, dict):
                    return list(record)
    except (DamagedInputError, OSError):
        return None  # Reading proper says what is wrong with the file.
    return None


def _read(part: InputRange, config: PrepareConfig, read: ReadBytes) -> Iterator[Document]:
    compression = compression_of(part.path)
    limit = config.max_document_bytes
    begin: bytes | None = None
    try:
        with open_input(part.path) as stream:
            start = part.start if compression else _first_line(stream, part.start, part.end)
            if compression:
                data = blocks(stream, compression, read)
            else:
                note_place(start, read)
                data = _range_blocks(stream, start, part.end, limit, read)
            for offset, line in _lines(data, limit):
                # Of a long line the rest, which is not here, may be more than white space.
                if line.strip() or len(line) > limit:
                    document = _document(part.relative, start + offset, line, config)
                    if document.reason is not None:
                        begin = _begin(part, read) if begin is None else begin
                        document = of_format(document, begin)
                    yield document
    except _BrokenLineError as error:
        yield _damaged(part, error.offset, str(error), error.begun)


def _begin(part: InputRange, read: ReadBytes) -> bytes:
    """The bytes, decompressed, that tell a file's format; hashed, where the range has others."""
    begin = b""
    with open_input(part.path) as stream, contextlib.suppress(DamagedInputError):
        for block in blocks(stream, compression_of(part.path), ReadBytes()):
            begin = (begin + block)[:BEGIN_BYTES]
            if len(begin) == BEGIN_BYTES:
                break
    if part.start:
        read.update(begin)
    return begin


def _damaged(part: InputRange, offset: int, reason: str, raw: bytes) -> Document:
    return rejected(f"{part.relative}#{offset}", offset, f"{DAMAGED}{reason}", raw)


def _first_line(stream: BinaryIO, start: int, end: int) -> int:
    """Seek to the first line that begins in [start, end); returns its offset, or `end`."""
    if start == 0:
        return 0
    stream.seek(start - 1)
    at = start - 1
    while at < end:
        block = stream.read(min(BLOCK_BYTES, end - at))
        found = block.find(b"\n")
        if found >= 0:
            stream.seek(at + found + 1)
            return at + found + 1
        if not block:
            break
        at += len(block)
    return end


def _range_blocks(
    stream: BinaryIO, start: int, end: int, limit: int, read: ReadBytes
) -> Iterator[bytes]:
    """The bytes of the lines that begin in [start, end); of the last one at most the limit."""
    at, ended = start, True
    while at < end and (block := stream.read(min(BLOCK_BYTES, end - at))):
        read.update(block)
        yield block
        at += len(block)
        ended = block.endswith(b"\n")
    while start < end and not ended and at <= end + limit and (block := stream.read(BLOCK_BYTES)):
        found = block.find(b"\n")
        ended = found >= 0
        block = block[: found + 1] if ended else block
        read.update(block)
        yield block
        at += len(block)


class _BrokenLineError(DamagedInputError):
    """A stream broke off; carries the offset of the line that it broke off in, and its begin."""

    def __init__(self, reason: str, offset: int, begun: bytes) -> None:
        super().__init__(reason)
        self.offset = offset
        self.begun = begun


def _lines(data: Iterator[bytes], limit: int) -> Iterator[tuple[int, bytes]]:
    """(offset, line with its end) of a stream; of a line over the limit one byte more than that.

    Raises:
      _BrokenLineError: where the stream does; whole lines before it are yielded first.
    """
    offset, size, rest = 0, 0, bytearray()
    try:
        for block in data:
            *whole, tail = block.split(b"\n")
            for line in whole:
                yield offset, (bytes(rest) + line + b"\n")[: limit + 1]
                offset += size + len(line) + 1
                size, rest = 0, bytearray()
            rest += tail[: max(0, limit + 1 - len(rest))]
            size += len(tail)
    except DamagedInputError as error:
        raise _BrokenLineError(str(error), offset, bytes(rest)) from error
    if rest:
        yield offset, bytes(rest)


def _parsed(line: bytes) -> Any:  # noqa: ANN401 JSON holds anything
    """The record of a line, or the error that orjson raised."""
    try:
        return orjson.loads(line.removeprefix(_BOM))
    except orjson.JSONDecodeError as error:
        return error


def _document(relative: str, offset: int, line: bytes, config: PrepareConfig) -> Document:
    source = f"{relative}#{offset}"
    if len(line) > config.max_document_bytes:
        return rejected(source, offset, too_long(config), line)
    json, record = line, _parsed(line)
    if isinstance(record, ValueError) and config.encoding_errors == "replace":
        json = line.decode("utf-8", "replace").encode()
        record = _parsed(json)
    if not isinstance(record, dict):
        return rejected(source, offset, _not_a_record(json, record), line)
    text = _text(record, config.text_column)
    if not isinstance(text, str):
        return rejected(source, offset, _no_text(record, config.text_column), line)
    for column in (config.id_column, config.source_column):
        if column is not None and not isinstance(record.get(column), str | int):
            return rejected(
                source, offset, f"no id: column {column!r} has no string or integer", line
            )
    id_key = None if config.id_column is None else str(record[config.id_column])
    named = source if config.source_column is None else str(record[config.source_column])
    return Document(named, offset, id_key, text)


def _text(record: dict[str, Any], column: str) -> object:
    r"""What is to be read of a record: a string, if it can be.

    Example:
      >>> _text({"question": "Who?", "answer": "Me."}, "text")
      'User: Who?\n\nAssistant: Me.\n'
    """
    pair = pair_of(record) if column == TEXT_COLUMN else None
    if pair is None:
        text = record.get(column)
        return _chat(text) if isinstance(text, list) else text
    asking, answering = [record[name] for name in pair[0]], record[pair[1]]
    if not all(isinstance(each, str) for each in (*asking, answering)):
        return None
    question = "\n\n".join(filter(None, asking))
    turns = (("user", question), ("assistant", answering))
    return _chat([{"role": role, "content": text} for role, text in turns])


def _chat(messages: list[Any]) -> str | None:
    r"""The turns of a chat as text, each under its role; None if it is none.

    Example:
      >>> _chat([{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Me."}])
      'User: Who?\n\nAssistant: Me.\n'
    """
    turns = []
    for message in messages:
        match message:
            case {"role": str(role), "content": str(content)}:
                turns.append(f"{role.capitalize()}: {content}")
            case _:
                return None
    return "\n\n".join(turns) + "\n" if turns else None


def _not_a_record(line: bytes, found: object) -> str:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError as error:
        return f"{INVALID_UTF8}: at byte {error.start}"
    if isinstance(found, orjson.JSONDecodeError):
        # Of the line: the parser counts characters, and knows no byte order mark.
        at = len(line) - len(line.removeprefix(_BOM)) + len(found.doc[: found.pos].encode())
        return f"invalid JSON: at byte {at}: {found.msg}"
    return f"no JSON object: a {type(found).__name__}"


def _no_text(record: dict[str, Any], column: str) -> str:
    if isinstance(record.get(column), list):
        return f"no text: column {column!r} holds a list that is no chat of role and content"
    if column in record:
        return f"no text: column {column!r} holds a {type(record[column]).__name__}"
    if column == TEXT_COLUMN and (pair := pair_of(record)):
        name = next(name for name in (*pair[0], pair[1]) if not isinstance(record[name], str))
        return f"no text: {name} is not text"
    return f"no text: no column {column!r}; there are {', '.join(map(repr, record))}"[:500]


READER = Reader(
    name="jsonl",
    suffixes=(".jsonl", ".ndjson"),
    can_be_compressed=True,
    cut=_cut,
    read=_read,
    columns=_columns,
)
