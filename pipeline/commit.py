"""What makes a chunk count: files under temporary names, synced, renamed; its record comes last.

`OUT/_chunks/<digest>.json` is the commit point. What no record names is left over from a run that
was killed, and is swept. Everything here is safe to repeat: the same chunk gives the same bytes.
"""

import contextlib
import dataclasses
import fcntl
import hashlib
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from pipeline.atomic import (
    atomic_file,
    is_folder,
    json_bytes,
    make_folder,
    remove,
    temporary_files,
)
from pipeline.remote import Place
from schemas.config import CONFIGS
from schemas.errors import UserError
from schemas.keys import SPLITS
from schemas.manifest import ChunkCounts, ChunkRecord
from schemas.parse import parsed_json

RUN = "_run"
CHUNKS = "_chunks"
PIECES = f"{RUN}/pieces"
REJECTED = "rejected"
LAST = "-last"

LOCK_SECONDS = 2.0
"""How long the workers of a command that was killed may take to notice."""

LOCK_POLL_SECONDS = 0.05

AT_ONCE = 10
"""Records asked of an object store at once: so many connections has its client."""

READ_AHEAD = 1000
"""Records in memory beside the one that is looked at."""


def add_counts(one: Mapping[str, Any], two: Mapping[str, Any]) -> dict[str, Any]:
    """Sum of nested dicts of ints.

    Example:
      >>> add_counts({"a": 1, "b": {"x": 1}}, {"b": {"x": 2, "y": 3}})
      {'a': 1, 'b': {'x': 3, 'y': 3}}
    """
    total = dict(one)
    for name, value in two.items():
        if isinstance(value, dict):
            total[name] = add_counts(total.get(name, {}), value)
        else:
            total[name] = total.get(name, 0) + value
    return total


def record_bytes(record: ChunkRecord) -> bytes:
    """What a record's file holds: the fields, sealed with the hash of their own JSON."""
    fields = dataclasses.asdict(record)
    return json_bytes({**fields, "sha256": hashlib.sha256(json_bytes(fields)).hexdigest()})


def record_path(out: Place, digest: str) -> Place:
    """Where a chunk's record is."""
    return out / CHUNKS / f"{digest}.json"


def is_committed(out: Place, digest: str) -> bool:
    """Whether the chunk's record is there."""
    return record_path(out, digest).exists()


def committed(out: Place) -> set[str]:
    """Digests of all chunks whose record is there; one listing, however many there are."""
    return {path.stem for path in (out / CHUNKS).glob("*.json")}


def read_record(path: Place) -> ChunkRecord:
    """Read a record.

    Raises:
      UserError: if the file is no record, or not every byte is as it was written.
    """
    try:
        data = path.read_bytes()
        fields = parsed_json(data)
        record = msgspec.convert(fields, ChunkRecord)
        # Not written again to compare: that takes ten times as long.
        sealed = data.replace(f' "sha256": "{fields["sha256"]}",\n'.encode(), b"", 1)
        if hashlib.sha256(sealed).hexdigest() != fields["sha256"]:
            msg = "its seal is broken"
            raise ValueError(msg)
        return record
    except KeyError as error:
        raise _damaged(path, "it has no seal") from error
    except (OSError, ValueError) as error:
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
    name = PurePosixPath(path)
    is_inside = not name.is_absolute() and ".." not in name.parts
    return is_inside and name.name.startswith(f"{digest}-")


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
        counts = add_counts(counts, piece.counts)
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
    digests = sorted(committed(out))
    return zip(digests, chunk_records(out, digests), strict=True)


def chunk_records(out: Place, digests: Sequence[str]) -> Iterator[ChunkRecord]:
    """The records of committed chunks, in this order.

    Raises:
      UserError: if one is damaged, or another chunk's.
    """
    if isinstance(out, Path):
        yield from (chunk_record(out, digest) for digest in digests)
        return
    # An object store answers late, but many at once.
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for start in range(0, len(digests), READ_AHEAD):
            yield from pool.map(partial(chunk_record, out), digests[start : start + READ_AHEAD])


def drop_chunk(out: Place, digest: str) -> None:
    """Take back a commit: the record first, so that what is left is never half a chunk."""
    path = record_path(out, digest)
    try:
        paths = chunk_record(out, digest).paths
    except UserError:
        paths = []
    remove([path])
    remove(out / each for each in paths)


def forget_pieces(out: Place, digests: Collection[str]) -> None:
    """Remove the notes of chunks that were not committed: their pieces are to be of one reading."""
    digests = set(digests)
    remove(path for path in (out / PIECES).glob("*/*.json") if path.parent.name in digests)


def sweep(out: Place) -> None:
    """Remove what no record names: temporary files, files of uncommitted chunks, noted pieces."""
    named = {path for _, record in records(out) for path in record.paths}
    # Only where chunks are written: a model or a packed copy may have been put beside them.
    folders = [*(f"{config}/{split}" for config in CONFIGS for split in SPLITS), REJECTED]
    remove(temporary_files(out))
    remove(
        path
        for folder in folders
        for path in (out / folder).glob("*")
        if f"{folder}/{path.name}" not in named and not is_folder(path)
    )
    remove((out / PIECES).glob("*/*.json"))


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
