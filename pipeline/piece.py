"""The element of the pipeline: a table of documents on its way to shards."""

import dataclasses
from collections.abc import Iterable, Iterator

import pyarrow as pa

from pipeline.inputs import state_of
from pipeline.plan import Chunk
from pipeline.readers import UNREADABLE, InputRange, documents_of, tables
from pipeline.readers.base import Document
from pipeline.streams import ReadBytes
from schemas.config import PrepareConfig
from schemas.errors import UserError
from schemas.keys import ChunkKey
from schemas.words import counted


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
    """Read a chunk, a table at a time: one for most chunks, several for what cannot be cut.

    Raises:
      UserError: if a file is not what it was when the plan was made; no piece is then of a mix.
    """
    read = ReadBytes()
    documents = _documents(chunk, config, read)
    try:
        for number, (table, is_last) in enumerate(tables(documents, config.chunk_bytes)):
            check_unchanged(chunk.ranges)
            yield Piece(
                key=ChunkKey(digest=chunk.digest, piece=number),
                table=table,
                is_last=is_last,
                n_bytes=read.n_bytes,
                blake2b=read.blake2b,
            )
    except Exception:
        # A reader may have stumbled over the change.
        check_unchanged(chunk.ranges)
        raise


def check_unchanged(parts: Iterable[InputRange]) -> None:
    """Refuse files that are not what they were when the inputs were listed.

    Asked after reading: then what was read is the file as it was planned, not a mix.

    Raises:
      UserError: naming the first such file.
    """
    for part in parts:
        listed, found = (part.size_bytes, part.modified), state_of(part.path)
        # What could not be read has no state; its reader looks for itself.
        if part.reader == UNREADABLE.name or found == listed:
            continue
        how = "edited or touched"
        if found is None:
            how = "gone"
        elif found[0] != part.size_bytes:
            how = f"of {counted(part.size_bytes, 'byte')} then, of {found[0]} now"
        # What a worker raises comes back as a line.
        name = " ".join(part.relative.splitlines())
        msg = (
            f"{name} changed since the inputs were listed ({how}): put it back, or run "
            "again with --update to take the inputs as they are; what is committed is kept"
        )
        raise UserError(msg)


def _documents(chunk: Chunk, config: PrepareConfig, read: ReadBytes) -> Iterator[Document]:
    for part in chunk.ranges:
        # The file's name is hashed too: bytes that move from one file to the next are a change.
        read.update(part.relative.encode() + b"\0")
        yield from documents_of(part, config, read)
