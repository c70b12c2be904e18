"""The plan: inputs cut into chunks whose names follow from their content, not from their count.

A big file that can be cut is cut into ranges, a chunk each. Everything else is bundled: sorted by
path, a bundle ends where the hash of a path says so, or where it is full. So a file that comes or
goes changes the bundle that it stands in, and seldom its neighbours.
"""

import dataclasses
import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain, islice, pairwise, zip_longest
from pathlib import PurePosixPath
from typing import NamedTuple, TypedDict

import msgspec

from pipeline.atomic import atomic_file, remove
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
from pipeline.remote import Place, RemotePath
from pipeline.streams import compression_of
from pipeline.tape import Tape
from schemas.config import PrepareConfig
from schemas.errors import UserError
from schemas.keys import digest
from schemas.manifest import Sums
from schemas.parse import parsed_json
from schemas.words import counted

_PLAN_NAME = re.compile(r"plan(?:(?:-[0-9]+)?-(?P<count>[0-9]+))?\.jsonl")

WHOLE = (0, 1)
"""The slice (I, N) that is everything."""

OPEN_COST_BYTES = 4096
"""What opening a file costs beside reading it, so that tiny files do not make huge bundles."""

OPEN_COST_SHARE = 8192
"""That part of a chunk is the most it costs, so that small chunks are filled with text too."""

CUTS_A_CHUNK = 4
"""Expected files in a chunk's bytes that a bundle may end behind."""

WRITE_LINES = 1000
"""Of a plan or a note, in memory while they are written."""

