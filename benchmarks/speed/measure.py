"""Whole commands: wall seconds, CPU seconds, peak memory of all processes."""

import contextlib
import ctypes
import dataclasses
import os
import re
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil

SAMPLE_SECONDS = 0.5
"""Asking the system for a large process's memory takes milliseconds of a core."""

SINGLE_THREADED = {
    "RAYON_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "ARROW_NUM_THREADS": "1",
}
"""Workers are the parallelism: pools of their own would fight over the cores."""

SAID = "said"
"""File of a run's folder with what its command said."""

PR_SET_CHILD_SUBREAPER = 36
"""Of prctl(2), Linux."""


class RunFailedError(Exception):
    """A command failed, or was stopped."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measured:
    """What a command took.

    Attributes:
      began: time of the clock, in seconds.
      load: the machine's load average before it, over a minute; what ran before is in it.
      others_cores: that anything else kept busy meanwhile; of a virtual machine, stolen time too.
      seconds: from before its start to after its end.
      cpu_seconds: user and system, of all its processes.
      peak_mib: the most that all its processes held at once, shared pages counted once (PSS).
    """

    began: float
    load: float
    others_cores: float
    seconds: float
    cpu_seconds: float
    peak_mib: float


def measure(
    argv: Sequence[object], *, env: Mapping[str, str], folder: Path, limit_seconds: float
) -> Measured:
    """Run a command to its end.

    Args:
      argv: the command.
      env: all of its environment.
      folder: it runs there; what it says is in the file SAID.
      limit_seconds: after that it is stopped.

    Raises:
      RunFailedError: with its last words, or that it was stopped.
    """
    load, busy = os.getloadavg()[0], _busy_seconds()
    began, start = time.time(), time.perf_counter()
    child = _started(argv, env, folder)
    watch, timer = _Watch(child.pid), threading.Timer(limit_seconds, _end, [child.pid])
    watch.start()
    timer.start()
    try:
        # Popen.wait would not say what CPU time was used.
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
    finally:
        timer.cancel()
        watch.is_over.set()
        _end(child.pid)
    usages = [usage, *_orphans(child.pid)]
    cpu_seconds = sum(each.ru_utime + each.ru_stime for each in usages)
    others_seconds = _busy_seconds() - busy - cpu_seconds
    watch.join()
    if child.returncode:
        late = f"stopped after {limit_seconds:.0f} s" if seconds >= limit_seconds else ""
        said = _last_words(folder / SAID)
        raise RunFailedError(late or said or f"exit code {child.returncode}")
    return Measured(
        began=began,
        load=load,
        others_cores=max(0.0, others_seconds / seconds),
        seconds=seconds,
        cpu_seconds=cpu_seconds,
        peak_mib=watch.peak_bytes / 2**20,
    )


def _started(
    argv: Sequence[object], env: Mapping[str, str], folder: Path
) -> "subprocess.Popen[bytes]":
    """A command in a session of its own, whose orphans become ours: a fork server is one."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    with (folder / SAID).open("wb") as said:
        return subprocess.Popen(
            [*map(str, argv)],
            env=env,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )


class _Watch(threading.Thread):
    """Samples the memory of a process and all below it."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.peak_bytes, self.is_over = pid, 0, threading.Event()

    def run(self) -> None:
        """Until `is_over` is set."""
        while True:
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(self.pid)
                family = [process, *process.children(recursive=True)]
                self.peak_bytes = max(self.peak_bytes, sum(map(_held, family)))
            if self.is_over.wait(SAMPLE_SECONDS):
                return


def _held(process: psutil.Process) -> int:
    try:
        memory = process.memory_full_info()
    except psutil.Error:
        return 0  # It has ended meanwhile.
    return getattr(memory, "pss", memory.rss)


def _busy_seconds() -> float:
    """Of all cores since the machine's start."""
    times = psutil.cpu_times()
    return sum(times) - times.idle - times.iowait


def _end(pid: int) -> None:
    """End what is left of a session."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _orphans(group: int) -> Iterator[resource.struct_rusage]:
    """What was used by processes whose parent ended before them, and those that they waited for."""
    with contextlib.suppress(ChildProcessError):
        while True:
            yield os.wait4(-group, 0)[2]


def _last_words(path: Path) -> str:
    """The last line that names an error, else the last line; without folders."""
    lines = [x.strip() for x in path.read_text(errors="replace").splitlines() if x.strip()]
    named = [line for line in lines if re.search(r"\w(Error|Exception)\b", line)]
    return re.sub(r"/\S*/(?=\w)", "", [*lines, *named][-1])[:200] if lines else ""
