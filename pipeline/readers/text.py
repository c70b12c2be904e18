"""Plain text: a file is a document."""

from collections.abc import Iterator

from pipeline.inputs import InputFile
from pipeline.readers.base import (
    BEGIN_BYTES,
    DAMAGED,
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
    yield document if document.reason is None else of_format(document, bytes(data[:BEGIN_BYTES]))


READER = Reader(
    name="text",
    suffixes=(".txt", ".text", ".md", ".markdown", ".rst"),
    can_be_compressed=True,
    cut=_cut,
    read=_read,
    columns=lambda _file: None,
)
