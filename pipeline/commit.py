"""What makes a chunk count: files under temporary names, synced, renamed; its record comes last.

`OUT/_chunks/<digest>.json` is the commit point. What no record names is left over from a run that
was killed, and is swept. Everything here is safe to repeat: the same chunk gives the same bytes.
"""

import contextlib
import fcntl
import hashlib
import re
import time
from array import array
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from pipeline.atomic import (
    atomic_file,
    is_folder,
    json_bytes,
    make_folder,
    names_in,
    remove,
    temporary_files,
)
from pipeline.remote import Place
from schemas.config import CONFIGS
from schemas.errors import UserError
from schemas.keys import SPLITS
from schemas.manifest import ChunkCounts, ChunkRecord

RUN = "_run"
CHUNKS = "_chunks"
PIECES = f"{RUN}/pieces"
REJECTED = "rejected"
LAST = "-last"
_OF_RECORD = ".json"

_RECORD = msgspec.json.Decoder(ChunkRecord)

_SEAL = re.compile(rb'^ "sha256": "[0-9a-f]{64}",\n', re.MULTILINE)

LOCK_SECONDS = 2.0
"""How long the workers of a command that was killed may take to notice."""

LOCK_POLL_SECONDS = 0.05

AT_ONCE = 10
"""Records asked of an object store at once: so many connections has its client."""

READ_AHEAD = 1000
"""Records in memory beside the one that is looked at."""

NAMES_AT_ONCE = 1 << 17
"""Of a folder, in memory while it is swept."""

_SHARD_FOLDERS = (*(f"{config}/{split}" for config in CONFIGS for split in SPLITS), REJECTED)
"""Where the files of chunks are written."""


def add_counts(total: dict[str, Any], more: Mapping[str, Any]) -> None:
    """Add nested dicts of ints to such a dict, in place: of millions of records nothing is copied.

    Example:
      >>> total = {"a": 1, "b": {"x": 1}}
      >>> add_counts(total, {"b": {"x": 2, "y": 3}})
      >>> total
      {'a': 1, 'b': {'x': 3, 'y': 3}}
    """
    for name, value in more.items():
        if isinstance(value, dict):
            add_counts(total.setdefault(name, {}), value)
        else:
            total[name] = total.get(name, 0) + value


def record_bytes(record: ChunkRecord) -> bytes:
    """What a record's file holds: the fields, sealed with the hash of their own JSON."""
    data = json_bytes({**vars(record), "shards": [vars(shard) for shard in record.shards]})
    # Where sorted keys have it: writing JSON is most of what a record takes, and is done once.
    before, shards, after = data.partition(b'\n "shards": ')
    return before + b"\n" + _seal(data) + shards[1:] + after


def _seal(data: bytes) -> bytes:
    """The line of a record that holds the hash of all others."""
    return f' "sha256": "{hashlib.sha256(data).hexdigest()}",\n'.encode()


def record_path(out: Place, digest: str) -> Place:
    """Where a chunk's record is."""
    return out / CHUNKS / f"{digest}{_OF_RECORD}"


def is_committed(out: Place, digest: str) -> bool:
    """Whether the chunk's record is there."""
    return record_path(out, digest).exists()


def committed(out: Place) -> set[str]:
    """Digests of all chunks whose record is there; one listing, however many there are."""
    return {
        name.removesuffix(_OF_RECORD)
        for name in names_in(out / CHUNKS)
        if name.endswith(_OF_RECORD)
    }


def read_record(path: Place) -> ChunkRecord:
    """Read a record.

    Raises:
      UserError: if the file is no record, or not every byte is as it was written.
    """
    try:
        data = path.read_bytes()
        record = _RECORD.decode(data)
        # Not written again to compare: that takes ten times as long.
        seal = _SEAL.search(data)
        if not seal:
            raise _damaged(path, "it has no seal")
        if seal[0] != _seal(data.replace(seal[0], b"", 1)):
            raise _damaged(path, "its seal is broken")
        return record
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(path, str(error)) from error


