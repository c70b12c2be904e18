"""Plain text: a file is a document."""

from collections.abc import Iterator

from pipeline.inputs import InputFile
from pipeline.readers.base import (
    BEGIN_BYTES,
    DAMAGED,
    UTF16,
    Document,
    InputRange,
    Reader,
    decoded,
    of_format,
    rejected,
    too_long,
)
from pipeline.streams import DamagedInputError, ReadBytes, blocks, compression_of, open_input
from schemas.config import PrepareConfig

_WIDE_BYTES = 1000
"""Of a text, which tell."""

_WIDE_LETTERS = 8
"""Fewer tell nothing."""


def _cut(file: InputFile, _bytes: int) -> list[tuple[int, int]]:
    return [(0, file.size_bytes)]


def _read(part: InputRange, config: PrepareConfig, read: ReadBytes) -> Iterator[Document]:
    data = bytearray()
    try:
        with open_input(part.path) as stream:
            for block in blocks(stream, compression_of(part.path), read):
                data += block
                if len(data) > config.max_document_bytes:
                    document = rejected(part.relative, 0, too_long(config), bytes(data))
                    yield of_format(document, bytes(data[:BEGIN_BYTES]))
                    return
    except DamagedInputError as error:
        yield rejected(part.relative, 0, f"{DAMAGED}{error}", bytes(data))
        return
    document = decoded(part.relative, 0, bytes(data), config)
    if document.reason is not None:
        document = of_format(document, bytes(data[:BEGIN_BYTES]))
    elif _is_wide(data[:_WIDE_BYTES]):
        reason = f"{UTF16}: no mark at its begin, but every other byte is NUL"
        document = rejected(part.relative, 0, reason, bytes(data))
    yield document


def _is_wide(begin: bytes | bytearray) -> bool:
    """Whether a text is UTF-16 that passes for UTF-8: ASCII with a NUL beside each letter."""
    one, two = begin[::2], begin[1::2]
    return len(two) >= _WIDE_LETTERS and any(
        high.count(0) == len(high) and not low.count(0) for high, low in ((one, two), (two, one))
    )


READER = Reader(
    name="text",
    suffixes=(".txt", ".text", ".md", ".markdown", ".rst"),
    can_be_compressed=True,
    cut=_cut,
    read=_read,
    columns=lambda _file: None,
)
