"""One run of `duologue prepare` on an engine, with something killed in its middle or not."""

import contextlib
import dataclasses
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.clusters.engine import Engine
from tests.clusters.machines import (
    HEAD,
    ROOT,
    EngineError,
    Machines,
    kill,
    wait_for,
    worker_environment,
)
from tests.running import command, tree

COMMITTED_FIRST = 12
"""Chunks that are committed when something is killed."""

JOB_SECONDS = 400


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trial:
    """What came of a run.

    Attributes:
      killed: what was killed; empty if nothing was.
      seconds: that the command took.
      survived: whether it ended well.
      resumed: whether it did so when it was run again, as a person would; only if it had not.
      committed: chunks that were committed at the kill.
      redone: those of them whose record or a shard was written again afterwards.
      lost: files that the local run has and this one has not.
      doubled: files that the local run does not have.
      is_equal: whether all bytes are as those of the local run.
      said: the last line of the command.
    """

    killed: str
    seconds: float
    survived: bool
    resumed: bool
    committed: int
    redone: int
    lost: int
    doubled: int
    is_equal: bool
    said: str


def tried(
    machines: Machines, engine: Engine, prepare: list[object], out: Path, local: Path, victim: str
) -> Trial:
    """Run prepare on an engine; compare it with the local run.

    Args:
      machines: those that the engine runs on.
      engine: that was started.
      prepare: the command without output and Beam's options.
      out: what it writes, from nothing.
      local: what the local run wrote.
      victim: a key of the engine's victims, or "" to kill nothing.
    """
    shutil.rmtree(out, ignore_errors=True)
    argv = command("prepare", *prepare, "--out", out, "--", *engine.options)
    begun = time.monotonic()
    before: dict[Path, tuple[int, int]] = {}
    with _running(machines, argv, out) as child:
        if victim:
            before = _kill_amid(machines, engine.victims[victim], child, out)
        code = _ended(child, out)
    seconds = time.monotonic() - begun
    said = out.with_suffix(".log").read_text(errors="replace").strip().splitlines()
    again = None
    if victim and code:
        with _running(machines, argv, out) as child:
            again = _ended(child, out)
    here, there = tree(out), tree(local)
    return Trial(
        killed=victim,
        seconds=seconds,
        survived=code == 0,
        resumed=again == 0,
        committed=sum(path.suffix == ".json" for path in before),
        redone=_redone(before),
        lost=len(there.keys() - here),
        doubled=len(here.keys() - there),
        is_equal=here == there,
        said=said[-1] if said else "",
    )


@contextlib.contextmanager
def _running(machines: Machines, argv: list[str], out: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The command on the head; ended with all that it started, however this block is left."""
    with out.with_suffix(".log").open("wb") as log:
        child = subprocess.Popen(
            machines.command(HEAD, *argv),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            env=worker_environment(),
            start_new_session=True,
        )
    try:
        yield child
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _ended(child: subprocess.Popen[bytes], out: Path) -> int:
    """The exit code of a command.

    Raises:
      EngineError: if it does not end in time.
    """
    try:
        return child.wait(JOB_SECONDS)
    except subprocess.TimeoutExpired as error:
        msg = f"the job did not end in {JOB_SECONDS} s; see {out.with_suffix('.log')}"
        raise EngineError(msg) from error


def _kill_amid(
    machines: Machines, words: str, child: subprocess.Popen[bytes], out: Path
) -> dict[Path, tuple[int, int]]:
    """Kill one process amid the job; returns the files that were committed by then.

    Raises:
      EngineError: if the job ended before, or no such process runs.
    """

    def is_amid() -> bool:
        if child.poll() is not None:
            msg = f"the job ended before anything was killed; see {out.with_suffix('.log')}"
            raise EngineError(msg)
        return len(list(out.glob("_chunks/*.json"))) >= COMMITTED_FIRST

    wait_for("the first chunks", is_amid, JOB_SECONDS)
    victims = [
        process
        for machine in range(machines.n_workers + 1)
        for process, line in machines.processes(machine).items()
        if words in line
    ]
    if not victims:
        msg = f"nothing runs whose command line holds {words!r}"
        raise EngineError(msg)
    before = _committed_files(out)
    kill(victims[-1])
    return before


def _committed_files(out: Path) -> dict[Path, tuple[int, int]]:
    """(inode, time) of the records, and of the shards that are theirs."""
    records = list(out.glob("_chunks/*.json"))
    digests = {path.stem for path in records}
    shards = [path for path in out.rglob("*.arrow") if path.name.split("-")[0] in digests]
    return {path: _written(path) for path in (*records, *shards)}


def _written(path: Path) -> tuple[int, int]:
    state = path.stat()
    return state.st_ino, state.st_mtime_ns


def _redone(before: dict[Path, tuple[int, int]]) -> int:
    """Chunks of which a file is not the one that was there before."""
    return len(
        {
            path.stem.split("-")[0]
            for path, written in before.items()
            if not path.exists() or _written(path) != written
        }
    )
