"""What changed since an output was begun: inputs that came, went or differ."""

import hashlib
from collections import deque
from collections.abc import Collection, Iterable

from pipeline.atomic import sizes_in
from pipeline.commit import RUN, chunk_record, chunk_records, committed, drop_chunk
from pipeline.inputs import InputFile
from pipeline.output import unfinish
from pipeline.piece import read_pieces
from pipeline.plan import Chunk, Plan, noted_inputs
from pipeline.remote import Place
from schemas.config import PrepareConfig
from schemas.errors import UserError
from schemas.words import counted

_SAME_NAME = ("touched", "resized")
"""Changes that the plan need not show: a range of a bigger file keeps its chunk's name."""

NAMED = 5
"""How many of what may be many an error names."""


def stale_chunks(
    out: Place, plan: Plan, config: PrepareConfig, *, damaged: Collection[str] = ()
) -> list[str]:
    """Digests of committed chunks that the inputs no longer give: gone from the plan, or edited.

    A chunk is read again only if a time stamp of its files is not the noted one. Those that are
    damaged are not looked at.
    """
    planned = {chunk.digest: chunk for chunk in plan.chunks}
    touched = {name for name, why in _changed_files(out, plan).items() if why in _SAME_NAME}
    stale = []
    for digest in _committed(out, damaged):
        chunk_record(out, digest)  # Named where it is damaged.
        chunk = planned.get(digest)
        is_touched = chunk is not None and any(part.relative in touched for part in chunk.ranges)
        if chunk is None or (is_touched and _is_edited(out, chunk, config)):
            stale.append(digest)
    return stale


def _committed(out: Place, damaged: Collection[str]) -> list[str]:
    return sorted(committed(out).difference(damaged))


def refuse_changes(
    out: Place, plan: Plan, config: PrepareConfig, *, damaged: Collection[str] = ()
) -> None:
    """Refuse to go on with an output whose inputs are not what they were.

    Args:
      out: an output.
      plan: of the inputs as they are.
      config: the output's.
      damaged: chunks that are to be made again, whatever they hold.

    Raises:
      UserError: naming the first files that differ.
    """
    changed = _changed_files(out, plan)
    planned = {chunk.digest for chunk in plan.chunks}
    done = committed(out)
    strangers = sorted(done - planned - set(damaged))
    edited, moved = set(), set()
    for chunk in plan.chunks:
        touched = {p.relative for p in chunk.ranges if changed.get(p.relative) == "touched"}
        if chunk.digest not in done:
            # What is committed of no input may have been of these.
            moved |= touched if strangers else set()
        elif touched and chunk.digest not in damaged and _is_edited(out, chunk, config):
            edited |= touched
    named = [f"{name} ({why})" for name, why in changed.items() if why != "touched"]
    named += [f"{name} (edited)" for name in sorted(edited)]
    named += [f"{name} (cut in other chunks now)" for name in sorted(moved - edited)]
    if strangers and not named:
        named = [f"{counted(len(strangers), 'committed chunk')} of none of them"]
    if named:
        more = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
        msg = (
            f"inputs changed since {out} was begun: {', '.join(named[:NAMED])}{more}; run with "
            "--update to make the chunks that they are in again, or choose another --out"
        )
        raise UserError(msg)


def _changed_files(out: Place, plan: Plan) -> dict[str, str]:
    """How each changed input differs from any note of it: "new", "gone", "resized", "touched"."""
    now = {file.relative: file for file in plan.files}
    try:
        noted = noted_inputs(out / RUN)
    except UserError:
        noted = []
    if not noted:
        # Without notes (the folder was copied without _run) every file may have been edited.
        return dict.fromkeys(now, "touched")
    changed: dict[str, str] = {}
    for each in noted:
        before = {file.relative: file for file in each.files}
        for name in before.keys() | now.keys():
            why = _change(before.get(name), now.get(name))
            if why and changed.get(name, "touched") == "touched":
                changed[name] = why
    return dict(sorted(changed.items()))


def _change(before: InputFile | None, now: InputFile | None) -> str | None:
    if before is None or now is None:
        return "new" if before is None else "gone"
    if before.size_bytes != now.size_bytes:
        return "resized"
    return None if before.modified == now.modified else "touched"


def _is_edited(out: Place, chunk: Chunk, config: PrepareConfig) -> bool:
    [last] = deque(read_pieces(chunk, config), maxlen=1)
    return last.blake2b != chunk_record(out, chunk.digest).blake2b


def damaged_chunks(out: Place) -> list[str]:
    """Digests of the chunks whose record or files are damaged; reads every file."""
    return [digest for digest in _committed(out, ()) if not _is_whole(out, digest)]


def _is_whole(out: Place, digest: str) -> bool:
    try:
        record = chunk_record(out, digest)
    except UserError:
        return False
    hashes = [(shard.path, shard.sha256) for shard in record.shards]
    hashes += [(each["path"], each["sha256"]) for each in record.rejected]
    return all(has_sha256(out / name, expected) for name, expected in hashes)


def incomplete_chunks(out: Place, digests: Iterable[str]) -> dict[str, list[str]]:
    """The files that are gone or have another size, of the committed chunks that lack any.

    Much cheaper than `damaged_chunks`, which reads every file.
    """
    done = committed(out)
    looked_at = [digest for digest in digests if digest in done]
    if not looked_at:
        return {}
    size_of, found = sizes_in(out), {}
    for digest, record in zip(looked_at, chunk_records(out, looked_at), strict=True):
        sizes = {shard.path: shard.size_bytes for shard in record.shards}
        if lost := [
            path
            for path in record.paths
            if (size := size_of(path)) is None or size != sizes.get(path, size)
        ]:
            found[digest] = lost
    return found


def take_back(out: Place, digests: Collection[str]) -> None:
    """Take back commits; that the output is finished before any of them."""
    if digests:
        unfinish(out)
    for digest in digests:
        drop_chunk(out, digest)


def has_sha256(path: Place, expected: str) -> bool:
    """Whether a file is there and has this hash."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == expected