def _damaged(path: Place, why: str) -> UserError:
    msg = f"{path} is damaged ({why}): run prepare with --repair to make its chunk again"
    return UserError(msg)


def chunk_record(out: Place, digest: str) -> ChunkRecord:
    """The record of a committed chunk.

    Raises:
      UserError: if it is damaged, or another chunk's.
    """
    path = record_path(out, digest)
    record = read_record(path)
    if not all(_is_of(digest, each) for each in record.paths):
        raise _damaged(path, "it names files of another chunk")
    return record


def _is_of(digest: str, path: str) -> bool:
    """Whether a file is of the chunk, and in the output: what a record names may be removed."""
    *above, name = path.split("/")
    is_inside = above[:1] != [""] and ".." not in above
    return is_inside and name.startswith(f"{digest}-")


def commit_piece(out: Place, digest: str, piece: int, record: ChunkRecord) -> bool:
    """Note what a piece wrote; commit the chunk when this makes it whole.

    No order is assumed: whichever piece finds all of them noted commits, and doing so twice writes
    the same record.

    Returns:
      whether the chunk is committed.
    """
    if piece == 0 and record.is_last:
        _write(record_path(out, digest), record)
        return True
    folder = out / PIECES / digest
    # The last one's name says so: the others' notes are read once, not at every piece.
    _write(folder / f"{piece:05d}{LAST * record.is_last}.json", record)
    last = next((path.name for path in folder.glob(f"*{LAST}.json")), None)
    if last is None:
        return False
    n_before = int(last.removesuffix(f"{LAST}.json"))
    names = [*(f"{number:05d}.json" for number in range(n_before)), last]
    notes = [folder / name for name in names]
    if not all(note.exists() for note in notes):
        return False
    joined = _joined([read_record(note) for note in notes])
    _write(record_path(out, digest), joined)
    return True


def _write(path: Place, record: ChunkRecord) -> None:
    with atomic_file(path) as file:
        file.write(record_bytes(record))


def _joined(pieces: list[ChunkRecord]) -> ChunkRecord:
    counts: dict[str, Any] = {}
    for piece in pieces:
        add_counts(counts, piece.counts)
    return ChunkRecord(
        shards=[shard for piece in pieces for shard in piece.shards],
        rejected=[each for piece in pieces for each in piece.rejected],
        counts=msgspec.convert(counts, ChunkCounts),
        damaged=[each for piece in pieces for each in piece.damaged],
        n_bytes=pieces[-1].n_bytes,
        blake2b=pieces[-1].blake2b,
    )


def records(out: Place) -> Iterator[tuple[str, ChunkRecord]]:
    """(digest, record) of all committed chunks, sorted by digest."""
    return chunk_records(out, sorted(committed(out)))


def chunk_records(out: Place, digests: Iterable[str]) -> Iterator[tuple[str, ChunkRecord]]:
    """(digest, record) of committed chunks, in this order.

    Raises:
      UserError: if one is damaged, or another chunk's.
    """
    if isinstance(out, Path):
        yield from ((digest, chunk_record(out, digest)) for digest in digests)
        return
    left = iter(digests)
    # An object store answers late, but many at once.
    with ThreadPoolExecutor(AT_ONCE) as pool:
        while some := [*islice(left, READ_AHEAD)]:
            yield from zip(some, pool.map(partial(chunk_record, out), some), strict=True)


def drop_chunk(out: Place, digest: str) -> None:
    """Take back a commit: the record first, so that what is left is never half a chunk."""
    path = record_path(out, digest)
    try:
        paths = chunk_record(out, digest).paths
    except UserError:
        paths = []
    remove([path])
    remove(out / each for each in paths)


def forget_pieces(out: Place, digests: Iterable[str]) -> None:
    """Remove the notes of chunks that were not committed: their pieces are to be of one reading."""
    notes = [*(out / PIECES).glob("*/*.json")]
    noted = {note.parent.name for note in notes}.intersection(digests)
    remove(note for note in notes if note.parent.name in noted)


