"""What changed since an output was begun: inputs that came, went or differ."""

from collections import deque
from collections.abc import Collection, Iterable, Iterator

from pipeline.atomic import has_sha256, sizes_in
from pipeline.commit import (
    RUN,
    chunk_record,
    chunk_records,
    committed,
    drop_chunk,
    is_committed,
)
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
    touched = {name for name, why in _changed_files(out, plan).items() if why in _SAME_NAME}
    left = committed(out)
    left.difference_update(damaged)
    deque(chunk_records(out, sorted(left)), maxlen=0)  # Named where one is damaged.
    stale = []
    for chunk in plan.chunks:
        if chunk.digest in left:
            left.remove(chunk.digest)
            is_touched = any(part.relative in touched for part in chunk.ranges)
            if is_touched and _is_edited(out, chunk, config):
                stale.append(chunk.digest)
    return sorted((*left, *stale))


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
    strangers = committed(out)
    strangers.difference_update(damaged)
    is_begun = bool(strangers)
    for chunk in plan.chunks:
        strangers.discard(chunk.digest)
    edited, moved = set(), set()
    for chunk in plan.chunks if changed and is_begun else ():
        touched = {p.relative for p in chunk.ranges if changed.get(p.relative) == "touched"}
        if touched and not is_committed(out, chunk.digest):
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
    try:
        noted = noted_inputs(out / RUN)
    except UserError:
        noted = []
    if not noted:
        # Without notes (the folder was copied without _run) every file may have been edited.
        return dict.fromkeys((file.relative for file in plan.files), "touched")
    changed: dict[str, str] = {}
    for each in noted:
        for name, before, now in _side_by_side(each.files, plan.files):
            why = _change(before, now)
            if why and changed.get(name, "touched") == "touched":
                changed[name] = why
    return dict(sorted(changed.items()))


def _side_by_side(
    before: Iterable[InputFile], now: Iterable[InputFile]
) -> Iterator[tuple[str, InputFile | None, InputFile | None]]:
    """(relative path, file before, file now) of two listings in order, which may be long."""
    old, new = iter(before), iter(now)
    one, two = next(old, None), next(new, None)
    while one or two:
        name = min(each.relative for each in (one, two) if each)
        first = one if one and one.relative == name else None
        second = two if two and two.relative == name else None
        yield name, first, second
        one = next(old, None) if first else one
        two = next(new, None) if second else two


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
    return [digest for digest in committed(out) if not _is_whole(out, digest)]


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
    if not done:
        return {}
    size_of, found = sizes_in(out), {}
    for digest, record in chunk_records(out, (each for each in digests if each in done)):
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
