"""The element of the pipeline: a table of documents on its way to shards."""

import dataclasses
from collections.abc import Iterator

import pyarrow as pa

from pipeline.plan import Chunk
from pipeline.readers import documents_of, tables
from pipeline.readers.base import Document
from pipeline.streams import ReadBytes
from schemas.config import PrepareConfig
from schemas.keys import ChunkKey


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """A table of a chunk's documents.

    Attributes:
      key: names the chunk and the piece.
      table: DOCUMENTS, and the columns that stages have added.
      is_last: whether the chunk ends here.
      n_bytes: bytes that the chunk's readers consumed up to here.
      blake2b: their hash.
    """

    key: ChunkKey
    table: pa.Table
    is_last: bool
    n_bytes: int
    blake2b: str


def read_pieces(chunk: Chunk, config: PrepareConfig) -> Iterator[Piece]:
    """Read a chunk, a table at a time: one for most chunks, several for what cannot be cut."""
    read = ReadBytes()
    for number, (table, is_last) in enumerate(
        tables(_documents(chunk, config, read), config.chunk_bytes)
    ):
        yield Piece(
            key=ChunkKey(digest=chunk.digest, piece=number),
            table=table,
            is_last=is_last,
            n_bytes=read.n_bytes,
            blake2b=read.blake2b,
        )


def _documents(chunk: Chunk, config: PrepareConfig, read: ReadBytes) -> Iterator[Document]:
    for part in chunk.ranges:
        # The file's name is hashed too: bytes that move from one file to the next are a change.
        read.update(part.relative.encode() + b"\0")
        yield from documents_of(part, config, read)
