"""Files of lines, cut by byte ranges: a line is of the range that its first byte lies in."""

import contextlib
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import BinaryIO

from pipeline.inputs import InputFile
from pipeline.readers.base import (
    BEGIN_BYTES,
    DAMAGED,
    Document,
    InputRange,
    note_place,
    of_format,
    rejected,
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


def cut_lines(file: InputFile, range_bytes: int) -> list[tuple[int, int]]:
    """Even ranges; a record belongs to the one that its first byte lies in."""
    if compression_of(file.path):
        return [(0, file.size_bytes)]
    starts = [*range(0, file.size_bytes, range_bytes), file.size_bytes]
    return list(pairwise(starts))


def documents_of_lines(
    part: InputRange,
    config: PrepareConfig,
    read: ReadBytes,
    document_of: Callable[[str, int, bytes, PrepareConfig], Document],
) -> Iterator[Document]:
    """The documents of a range; lines of white space alone are none.

    Args:
      part: of a file.
      config: what a document may be.
      read: counts and hashes what is read.
      document_of: makes one of the file's name, a line's offset, the line with its end (of one that
        is too long a part), and the config.
    """
    compression = compression_of(part.path)
    limit = config.max_document_bytes
    read_bytes = limit + len(b"\r\n")
    begin: bytes | None = None
    try:
        with open_input(part.path) as stream:
            start = part.start if compression else _first_line(stream, part.start, part.end)
            if compression:
                data = blocks(stream, compression, read)
            else:
                note_place(start, read)
                data = _range_blocks(stream, start, part.end, read_bytes, read)
            for offset, line in split_lines(data, read_bytes):
                # Of a long line the rest, which is not here, may be more than white space.
                if line.strip() or len(line) > limit:
                    document = document_of(part.relative, start + offset, line, config)
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


def split_lines(data: Iterator[bytes], limit: int) -> Iterator[tuple[int, bytes]]:
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
