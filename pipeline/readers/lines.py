"""Text lines: a line is a document. No suffix says so, `--format lines` does."""

from pipeline.readers.base import Document, Reader, decoded
from pipeline.readers.line_ranges import cut_lines, documents_of_lines
from schemas.config import PrepareConfig


def _document(relative: str, offset: int, line: bytes, config: PrepareConfig) -> Document:
    # Of a line that is too long the end is not here, and what looks like one is text.
    text = line[: -len(b"\r\n")] if line.endswith(b"\r\n") else line.removesuffix(b"\n")
    return decoded(f"{relative}#{offset}", offset, text, config)


READER = Reader(
    name="lines",
    suffixes=(),
    can_be_compressed=True,
    cut=cut_lines,
    read=lambda part, config, read: documents_of_lines(part, config, read, _document),
    columns=lambda _file: None,
)