SEAL_BYTES = 1024
"""More than a seal has."""

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
      seal: the last line of its note; who has the same has the same plan.
    """

    files: Tape[InputFile]
    chunks: Tape[Chunk]
    skipped: dict[str, int]
    uncut: Tape[str]
    seal: bytes

    @property
    def n_bytes(self) -> int:
        """Bytes of all inputs, as stored."""
        return sum(file.size_bytes for file in self.files)


def usable_files(
    files: Iterable[InputFile], *, reader: str | None
) -> tuple[Tape[InputFile], Tape[InputFile]]:
    """Split off the files that no reader takes.

    Args:
      files: as listed.
      reader: name of the one for all files, or None to go by suffix.

    Raises:
      UserError: if nothing is left, or all of it is empty.
    """
    usable, left_out = Tape[InputFile](), Tape[InputFile]()
    for file in files:
        is_read = reader is not None or reader_of(file.path)
        (usable if is_read else left_out).append(file)
    if not usable:
        raise UserError(_none_usable(left_out))
    if not any(file.size_bytes for file in usable):
        why = "empty" if all(file.is_readable for file in usable) else "empty or cannot be read"
        first = usable[0].relative
        which = f"{first} is" if len(usable) == 1 else f"all {len(usable)} are"
        msg = f"no usable file: {which} {why}" + f", such as {first}" * (len(usable) > 1)
        raise UserError(msg)
    return usable, left_out


def _none_usable(left_out: Tape[InputFile]) -> str:
    if len(left_out) == 1:
        suffix = PurePosixPath(left_out[0].relative).suffix
        return (
            f"no reader for {left_out[0].relative} ({suffix or 'no suffix'}): "
            f"say --format {' or '.join(READER_OF_NAME)}"
        )
    known = ", ".join(suffix for each in READERS for suffix in each.suffixes)
    found = "no files"
    if left_out:
        such_as = ", ".join(file.relative for file in islice(left_out, NAMED))
        found = f"{counted(len(left_out), 'file')} that no reader takes, such as {such_as}"
    return (
        f"no usable file: found {found}; readable are {known} (and .gz, .zst), others with "
        "--format text"
    )


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


def make_plan(files: Tape[InputFile], left_out: Iterable[InputFile], config: PrepareConfig) -> Plan:
    """Cut usable files into chunks.

    Args:
      files: sorted by relative path.
      left_out: without a reader; counted in the plan, for people.
      config: its digest is part of every chunk's.
    """
    uncut: Tape[str] = Tape()

    def cuts() -> Iterator[tuple[InputFile, InputRange, bool]]:
        for cut in cut_ranges(files, reader=config.format, chunk_bytes=config.chunk_bytes):
            file, _, is_part = cut
            if not is_part and _text_bytes(file) > config.chunk_bytes:
                uncut.append(file.relative)
            yield cut

    name, skipped = config.digest, by_suffix(left_out)
    chunks = Tape(
        Chunk(_chunk_digest(ranges, name), cost, ranges)
        for cost, ranges in _bundles(cuts(), config.chunk_bytes)
    )
    inputs = hashlib.sha256()
    for line in _note_lines(files, skipped):
        inputs.update(line)
    seal = _Seal(chunks=_digest_of(chunks), inputs=inputs.hexdigest())
    return Plan(files=files, chunks=chunks, skipped=skipped, uncut=uncut, seal=_line(seal))


def _digest_of(chunks: Iterable[Chunk]) -> str:
    state = hashlib.sha256()
    for chunk in chunks:
        state.update(chunk.digest.encode("ascii"))
    return state.hexdigest()


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


def plan_path(folder: Place, which: tuple[int, int]) -> Place:
    """The written plan of a slice: its own, or that of all slices of this N.

    They share one while they see the same inputs; a machine that sees them elsewhere has its own.
    """
    own, shared = folder / _plan_name(which), _shared(folder, which)
    return own if own == shared or own.exists() else shared


def _shared(folder: Place, which: tuple[int, int]) -> Place:
    # Slices on several machines do not take turns in an object store, which has no locks.
    is_alone = isinstance(folder, RemotePath)
    return folder / (_plan_name(which) if is_alone else _shared_name(which[1]))


def _plan_name(which: tuple[int, int]) -> str:
    return "plan.jsonl" if which == WHOLE else f"plan-{which[0]}-{which[1]}.jsonl"


def _shared_name(count: int) -> str:
    return "plan.jsonl" if count == WHOLE[1] else f"plan-{count}.jsonl"


def _sorted(folder: Place, pattern: str) -> list[Place]:
    """Files of a folder by their names."""
    return sorted(folder.glob(pattern), key=lambda path: path.name)


def _inputs_of(plan: Place) -> Place:
    return plan.with_name(plan.name.replace("plan", "inputs"))


def noted_counts(folder: Place) -> set[int]:
    """N of all slices that have written a plan; 1 is everything."""
    found = (_PLAN_NAME.fullmatch(path.name) for path in folder.glob("plan*.jsonl"))
    return {int(each["count"] or WHOLE[1]) for each in found if each}


def write_plan(
    plan: Plan, folder: Place, which: tuple[int, int] = WHOLE, *, anew: bool = False
) -> None:
    """Write the plan, one JSON line a chunk so that a worker reads only its own, and its inputs.

    Of slices the first writes for all: a plan of millions of chunks is not written two hundred
    times.

    Args:
      plan: of all chunks.
      folder: where the run's notes are.
      which: (I, N), the slice.
      anew: write them also where another slice has: what it wrote may be damaged.

    Raises:
      UserError: if they can't be written.
    """
    own, shared = folder / _plan_name(which), _shared(folder, which)
    note = _inputs_of(shared)
    is_there = own != shared and not anew and shared.exists() and note.exists()
    is_same = is_there and _seal_of(note) == plan.seal
    path = own if is_there and not is_same else shared
    if not is_same:
        sealed = chain(_note_lines(plan.files, plan.skipped), [plan.seal])
        for place, lines in ((path, map(_line, plan.chunks)), (_inputs_of(path), sealed)):
            with atomic_file(place) as file:
                while some := b"".join(islice(lines, WRITE_LINES)):
                    file.write(some)
    if path != own:
        # Of an earlier run, which saw them elsewhere.
        remove([_inputs_of(own), own])


def _note_lines(files: Iterable[InputFile], skipped: dict[str, int]) -> Iterator[bytes]:
    """Those that a seal seals."""
    yield from map(_line, files)
    yield _line(skipped)


def _line(value: object) -> bytes:
    # json, because names need not be UTF-8.
    return (json.dumps(value) + "\n").encode("ascii")


def is_as_noted(folder: Place, plan: Plan) -> bool:
    """Whether there are notes, and all are of this plan; no more than their last lines is read."""
    seals = [_seal_of(path) for path in folder.glob("inputs*.jsonl")]
    return bool(seals) and all(seal == plan.seal for seal in seals)


def _seal_of(note: Place) -> bytes:
    """The last line, or none, which is no plan's."""
    try:
        with note.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - SEAL_BYTES))
            return b"".join(file.read().splitlines(keepends=True)[-1:])
    except OSError:
        return b""


class _Seal(TypedDict):
    """The last line of a note; before it stand the inputs, a line each, and what was skipped.

    Attributes:
      chunks: hash of all digests of the plan, in order.
      inputs: of the lines before: else a damaged name would be an input that is gone, and another.
    """

    chunks: str
    inputs: str


