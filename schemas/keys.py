"""Keys derived from content: chunks, documents, rows and splits are named the same everywhere."""

import dataclasses
import hashlib
from collections.abc import Iterable

SPLITS = ("train", "validation", "test")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ChunkKey:
    """Names a part of the work; what is written for it carries its name.

    Attributes:
      digest: blake2b hex of relative paths, ranges and the config's digest.
      piece: ordinal of the table within the chunk; over 0 only for what is read in pieces.
    """

    digest: str
    piece: int = 0

    @property
    def stem(self) -> str:
        """The file name, without suffix, of what this piece writes."""
        return f"{self.digest}-{self.piece:05d}"


def digest(parts: Iterable[str | bytes | int | None], *, size_bytes: int = 16) -> str:
    """Blake2b hex over a sequence of fields, each prefixed by its type and length.

    The prefix keeps ("ab", "c") apart from ("a", "bc"), and None from "".

    Example:
      >>> digest(["ab", "c"]) == digest(["a", "bc"])
      False
      >>> len(digest(["a"]))
      32
    """
    state = hashlib.blake2b(digest_size=size_bytes)
    for part in parts:
        if isinstance(part, str):
            # Names of files need not be UTF-8; Python then holds lone surrogates.
            data, tag = part.encode("utf-8", "surrogateescape"), b"s"
        elif isinstance(part, bytes):
            data, tag = part, b"b"
        else:
            data, tag = str(part).encode(), b"n" if part is None else b"i"
        state.update(tag + str(len(data)).encode() + b":")
        state.update(data)
    return state.hexdigest()


def document_key(source: str, text: str, id_key: str | None) -> str:
    """Names a document: hash of its source and text, or of the id column's value alone."""
    return digest(["document", source, text]) if id_key is None else digest(["id", id_key])


def row_id(document: str, *, episode: int | None, piece: int) -> str:
    """The `id` column: the document's key with the ordinals of episode and piece.

    Args:
      document: what `document_key` gives.
      episode: ordinal in the document; None for a row of the `documents` config.
      piece: ordinal of the piece in an over-long document or episode, else 0.
    """
    return digest(["row", document, episode, piece])


def piece_id(row: str, piece: int) -> str:
    """The `id` of a piece of a written row, which does not hold its document's key.

    Args:
      row: the row's `id`.
      piece: ordinal of the piece in the row.
    """
    return digest(["piece", row, piece])


def split_of(source: str, holdout: float) -> str:
    """The split of a source, so that pieces of one source never straddle two.

    Args:
      source: the `source` column.
      holdout: share of validation and of test each, in [0, 0.5).
    """
    share = int(digest(["split", source], size_bytes=8), 16) / 2**64
    return "test" if share < holdout else "validation" if share < 2 * holdout else "train"
