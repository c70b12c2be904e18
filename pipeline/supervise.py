"""Runs the driver as a child, as often as its workers die, and ends all that it started."""

import contextlib
import importlib.metadata
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from pipeline.atomic import write_json
from pipeline.commit import RUN, committed, local_run
from pipeline.output import OPTIONS
from pipeline.remote import Place
from schemas.errors import UserError
from schemas.words import counted

EXIT_USER_ERROR = 3
"""The driver's last line on stdout is the text of a UserError."""

EXIT_WORKER_DIED = 4
"""A worker process was killed; what is not committed can be run again."""

MAX_RESTARTS = 3
"""In a row, without a chunk committed in between."""

POLL_SECONDS = 0.2
LOG = "driver.log"
LAST_BYTES = 1000
"""Of the log, which hold its last line."""

NOTED_VERSIONS = ("duologue", "apache-beam", "polars", "pyarrow", "tokenizers", "gigatoken")

LOCAL_RUNNER = "--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner"

# One thread a worker: the workers are the parallelism, and pools of their own would fight over
# the cores.
WORKER_ENVIRONMENT = {
    "POLARS_MAX_THREADS": "1",
    "RAYON_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "OMP_NUM_THREADS": "1",
    "ARROW_IO_THREADS": "1",
    # The default one keeps 150 MB more of what a chunk took.
    "ARROW_DEFAULT_MEMORY_POOL": "jemalloc",
    # The folder that the person stands in may hold a schemas/ or a random.py of its own.
    "PYTHONSAFEPATH": "1",
}


def is_local(given: list[str]) -> bool:
    """Whether Beam options leave the runner to us: workers on this machine, one a process."""
    return not any(option.split("=")[0] == "--runner" for option in given)


def run_driver(
    out: Place,
    which: tuple[int, int],
    options: list[str],
    *,
    workers: int,
    lock: int,
    tick: Callable[[], None],
    say: Callable[[str], None],
) -> None:
    """Run the Beam job to its end.

    Args:
      out: an output with plan and config.
      which: (I, N), the slice.
      options: Beam's.
      workers: processes on this machine; another runner's are its own business.
      lock: file descriptor of the output's lock, which the driver and its workers hold with us.
      tick: called several times a second while the job runs.
      say: called with a line for the person, when the job is restarted.

    Raises:
      UserError: what the job raised as one, or that it failed for another reason.
    """
    # Workers on a cluster stand in other folders: they are given the whole path.
    names = [str(out.absolute()), "/".join(map(str, which))]
    runner = [str(workers), LOCAL_RUNNER] if is_local(options) else ["0"]
    command = [sys.executable, "-m", "pipeline.driver", *names, *runner, *options]
    log = local_run(out) / LOG
    restarts, done = 0, len(committed(out))
    while True:
        code, last_line = _run_once(command, log, lock, tick)
        if code == 0:
            return
        if code == EXIT_USER_ERROR:
            raise UserError(last_line)
        # Negative: the driver itself was killed by a signal; with one worker it is the worker.
        if not (code == EXIT_WORKER_DIED or code < 0):
            break
        before, done = done, len(committed(out))
        # Only deaths that no chunk came between are a sign that one chunk cannot be done.
        restarts = 1 if done > before else restarts + 1
        if restarts > MAX_RESTARTS:
            break
        say(
            f"a worker process died; resuming after {counted(done, 'committed chunk')} "
            f"(restart {restarts} of at most {MAX_RESTARTS} without a new chunk)"
        )
    msg = (
        f"the job failed ({_why(code, last_line)}); see {log}, then run the same "
        "command again: what is committed is kept"
    )
    raise UserError(msg)


def _why(code: int, last_line: str) -> str:
    if code == EXIT_WORKER_DIED or code < 0:
        return f"a worker process died {MAX_RESTARTS + 1} times in a row; was it out of memory?"
    return last_line or f"exit {code}"


def _run_once(
    command: list[str], log_file: Path, lock: int, tick: Callable[[], None]
) -> tuple[int, str]:
    """(exit code, last line of stdout, or of the log where that is empty) of the driver."""
    # Beam starts workers as "python": the one of this environment has to be found first.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    with log_file.open("ab") as log:
        # The pipe is how the driver learns that we are gone; a session of its own lets us end it
        # with all its workers.
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=os.environ | WORKER_ENVIRONMENT | {"PATH": path},
            start_new_session=True,
            pass_fds=(lock,),
        )
        try:
            while child.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(POLL_SECONDS)
                tick()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        output = child.stdout.read() if child.stdout else b""
    lines = output.decode(errors="replace").strip().splitlines() or _last_lines(log_file)
    return child.returncode, lines[-1] if lines else ""


def _last_lines(log_file: Path) -> list[str]:
    with log_file.open("rb") as log:
        log.seek(max(0, log.seek(0, os.SEEK_END) - LAST_BYTES))
        return log.read().decode(errors="replace").strip().splitlines()


def write_options(out: Place, fields: dict[str, object]) -> None:
    """Note how and with what this run was started: for people, never read again."""
    versions = {}
    for name in NOTED_VERSIONS:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    noted = {"started": started, "python": sys.version, "versions": versions, **fields}
    write_json(out / RUN / OPTIONS, noted)


def n_cores() -> int:
    """Cores that this process may use; where the system does not say, all."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