def remove_temporary(out: Place) -> None:
    """Remove what writers that were killed left; nobody may be writing now."""
    remove(temporary_files(out, _SHARD_FOLDERS))


def swept(out: Place, done: Iterable[tuple[str, ChunkRecord]]) -> Iterator[tuple[str, ChunkRecord]]:
    """Pass on the records of all committed chunks; after the last, remove what no record names.

    That is temporary files, files of uncommitted chunks, and noted pieces. Who reads millions of
    records anyway need not read them twice.

    Args:
      out: an output to which nobody else writes.
      done: (digest, record) of all committed chunks.
    """
    hashes = array("q")  # Of the names: eight bytes each.
    for digest, record in done:
        hashes.extend(map(hash, record.paths))
        yield digest, record
    named = np.sort(np.frombuffer(hashes, np.int64))
    # Only where chunks are written: a model or a packed copy may have been put beside them.
    for folder in _SHARD_FOLDERS:
        remove(_unnamed(out, folder, named))
    remove_temporary(out)
    remove((out / PIECES).glob("*/*.json"))


def _unnamed(out: Place, folder: str, named: np.ndarray) -> list[Place]:
    """Files of a folder whose hashes are not among the sorted ones."""
    strays: list[Place] = []
    names = (f"{folder}/{name}" for name in names_in(out / folder))
    while some := [*islice(names, NAMES_AT_ONCE)]:
        hashes = np.fromiter(map(hash, some), np.int64, len(some))
        strays += (out / some[at] for at in np.flatnonzero(~np.isin(hashes, named)))
    return [path for path in strays if not is_folder(path)]


@contextlib.contextmanager
def locked(out: Place, *, is_slice: bool = False) -> Iterator[int]:
    """Hold the output, alone or as one of several slices.

    Yields the lock's file descriptor. A process that inherits it holds the lock too: so workers
    that outlive a killed command by a moment are waited for, and nobody sweeps what they write.
    The system frees the lock when the last of them is gone.

    Raises:
      UserError: if another job holds it, or it can't be written.
    """
    kind = fcntl.LOCK_SH if is_slice else fcntl.LOCK_EX
    deadline = time.monotonic() + LOCK_SECONDS
    with _lock_file(out, "lock") as lock:
        while True:
            try:
                fcntl.flock(lock, kind | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    msg = f"another job is writing to {out}: wait for it, or name another folder"
                    raise UserError(msg) from error
                time.sleep(LOCK_POLL_SECONDS)
        yield lock


@contextlib.contextmanager
def settling(out: Place, lock: int, *, alone: bool = False) -> Iterator[None]:
    """Decide what an output is, one slice at a time: else two could begin it, each another.

    Args:
      out: held by `locked`.
      lock: what that yielded, of a slice.
      alone: no other slice may be at work; for what takes committed chunks back.

    Raises:
      UserError: if one is.
    """
    with _lock_file(out, "settling") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if alone:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                msg = (
                    f"other slices are writing to {out}: wait for them, then run one slice with "
                    "--update or --repair and the others without"
                )
                raise UserError(msg) from error
        yield
        if alone:
            fcntl.flock(lock, fcntl.LOCK_SH)


def local_run(out: Place) -> Path:
    """Where the locks and the log of a run are: on this machine, wherever its output is."""
    if isinstance(out, Path):
        return out / RUN
    # An object store has no locks: they hold between the commands of one person on one machine.
    name = hashlib.blake2b(str(out).encode(), digest_size=16).hexdigest()
    return Path.home() / ".local" / "state" / "duologue" / name


@contextlib.contextmanager
def _lock_file(out: Place, name: str) -> Iterator[int]:
    path = local_run(out) / name
    try:
        make_folder(path.parent)
        file = path.open("a+")
    except OSError as error:
        folder = out if isinstance(out, Path) else path.parent
        msg = (
            f"cannot write to {folder}: {error.strerror}; give it write permission, or name "
            "another folder"
        )
        raise UserError(msg) from error
    with file:
        yield file.fileno()
