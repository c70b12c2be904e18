"""The plan: inputs cut into chunks whose names follow from their content, not from their count.

A big file that can be cut is cut into ranges, a chunk each. Everything else is bundled: sorted by
path, a bundle ends where the hash of a path says so, or where it is full. So a file that comes or
goes changes the bundle that it stands in, and seldom its neighbours.
"""

import dataclasses
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from operator import attrgetter
from pathlib import PurePosixPath
from typing import NamedTuple, TypedDict

import msgspec

from pipeline.atomic import atomic_file, remove, write_json
from pipeline.inputs import InputFile
from pipeline.readers import (
    READER_OF_NAME,
    READERS,
    UNREADABLE,
    InputRange,
    Reader,
    failures_named,
    reader_of,
)
from pipeline.remote import Place
from pipeline.streams import compression_of
from schemas.config import PrepareConfig
from schemas.errors import UserError
from schemas.keys import digest
from schemas.manifest import Sums
from schemas.parse import parsed_json
from schemas.words import counted

_PLAN_NAME = re.compile(r"plan(?:-([0-9]+)-([0-9]+))?\.jsonl")

WHOLE = (0, 1)
"""The slice (I, N) that is everything."""

OPEN_COST_BYTES = 4096
"""What opening a file costs beside reading it, so that tiny files do not make huge bundles."""

OPEN_COST_SHARE = 8192
"""That part of a chunk is the most it costs, so that small chunks are filled with text too."""

CUTS_A_CHUNK = 4
"""Expected files in a chunk's bytes that a bundle may end behind."""

NAMED = 3
"""How many files, and kinds of files, a line about them names."""

COMPRESSED_COST = 4
"""How much text a compressed byte is taken for."""


