"""What makes a chunk count: files under temporary names, synced, renamed; its record comes last.

`OUT/_chunks/<digest>.json` is the commit point. What no record names is left over from a run that
was killed, and is swept. Everything here is safe to repeat: the same chunk gives the same bytes.
"""

import contextlib
import dataclasses
import fcntl
import hashlib
import time
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from pipeline.atomic import (
    TEMPORARY_SUFFIX,
    atomic_file,
    json_bytes,
    make_folder,
    remove,
)
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


def record_path(out: Path, digest: str) -> Path:
    """Where a chunk's record is."""
    return out / CHUNKS / f"{digest}.json"


def is_committed(out: Path, digest: str) -> bool:
    """Whether the chunk's record is there."""
    return record_path(out, digest).exists()


def read_record(path: Path) -> ChunkRecord:
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


def _damaged(path: Path, why: str) -> UserError:
    msg = f"{path} is damaged ({why}): run prepare with --repair to make its chunk again"
    return UserError(msg)


def chunk_record(out: Path, digest: str) -> ChunkRecord:
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


def commit_piece(out: Path, digest: str, piece: int, record: ChunkRecord) -> bool:
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
    last = next(folder.glob(f"*{LAST}.json"), None)
    if last is None:
        return False
    n_before = int(last.name.removesuffix(f"{LAST}.json"))
    notes = [*(folder / f"{number:05d}.json" for number in range(n_before)), last]
    if not all(note.exists() for note in notes):
        return False
    joined = _joined([read_record(note) for note in notes])
    _write(record_path(out, digest), joined)
    return True


def _write(path: Path, record: ChunkRecord) -> None:
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


def records(out: Path) -> Iterator[tuple[str, ChunkRecord]]:
    """(digest, record) of all committed chunks, sorted by digest."""
    for path in sorted((out / CHUNKS).glob("*.json")):
        yield path.stem, chunk_record(out, path.stem)


def drop_chunk(out: Path, digest: str) -> None:
    """Take back a commit: the record first, so that what is left is never half a chunk."""
    path = record_path(out, digest)
    try:
        paths = chunk_record(out, digest).paths
    except UserError:
        paths = []
    remove([path])
    remove(out / each for each in paths)


def forget_pieces(out: Path, digest: str) -> None:
    """Remove the notes of a chunk that was not committed: its pieces are to be of one reading."""
    remove((out / PIECES / digest).glob("*.json"))


def sweep(out: Path) -> None:
    """Remove what no record names: temporary files, files of uncommitted chunks, noted pieces."""
    named = {path for _, record in records(out) for path in record.paths}
    # Only where chunks are written: a model or a packed copy may have been put beside them.
    folders = [out / config / split for config in CONFIGS for split in SPLITS]
    written = [path for folder in (*folders, out / REJECTED) for path in folder.glob("*")]
    temporary = [*out.glob(f".*{TEMPORARY_SUFFIX}"), *out.glob(f"_*/**/.*{TEMPORARY_SUFFIX}")]
    # A folder is what a packed copy is being written into.
    remove(path for path in temporary if not path.is_dir())
    remove(
        path
        for path in written
        if path.relative_to(out).as_posix() not in named and not path.is_dir()
    )
    remove((out / PIECES).glob("*/*.json"))


@contextlib.contextmanager
def locked(out: Path, *, is_slice: bool = False) -> Iterator[int]:
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
def settling(out: Path, lock: int, *, alone: bool = False) -> Iterator[None]:
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


@contextlib.contextmanager
def _lock_file(out: Path, name: str) -> Iterator[int]:
    path = out / RUN / name
    try:
        make_folder(path.parent)
        file = path.open("a+")
    except OSError as error:
        msg = (
            f"cannot write to {out}: {error.strerror}; give it write permission, or name another "
            "folder"
        )
        raise UserError(msg) from error
    with file:
        yield file.fileno()