class NotedInputs(NamedTuple):
    """The inputs as a run, or a slice, listed them before it worked on an output.

    Attributes:
      files: a plan's.
      skipped: a plan's.
      seal: a plan's.
    """

    files: Tape[InputFile]
    skipped: dict[str, int]
    seal: bytes


def inputs_of(folder: Place, which: tuple[int, int]) -> NotedInputs:
    """What the plan of a slice was made of.

    Raises:
      UserError: if the note is damaged.
    """
    return _noted(_inputs_of(plan_path(folder, which)))


def noted_inputs(folder: Place) -> list[NotedInputs]:
    """What all runs noted; each holds for the chunks that it committed, whichever these are.

    Raises:
      UserError: if a note is damaged.
    """
    return [_noted(path) for path in _sorted(folder, "inputs*.jsonl")]


def _noted(path: Place) -> NotedInputs:
    try:
        files, state, line = Tape[InputFile](), hashlib.sha256(), b""
        with path.open("rb") as file:
            for line in file:
                state.update(line)
                if line.startswith(b"{"):
                    break
                files.append(msgspec.convert(parsed_json(line), InputFile))
            seal = file.read()
        skipped = msgspec.convert(parsed_json(line), Sums)
        if msgspec.convert(parsed_json(seal), _Seal)["inputs"] != state.hexdigest():
            msg = "its seal is broken"
            raise ValueError(msg)
        if not all(one.relative < two.relative for one, two in pairwise(files)):
            msg = "its files are not in order"
            raise ValueError(msg)
        return NotedInputs(files, skipped, seal)
    except (OSError, ValueError) as error:
        msg = f"{path} is damaged ({error}): run prepare again with --update"
        raise UserError(msg) from error


def forget_plans(folder: Place, which: tuple[int, int] = WHOLE) -> None:
    """Remove what other runs planned, once no committed chunk is of inputs as they saw them.

    Args:
      folder: where the run's notes are.
      which: (I, N), the slice, whose plan is written. Other slices may be at work: of theirs only
        those go that saw other inputs.
    """
    own = plan_path(folder, which)
    for path in folder.glob("plan*.jsonl"):
        if path != own and (which == WHOLE or not _is_alike(path, own)):
            # The note first: nobody would know whose it is, and it would speak for ever.
            remove([_inputs_of(path)])
            remove([path])


def _is_alike(plan: Place, other: Place) -> bool:
    """Whether two written plans are of the same chunks of the same files."""
    try:
        digests = ((chunk.digest for chunk in planned_chunks(each)) for each in (plan, other))
        files = (
            ((file.relative, file.size_bytes) for file in _noted(_inputs_of(each)).files)
            for each in (plan, other)
        )
        return all(one == two for pair in (digests, files) for one, two in zip_longest(*pair))
    except (UserError, OSError, ValueError):
        return False


def read_plan(folder: Place) -> Plan:
    """What `write_plan` wrote; of slices, which plan the same chunks of the same files, any one's.

    Raises:
      UserError: if it is not there, is damaged, or slices saw different inputs.
    """
    try:
        first, *others = _sorted(folder, "plan*.jsonl")
        with first.open("rb") as file:
            chunks = Tape(map(_chunk, file))
        files, skipped, seal = _noted(_inputs_of(first))
        if parsed_json(seal)["chunks"] != _digest_of(chunks):
            msg = f"{first.name} is not the plan that was noted"
            raise ValueError(msg)
    except (OSError, ValueError) as error:
        msg = f"{folder} holds no whole plan ({error}): run prepare again with --update"
        raise UserError(msg) from error
    if not all(_is_alike(path, first) for path in others):
        msg = f"the slices that {folder} notes saw different inputs: run prepare with --update"
        raise UserError(msg)
    return Plan(files=files, chunks=chunks, skipped=skipped, uncut=Tape(), seal=seal)


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


def planned_chunks(path: Place, which: tuple[int, int] = WHOLE) -> Iterator[PlannedChunk]:
    """The chunks of a slice (I, N) of a written plan: every Nth from the Ith, counted from 0.

    One line is in memory at a time.

    Raises:
      ValueError: if the file is no plan.
    """
    return islice(_planned_chunks(path), which[0], None, which[1])


def _planned_chunks(path: Place) -> Iterator[PlannedChunk]:
    offset = 0
    with path.open("rb") as file:
        for line in file:
            # The ranges, which may be many, are not read: ["<32 hex digits>", <cost>, [...
            digest, cost, _ = line.split(b", ", 2)
            yield PlannedChunk(digest[2:-1].decode("ascii"), int(cost), offset)
            offset += len(line)


def _chunk(line: bytes) -> Chunk:
    return msgspec.convert(parsed_json(line), Chunk)