class Chunk(NamedTuple):
    """A part of the work that is committed as one.

    Attributes:
      digest: hash of relative paths, ranges and the config's digest.
      cost: what it takes, about, in bytes of text.
      ranges: what to read, in order.
    """

    digest: str
    cost: int
    ranges: tuple[InputRange, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """All chunks of a job, with the inputs that they come from.

    Attributes:
      files: what will be read, sorted by relative path.
      chunks: in the order of their first file.
      skipped: count of files without a reader, by suffix.
      uncut: relative paths of inputs over a chunk's size that are read as one.
    """

    files: tuple[InputFile, ...]
    chunks: tuple[Chunk, ...]
    skipped: dict[str, int]
    uncut: tuple[str, ...]

    @property
    def n_bytes(self) -> int:
        """Bytes of all inputs, as stored."""
        return sum(file.size_bytes for file in self.files)


def usable_files(
    files: Iterable[InputFile], *, reader: str | None
) -> tuple[list[InputFile], list[InputFile]]:
    """Split off the files that no reader takes.

    Args:
      files: as listed.
      reader: name of the one for all files, or None to go by suffix.

    Raises:
      UserError: if nothing is left, or all of it is empty.
    """
    files = list(files)
    if reader is None and len(files) == 1 and reader_of(files[0].path) is None:
        suffix = PurePosixPath(files[0].relative).suffix
        msg = (
            f"no reader for {files[0].relative} ({suffix or 'no suffix'}): "
            f"say --format {' or '.join(READER_OF_NAME)}"
        )
        raise UserError(msg)
    usable = [file for file in files if reader is not None or reader_of(file.path)]
    left_out = [file for file in files if reader is None and not reader_of(file.path)]
    if not usable:
        known = ", ".join(suffix for each in READERS for suffix in each.suffixes)
        found = "no files"
        if files:
            such_as = ", ".join(file.relative for file in files[:NAMED])
            found = f"{counted(len(files), 'file')} that no reader takes, such as {such_as}"
        msg = (
            f"no usable file: found {found}; readable are {known} (and .gz, .zst), others with "
            "--format text"
        )
        raise UserError(msg)
    if not any(file.size_bytes for file in usable):
        why = "empty" if all(file.is_readable for file in usable) else "empty or cannot be read"
        msg = f"no usable file: all {len(usable)} are {why}, such as {usable[0].relative}"
        raise UserError(msg)
    return usable, left_out


def by_suffix(files: Iterable[InputFile]) -> dict[str, int]:
    """Count of files by suffix."""
    suffixes = Counter(PurePosixPath(file.relative).suffix or "(no suffix)" for file in files)
    return dict(sorted(suffixes.items()))


def left_out_words(skipped: dict[str, int], names: Iterable[str]) -> str:
    """What `by_suffix` counted as a line, with the mend.

    Example:
      >>> left_out_words({".1": 2, ".py": 1}, ["a.1", "b.1", "c.py"])[:70]
      'left out: 3 files that no reader takes (2 .1, 1 .py), a.1, b.1, c.py: '
    """
    commonest = Counter(skipped).most_common()
    kinds = [f"{count} {suffix}" for suffix, count in commonest[:NAMED]]
    kinds += ["..."] * (len(commonest) > NAMED)
    n_files = sum(skipped.values())
    such_as = "such as " if n_files > NAMED else ""
    return (
        f"left out: {counted(n_files, 'file')} that no reader takes ({', '.join(kinds)}), "
        f"{such_as}{', '.join(islice(names, NAMED))}: --format text reads every input as text"
    )


def cut_ranges(
    files: Iterable[InputFile], *, reader: str | None, chunk_bytes: int
) -> Iterator[tuple[InputFile, InputRange, bool]]:
    """(file, range, whether it is one of several of the file), in order."""
    for file in files:
        chosen = reader_for(file, reader)
        small = file.size_bytes <= chunk_bytes
        with failures_named(file.path):
            cuts = chosen.cut(file, chunk_bytes) if not small or chosen.name == "parquet" else None
        for start, end in cuts or [(0, file.size_bytes)]:
            part = InputRange(
                *(file.path, file.relative, chosen.name, start, end),
                size_bytes=file.size_bytes,
                modified=file.modified,
            )
            yield file, part, len(cuts or ()) > 1


def reader_for(file: InputFile, name: str | None) -> Reader:
    """The reader of a usable file; `name` is that of one for all files."""
    if not file.is_readable:
        return UNREADABLE
    chosen = READER_OF_NAME[name] if name else reader_of(file.path)
    if chosen is None:
        msg = f"{file.relative} has no reader; usable_files() leaves such files out"
        raise ValueError(msg)
    return chosen


def make_plan(files: list[InputFile], left_out: Iterable[InputFile], config: PrepareConfig) -> Plan:
    """Cut usable files into chunks.

    Args:
      files: sorted by relative path.
      left_out: without a reader; counted in the plan, for people.
      config: its digest is part of every chunk's.
    """
    cuts = list(cut_ranges(files, reader=config.format, chunk_bytes=config.chunk_bytes))
    uncut = [
        file.relative
        for file, _, is_part in cuts
        if not is_part and _text_bytes(file) > config.chunk_bytes
    ]
    chunks = tuple(
        Chunk(_chunk_digest(ranges, config.digest), cost, ranges)
        for cost, ranges in _bundles(cuts, config.chunk_bytes)
    )
    return Plan(files=tuple(files), chunks=chunks, skipped=by_suffix(left_out), uncut=tuple(uncut))


def _bundles(
    cuts: Iterable[tuple[InputFile, InputRange, bool]], chunk_bytes: int
) -> Iterator[tuple[int, tuple[InputRange, ...]]]:
    """(cost, ranges) of each chunk."""
    bundle: list[InputRange] = []
    total = 0
    for file, part, is_part in cuts:
        if is_part:
            if bundle:
                yield total, tuple(bundle)
                bundle, total = [], 0
            # Readers cut where the text allows it, as near to a chunk's size as they can.
            yield min(chunk_bytes, _text_bytes(file)), (part,)
            continue
        cost = _text_bytes(file) + min(OPEN_COST_BYTES, chunk_bytes // OPEN_COST_SHARE)
        if bundle and total + cost > chunk_bytes:
            yield total, tuple(bundle)
            bundle, total = [], 0
        bundle.append(part)
        total += cost
        # Decided by this file alone, but not before half a chunk: every table has its fixed cost.
        share = int(digest(["bundle", part.relative], size_bytes=8), 16) / 2**64
        if 2 * total >= chunk_bytes and share < CUTS_A_CHUNK * cost / chunk_bytes:
            yield total, tuple(bundle)
            bundle, total = [], 0
    if bundle:
        yield total, tuple(bundle)


def _text_bytes(file: InputFile) -> int:
    return file.size_bytes * (COMPRESSED_COST if compression_of(file.path) else 1)


def _chunk_digest(ranges: Iterable[InputRange], config_digest: str) -> str:
    fields: list[str | int] = ["chunk", config_digest]
    for part in ranges:
        fields += [part.relative, part.reader, part.start, part.end]
    return digest(fields)


def plan_name(which: tuple[int, int]) -> str:
    """The file of a plan; each slice has its own, for its machine may see the inputs elsewhere."""
    return f"plan{_suffix(which)}.jsonl"


def _inputs_name(which: tuple[int, int]) -> str:
    return f"inputs{_suffix(which)}.json"


def _suffix(which: tuple[int, int]) -> str:
    return "" if which == WHOLE else f"-{which[0]}-{which[1]}"


def _sorted(folder: Place, pattern: str) -> list[Place]:
    """Files of a folder by their names."""
    return sorted(folder.glob(pattern), key=lambda path: path.name)


def noted_slices(folder: Place) -> Iterator[tuple[int, int]]:
    """(I, N) of every slice that has written its plan."""
    for path in _sorted(folder, "plan*.jsonl"):
        if found := _PLAN_NAME.fullmatch(path.name):
            yield (int(found[1]), int(found[2])) if found[1] else WHOLE


def write_plan(plan: Plan, folder: Place, which: tuple[int, int] = WHOLE) -> None:
    """Write the plan, one JSON line a chunk so that a worker reads only its own, and its inputs.

    Args:
      plan: of all chunks.
      folder: where the run's notes are.
      which: (I, N), the slice.

    Raises:
      UserError: if they can't be written.
    """
    with atomic_file(folder / plan_name(which)) as file:
        for chunk in plan.chunks:
            file.write((json.dumps(chunk) + "\n").encode("ascii"))
    fields = attrgetter(*(field.name for field in dataclasses.fields(InputFile)))
    files = [fields(each) for each in plan.files]
    write_json(folder / _inputs_name(which), {"files": files, "skipped": plan.skipped})


class _Note(TypedDict):
    """`NotedInputs` as JSON: files are (path, relative, size_bytes, modified, is_readable)."""

    files: list[tuple[str, str, int, float, bool]]
    skipped: Sums


class NotedInputs(NamedTuple):
    """The inputs as a run, or a slice, listed them before it worked on an output.

    Attributes:
      files: a plan's.
      skipped: a plan's.
    """

    files: tuple[InputFile, ...]
    skipped: dict[str, int]


def noted_inputs(folder: Place) -> list[NotedInputs]:
    """What all runs noted; each holds for the chunks that it committed, whichever these are.

    Raises:
      UserError: if a note is damaged.
    """
    return [_noted(path) for path in _sorted(folder, "inputs*.json")]


def _noted(path: Place) -> NotedInputs:
    try:
        noted = msgspec.convert(parsed_json(path.read_bytes()), _Note)
        files = (
            InputFile(path=where, relative=relative, size_bytes=size, modified=modified)
            for where, relative, size, modified, _ in noted["files"]
        )
        return NotedInputs(tuple(files), noted["skipped"])
    except (OSError, ValueError) as error:
        msg = f"{path} is damaged ({error}): run prepare again with the same options"
        raise UserError(msg) from error


def _inputs_of(plan: Place) -> Place:
    return plan.with_name(plan.name.replace("plan", "inputs").removesuffix("l"))


def _seen(plan: Place) -> tuple[object, ...]:
    """What two written plans share if they are of the same chunks of the same files."""
    digests = tuple(chunk.digest for chunk in planned_chunks(plan))
    return digests, tuple(
        (file.relative, file.size_bytes) for file in _noted(_inputs_of(plan)).files
    )


def forget_plans(folder: Place, which: tuple[int, int] = WHOLE) -> None:
    """Remove what other runs planned, once no committed chunk is of inputs as they saw them.

    Args:
      folder: where the run's notes are.
      which: (I, N), the slice, whose plan is written. Other slices may be at work: of theirs only
        those go that saw other inputs.
    """
    own = folder / plan_name(which)
    for path in folder.glob("plan*.jsonl"):
        if path != own and (which == WHOLE or _is_of_others(path, own)):
            # The note first: nobody would know whose it is, and it would speak for ever.
            remove([_inputs_of(path)])
            remove([path])


def _is_of_others(plan: Place, own: Place) -> bool:
    try:
        return _seen(plan) != _seen(own)
    except (UserError, OSError, ValueError):
        return True


def read_plan(folder: Place) -> Plan:
    """What `write_plan` wrote; of slices, which plan the same chunks of the same files, any one's.

    Raises:
      UserError: if it is not there, or slices saw different inputs.
    """
    try:
        first, *others = _sorted(folder, "plan*.jsonl")
        is_one = all(_seen(path) == _seen(first) for path in others)
        chunks = tuple(map(_chunk, first.read_bytes().splitlines()))
    except (OSError, ValueError) as error:
        msg = f"{folder} holds no whole plan ({error}): run prepare again with the same options"
        raise UserError(msg) from error
    if not is_one:
        msg = f"the slices that {folder} notes saw different inputs: run prepare with --update"
        raise UserError(msg)
    files, skipped = _noted(_inputs_of(first))
    return Plan(files=files, chunks=chunks, skipped=skipped, uncut=())


def read_chunk(path: Place, offset: int) -> Chunk:
    """The chunk at a byte offset of a written plan."""
    with path.open("rb") as file:
        file.seek(offset)
        return _chunk(file.readline())


class PlannedChunk(NamedTuple):
    """Where a chunk stands in a written plan.

    Attributes:
      digest: the chunk's.
      cost: the chunk's.
      offset: byte offset of its line.
    """

    digest: str
    cost: int
    offset: int


def planned_chunks(path: Place) -> Iterator[PlannedChunk]:
    """The chunks of a written plan, in order; one line in memory at a time."""
    offset = 0
    with path.open("rb") as file:
        for line in file:
            # The ranges, which may be many, are not read: ["<32 hex digits>", <cost>, [...
            digest, cost, _ = line.split(b", ", 2)
            yield PlannedChunk(digest[2:-1].decode("ascii"), int(cost), offset)
            offset += len(line)


def _chunk(line: bytes) -> Chunk:
    return msgspec.convert(parsed_json(line), Chunk)
