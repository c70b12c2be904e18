"""A large corpus in numbers: plans very many chunks, commits made-up records, dies, goes on.

Inputs are sparse files, shards are links to one empty file, and records are made up; listing, plan,
commit, the scan of a resumed run, sweep and manifest are those of `duologue prepare`. The process
and all it started are killed by `kill -9` when half of the records are there; then it runs again.
Prints a Markdown table of seconds and of memory (PSS of all processes); fails over its limits.
"""

import argparse
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

import psutil
from rich.console import Console

from jobs.prepare.inputs import list_files
from pipeline.changes import incomplete_chunks, refuse_changes
from pipeline.commit import CHUNKS, RUN, commit_piece, committed
from pipeline.manifest import write_manifest
from pipeline.output import begin
from pipeline.plan import make_plan, plan_path, planned_chunks, write_plan
from schemas.config import CONFIGS, PrepareConfig
from schemas.manifest import ChunkCounts, ChunkRecord, ShardRecord
from tests.pipeline.making import TOKENIZER

CONFIG = PrepareConfig(tokenizer_sha256=TOKENIZER.sha256, eos="<eos>")

SHAPES = {
    "ranges of JSONL files of 1 GB": ("jsonl", 10**9),
    "text files of 30 MB": ("txt", 30 << 20),
}
"""Suffix and size of each input."""

CHUNKS_OF_JSONL = 30

FILES_OF_FOLDER = 1000

WORKERS = 2

COMMIT = "commit records"

MAX_MIB = 2048
MAX_SECONDS = 600
SAMPLE_SECONDS = 1.0

_EMPTY = hashlib.sha256(b"").hexdigest()


def make_inputs(folder: Path, suffix: str, size_bytes: int, n_files: int) -> None:
    """Sparse files, a thousand a folder."""
    for number in range(n_files):
        path = folder / f"{number // FILES_OF_FOLDER:04d}" / f"{number:07d}.{suffix}"
        if number % FILES_OF_FOLDER == 0:
            path.parent.mkdir(parents=True)
        with path.open("wb") as file:
            file.truncate(size_bytes)


def record_of(out: Path, digest: str) -> ChunkRecord:
    """A record such as a chunk of 32 MB gives, whose shards are there, and empty."""
    rows = 8_000 + int(digest[:3], 16)
    shards = []
    for name in CONFIGS:
        path = f"{name}/train/{digest}-00000.arrow"
        with suppress(FileExistsError):  # A chunk that was killed between shards and record.
            os.link(out / RUN / "empty", out / path)
        players = [1000 * rows, 100 * rows, 400 * rows]
        shards.append(
            ShardRecord(
                **{"path": path, "config": name, "split": "train", "rows": rows},
                **{"tokens": sum(players), "tokens_by_player": players},
                **{"size_bytes": 0, "sha256": _EMPTY},
            )
        )
    of_config = {"rows": rows, "documents_dropped": {"empty": 3}, "episodes_dropped": {}}
    games = {"text": 30_000_000, "dialogue": 1_000_000, "faq": 300_000, "exam": 200_000}
    counts: ChunkCounts = {
        "documents": rows + 3,
        "documents_rejected": 0,
        "bytes": sum(games.values()),
        "rejected": {},
        "episodes_by_game": {"dialogue": 700, "faq": 200, "exam": 30},
        "bytes_by_game": games,
        "bytes_by_kind": {"text": 30_000_000, "question": 500_000, "answer": 1_000_000},
        "configs": {name: {**of_config, "bytes_left_out": {"text": 1}} for name in CONFIGS},  # type: ignore[typeddict-item]
    }
    return ChunkRecord(
        shards=shards, rejected=[], counts=counts, damaged=[], n_bytes=32 << 20, blake2b="0" * 32
    )


def run(inputs: str, out: Path, *, is_plan_alone: bool) -> Iterator[str]:
    """What a run of `prepare` does beside its Beam job; yields the name of each step before it."""
    yield "start"
    console = Console(stderr=True)
    yield "list"
    files, left_out = list_files([inputs], out, CONFIG, console)
    yield "plan"
    plan = make_plan(files, left_out, CONFIG)
    yield "compare with what is there"
    refuse_changes(out, plan, CONFIG)
    yield "write plan and inputs"
    begin(out, CONFIG)
    write_plan(plan, out / RUN)
    if is_plan_alone:
        return
    yield "look at committed records and shards"
    if incomplete_chunks(out, (chunk.digest for chunk in plan.chunks)):
        sys.exit("a shard that was committed is gone")
    yield COMMIT
    commit_all(out)
    yield "finish: read records, sweep, manifest, card"
    write_manifest(out, plan, CONFIG, TOKENIZER)


