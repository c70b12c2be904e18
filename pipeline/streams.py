"""Bytes of an input: opened on any filesystem, decompressed while reading, hashed on the way.

Decompression is bounded (no call returns more than it was asked for) and a stream that ends early
or holds garbage raises `DamagedInputError` after everything before the damage was returned; of a
zstd stream less than STEP_BYTES before the damage may be lost.
"""

import contextlib
import hashlib
import os
import zlib
from collections.abc import Iterator
from typing import BinaryIO, Protocol

from backports import zstd

from pipeline.remote import RemotePath
from schemas.errors import UserError

BLOCK_BYTES = 1 << 20

FED_BYTES = 1 << 14
"""Given to a decompressor at once. What is left of it is copied at the end of every member or
frame, so that a stream of tiny ones costs that much for each."""

STEP_BYTES = 1 << 14
"""Divides the size of zstd's blocks, so that a damaged one seldom takes anything else with it."""

COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}


class DamagedInputError(Exception):
    """An input that can't be read to its end; the text says why."""


class ReadBytes:
    """Counts and hashes the bytes that a chunk's readers consumed, in order.

    Attributes:
      n_bytes: how many there were, before decompression.
    """

    def __init__(self) -> None:
        self.n_bytes = 0
        self._state = hashlib.blake2b(digest_size=16)

    def update(self, data: bytes | memoryview) -> None:
        """Take in the next bytes."""
        self.n_bytes += len(data)
        self._state.update(data)

    @property
    def blake2b(self) -> str:
        """Hex digest of all bytes so far."""
        return self._state.hexdigest()


def open_input(path: str) -> BinaryIO:
    """Open a path or URL of any filesystem that Beam knows, as raw bytes.

    Raises:
      UserError: if it may not be read, or is gone.
    """
    if "://" not in path:
        try:
            return open(path, "rb", opener=_open_at_once)
        except PermissionError as error:
            # No fault of the corpus: rejected, it would stay so after the mend.
            msg = f"may not read {path}: give permission, or take it out of the inputs"
            raise UserError(msg) from error
        except FileNotFoundError as error:
            raise _gone(path) from error
    try:
        return RemotePath(path).open()
    except FileNotFoundError as error:
        raise _gone(path) from error


def _gone(path: str) -> UserError:
    return UserError(f"{path} is gone since the inputs were listed: bring it back, or use --update")


def _open_at_once(path: str, flags: int) -> int:
    """Does not wait for a writer, if a pipe has taken the place of the file."""
    return os.open(path, flags | os.O_NONBLOCK)


def compression_of(path: str) -> str | None:
    """The compression that a file's suffix names, or None."""
    return COMPRESSIONS.get(suffix_of(path))


def suffix_of(path: str) -> str:
    """The suffix of a file's name in lower case, as `PurePath.suffix` has it.

    It is asked for several times a file, and a path object costs ten times as much.

    Example:
      >>> suffix_of("a.d/b.jsonl.ZST"), suffix_of(".gz"), suffix_of("a.")
      ('.zst', '', '')
    """
    name = path.rpartition("/")[2]
    at = name.rfind(".")
    return name[at:].lower() if 0 < at < len(name) - 1 else ""


def blocks(stream: BinaryIO, compression: str | None, read: ReadBytes) -> Iterator[bytes]:
    """The stream's bytes, decompressed, in blocks of at most BLOCK_BYTES.

    Raises:
      DamagedInputError: if a compressed stream is cut or is none; the good bytes come first.
    """
    raw = _raw_blocks(stream, read)
    return raw if compression is None else _decompressed(raw, compression)


def _raw_blocks(stream: BinaryIO, read: ReadBytes) -> Iterator[bytes]:
    while block := stream.read(BLOCK_BYTES):
        read.update(block)
        yield block


class _Decompressor(Protocol):
    eof: bool
    unused_data: bytes

    def pull(self, data: bytes) -> bytes:
        """Decompress at most BLOCK_BYTES, from the data and what is left of earlier data."""

    def before_damage(self) -> bytes:
        """What came before the damage that the last pull met."""

    @property
    def wants_more(self) -> bool:
        """Whether nothing more can come without new data."""


class _Gzip:
    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(wbits=31)
        self._before, self._pulled = self._inflate, b""

    def pull(self, data: bytes) -> bytes:
        self._before, self._pulled = self._inflate.copy(), self._inflate.unconsumed_tail + data
        return self._inflate.decompress(self._pulled, BLOCK_BYTES)

    def before_damage(self) -> bytes:
        # A call that meets damage gives nothing, so the last byte is found by single ones.
        good = bytearray()
        with contextlib.suppress(zlib.error):
            good += self._before.decompress(b"")  # what found no room in the pull before
            for at in range(len(self._pulled)):
                good += self._before.decompress(self._pulled[at : at + 1])
        return bytes(good)

    @property
    def wants_more(self) -> bool:
        return not self._inflate.unconsumed_tail

    @property
    def eof(self) -> bool:
        return self._inflate.eof

    @property
    def unused_data(self) -> bytes:
        return self._inflate.unused_data


class _Zstd:
    def __init__(self) -> None:
        self._frame = zstd.ZstdDecompressor()

    def pull(self, data: bytes) -> bytes:
        return self._frame.decompress(data, max_length=min(STEP_BYTES, BLOCK_BYTES))

    def before_damage(self) -> bytes:
        return b""  # Its state cannot be copied, but steps are short.

    @property
    def wants_more(self) -> bool:
        return self._frame.needs_input

    @property
    def eof(self) -> bool:
        return self._frame.eof

    @property
    def unused_data(self) -> bytes:
        return self._frame.unused_data


def _fed(raw: Iterator[bytes]) -> Iterator[bytes]:
    for block in raw:
        for start in range(0, len(block), FED_BYTES):
            yield block[start : start + FED_BYTES]


def _decompressed(raw: Iterator[bytes], compression: str) -> Iterator[bytes]:
    """Decompress members or frames one after another, as the tools that write them allow."""
    new = _Gzip if compression == "gzip" else _Zstd
    member = new()
    fresh = True  # nothing of the member was read yet
    n_members = 0
    for data in _fed(raw):
        while True:
            if fresh and n_members and compression == "gzip":
                data = data.lstrip(b"\0")  # gzip allows zero padding after a member
            if fresh and not data:
                break
            try:
                out = member.pull(data)
            except (zlib.error, zstd.ZstdError) as error:
                if good := member.before_damage():
                    yield good
                msg = f"corrupt {compression} stream: {error}"
                raise DamagedInputError(msg) from error
            fresh = False
            if out:
                yield out
            if member.eof:
                data, member, fresh = member.unused_data, new(), True
                n_members += 1
            elif member.wants_more and len(out) < BLOCK_BYTES:
                break
            else:
                data = b""
    if not fresh or not n_members:
        msg = f"truncated {compression} stream"
        raise DamagedInputError(msg)
