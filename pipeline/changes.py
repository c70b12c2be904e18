"""What changed since an output was begun: inputs that came, went or differ."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from pipeline.commit import (
    CHUNKS,
    RUN,
    drop_chunk,
    is_committed,
    read_record,
    record_path,
    records,
)
from pipeline.piece import read_pieces
from pipeline.plan import PLAN_INPUTS, Chunk, Plan
from schemas.config import PrepareConfig
from schemas.errors import UserError
from schemas.parse import parsed_json

_SAME_NAME = ("touched", "resized")
"""Changes that the plan need not show: a range of a bigger file keeps its chunk's name."""

NAMED = 5
"""How many changed files an error names."""


def stale_chunks(out: Path, plan: Plan, config: PrepareConfig) -> list[str]:
    """Digests of committed chunks that the inputs no longer give: gone from the plan, or edited.

    A chunk is read again only if a time stamp of its files is not the noted one.
    """
    planned = {chunk.digest: chunk for chunk in plan.chunks}
    touched = {name for name, why in _changed_files(out, plan).items() if why in _SAME_NAME}
    stale = []
    for digest, _ in records(out):
        chunk = planned.get(digest)
        is_touched = chunk is not None and any(part.relative in touched for part in chunk.ranges)
        if chunk is None or (is_touched and _is_edited(out, chunk, config)):
            stale.append(digest)
    return stale


def refuse_changes(out: Path, plan: Plan, config: PrepareConfig) -> None:
    """Refuse to go on with an output whose inputs are not what they were.

    Raises:
      UserError: naming the first files that differ.
    """
    changed = _changed_files(out, plan)
    edited = {
        part.relative
        for chunk in plan.chunks
        if any(changed.get(part.relative) == "touched" for part in chunk.ranges)
        and record_path(out, chunk.digest).exists()
        and _is_edited(out, chunk, config)
        for part in chunk.ranges
        if changed.get(part.relative) == "touched"
    }
    named = [f"{name} ({why})" for name, why in changed.items() if why != "touched"]
    named += [f"{name} (edited)" for name in sorted(edited)]
    if named:
        more = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
        msg = (
            f"inputs changed since {out} was begun: {', '.join(named[:NAMED])}{more}; run with "
            "--update to make the chunks that they are in again, or choose another --out"
        )
        raise UserError(msg)


def _changed_files(out: Path, plan: Plan) -> dict[str, str]:
    """How each changed input differs: "new", "gone", "resized" or "touched"."""
    try:
        noted = parsed_json((out / RUN / PLAN_INPUTS).read_bytes())["files"]
        before = {name: (size, modified) for _, name, size, modified, *_ in noted}
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        # Without notes (the folder was copied without _run, or they are damaged) every file may
        # have been edited.
        return {file.relative: "touched" for file in plan.files}
    now = {file.relative: (file.size_bytes, file.modified) for file in plan.files}
    changed = {}
    for name in sorted(before.keys() | now.keys()):
        if name not in now:
            changed[name] = "gone"
        elif name not in before:
            changed[name] = "new"
        elif before[name][0] != now[name][0]:
            changed[name] = "resized"
        elif before[name] != now[name]:
            changed[name] = "touched"
    return changed


def _is_edited(out: Path, chunk: Chunk, config: PrepareConfig) -> bool:
    *_, last = read_pieces(chunk, config)
    return last.blake2b != read_record(record_path(out, chunk.digest)).blake2b


def drop_damaged(out: Path) -> list[str]:
    """Take back the chunks whose record or files are damaged; returns their digests."""
    damaged = []
    for path in sorted((out / CHUNKS).glob("*.json")):
        try:
            record = read_record(path)
            hashes = [(shard.path, shard.sha256) for shard in record.shards]
            hashes += [(each["path"], each["sha256"]) for each in record.rejected]
            is_whole = all(has_sha256(out / name, expected) for name, expected in hashes)
        except UserError:
            is_whole = False
        if not is_whole:
            drop_chunk(out, path.stem)
            damaged.append(path.stem)
    return damaged


def drop_incomplete(out: Path, digests: Iterable[str]) -> list[str]:
    """Take back chunks of which a file is gone or has another size; returns those files.

    Much cheaper than `drop_damaged`, which reads every file.
    """
    lost = []
    for digest in digests:
        if not is_committed(out, digest):
            continue
        record = read_record(record_path(out, digest))
        sizes = {shard.path: shard.size_bytes for shard in record.shards}
        of_chunk = [path for path in record.paths if not _is_there(out / path, sizes.get(path))]
        if of_chunk:
            drop_chunk(out, digest)
        lost += of_chunk
    return lost


def _is_there(path: Path, size_bytes: int | None) -> bool:
    return path.is_file() and size_bytes in (None, path.stat().st_size)


def has_sha256(path: Path, expected: str) -> bool:
    """Whether a file is there and has this hash."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == expected