def commit_all(out: Path) -> None:
    """Every worker takes a part of what is not committed."""
    for name in CONFIGS:
        (out / name / "train").mkdir(parents=True, exist_ok=True)
    (out / RUN / "empty").touch()
    there = set(committed(out))
    workers = []
    for index in range(WORKERS):
        if worker := os.fork():
            workers.append(worker)
            continue
        for chunk in islice(planned_chunks(plan_path(out / RUN, (0, 1))), index, None, WORKERS):
            if chunk.digest not in there:
                commit_piece(out, chunk.digest, 0, record_of(out, chunk.digest))
        os._exit(0)
    for worker in workers:
        if os.waitpid(worker, 0)[1]:
            sys.exit("a worker failed")


def watch(command: list[str], out: Path, n_kill: int | None) -> dict[str, tuple[float, float]]:
    """(seconds, peak MiB) of each step; all processes are killed once n_kill chunks are there."""
    child = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
    assert child.stdout is not None
    os.set_blocking(child.stdout.fileno(), False)
    begins: list[tuple[str, float]] = []
    peaks: dict[str, float] = {}
    is_killed = False
    while child.poll() is None:
        with suppress(subprocess.TimeoutExpired):
            child.wait(SAMPLE_SECONDS)
        for line in (child.stdout.read() or b"").decode().splitlines():
            began, _, step = line.partition(" ")
            begins.append((step, float(began)))
        step = begins[-1][0] if begins else ""
        peaks[step] = max(peaks.get(step, 0), _pss_mib(child.pid))
        if n_kill and step == COMMIT and _n_records(out) >= n_kill:
            os.killpg(child.pid, signal.SIGKILL)
            is_killed = True
    if child.wait() and not is_killed:
        sys.exit(f"exit {child.returncode} in step {step}")
    ends = [*(began for _, began in begins[1:]), time.monotonic()]
    return {
        step: (end - began, peaks.get(step, 0))
        for (step, began), end in zip(begins, ends, strict=True)
    }


def _n_records(out: Path) -> int:
    return sum(1 for _ in os.scandir(out / CHUNKS))


def _pss_mib(pid: int) -> float:
    total = 0
    with suppress(psutil.Error):
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            with suppress(psutil.Error):
                total += process.memory_full_info().pss
    return total / (1 << 20)


def main() -> None:
    """Run the simulation that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, default=200_000)
    parser.add_argument(
        "--folder", type=Path, default=None, help="with room for 6 kB and three files a chunk"
    )
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        inputs, out, alone = given.one
        for step in run(inputs, Path(out), is_plan_alone=alone == "1"):
            print(time.monotonic(), step, flush=True)
        return
    with tempfile.TemporaryDirectory(dir=given.folder) as root:
        is_within = [_simulate(Path(root), shape, given.chunks) for shape in SHAPES]
    sys.exit(0 if all(is_within) else 1)


def _simulate(root: Path, shape: str, n_chunks: int) -> bool:
    suffix, size_bytes = SHAPES[shape]
    is_cut = suffix == "jsonl"
    inputs, out = root / suffix, root / f"out-{suffix}"
    make_inputs(inputs, suffix, size_bytes, -(-n_chunks // CHUNKS_OF_JSONL) if is_cut else n_chunks)
    arguments = ["--one", str(inputs), str(out), str(int(not is_cut))]
    command = [sys.executable, "-m", "benchmarks.scaling", *arguments]
    print(f"\n{n_chunks} chunks, {shape}\n\n| run | step | s | peak MiB |\n|---|---|--:|--:|")
    runs = [("first", n_chunks // 2 if is_cut else None)]
    runs += [("second, after kill -9", None)] if is_cut else []
    measured = []
    for name, n_kill in runs:
        steps = watch(command, out, n_kill)
        for step, (seconds, peak) in steps.items():
            print(f"| {name} | {step} | {seconds:.1f} | {peak:.0f} |", flush=True)
        measured.append(steps)
    sums = [each for steps in measured for each in steps.values()]
    seconds, peak = sum(each[0] for each in sums), max(each[1] for each in sums)
    print(f"| all | | {seconds:.1f} | {peak:.0f} |", flush=True)
    return seconds <= MAX_SECONDS and peak <= MAX_MIB


if __name__ == "__main__":
    main()
