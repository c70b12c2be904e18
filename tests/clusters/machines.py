"""Machines for an engine: network namespaces of this host, joined by a bridge in the first.

Every machine has an address of its own, and nothing of it is seen from the host. All that runs on
one is known to the system, whoever started it, so all of it can be ended by process id.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pipeline.supervise import WORKER_ENVIRONMENT
from tests.clusters.install import CannotInstallError

ROOT = Path(__file__).parents[2]

POLL_SECONDS = 0.05

HEAD = 0
"""The machine of the master, the job server and `duologue prepare`; the others are workers."""

POOL_PORT = 50000


class EngineError(Exception):
    """An engine did not do what it was started for; its text says what and where to look."""


def wait_for(what: str, is_so: Callable[[], bool], seconds: float) -> float:
    """Wait for a condition; returns the seconds that it took.

    Raises:
      EngineError: if it is not met in time.
    """
    begun = time.monotonic()
    while not is_so():
        if time.monotonic() - begun > seconds:
            msg = f"{what}: not within {seconds:g} s"
            raise EngineError(msg)
        time.sleep(POLL_SECONDS)
    return time.monotonic() - begun


def address(machine: int) -> str:
    """Of a machine, as the others see it."""
    return f"10.77.0.{machine + 1}"


def _name(machine: int) -> str:
    return f"duologue-{machine}"


def _ip(*argv: str) -> str:
    return subprocess.run(["ip", *argv], capture_output=True, text=True, check=True).stdout


class Machines:
    """A head and workers that are there; see `machines`.

    Attributes:
      n_workers: how many, the head apart.
      logs: folder of what every program prints.
    """

    def __init__(self, n_workers: int, logs: Path) -> None:
        self.n_workers = n_workers
        self.logs = logs

    def command(self, machine: int, *argv: object) -> list[str]:
        """A command line that runs on a machine."""
        # Not by `ip netns exec`, which copies all mounts: who unmounts one waits for the copies.
        return ["nsenter", f"--net=/run/netns/{_name(machine)}", *map(str, argv)]

    def start(
        self, machine: int, name: str, *argv: object, env: dict[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a program on a machine, in a session of its own."""
        with (self.logs / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                self.command(machine, *argv),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.logs,
                env=worker_environment() | (env or {}),
                start_new_session=True,
            )

    def start_pool(self, machine: int) -> None:
        """Start Beam's pool of Python workers: it forks one for each that an engine asks for."""
        pool = (sys.executable, "-m", "apache_beam.runners.worker.worker_pool_main")
        self.start(machine, f"pool-{machine}", *pool, f"--service_port={POOL_PORT}")
        self.wait_for_port(machine, POOL_PORT)

    def wait_for_port(self, machine: int, port: int, seconds: float = 90) -> None:
        """Wait until a machine listens on a port."""
        wait_for(
            f"port {port} of machine {machine} (see {self.logs})",
            lambda: f":{port} " in self.output(machine, "ss", "-Hltn"),
            seconds,
        )

    def output(self, machine: int, *argv: object) -> str:
        """What a command prints; nothing if it fails."""
        command = self.command(machine, *argv)
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout

    def processes(self, machine: int) -> dict[int, str]:
        """(process id, command line) of all that runs on a machine."""
        return processes(machine)


def worker_environment() -> dict[str, str]:
    """What every worker of a cluster is to be started with: this code, one thread a worker."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return os.environ | WORKER_ENVIRONMENT | {"PATH": path, "PYTHONPATH": str(ROOT)}


def processes(machine: int) -> dict[int, str]:
    """(process id, command line) of all that runs on a machine."""
    found = {}
    for each in _ip("netns", "pids", _name(machine)).split():
        with contextlib.suppress(OSError):
            line = Path("/proc", each, "cmdline").read_bytes()
            found[int(each)] = line.replace(b"\0", b" ").decode(errors="replace")
    return found


def kill(process: int) -> None:
    """Kill -9."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


@contextlib.contextmanager
def machines(n_workers: int, logs: Path) -> Iterator[Machines]:
    """A head and workers, numbered from 1; in the end all that runs on them is killed.

    Raises:
      CannotInstallError: without the right to make network namespaces.
    """
    if os.geteuid() or not shutil.which("ip"):
        msg = "machines are network namespaces, which need root and the command ip: run it as root"
        raise CannotInstallError(msg)
    logs.mkdir(parents=True, exist_ok=True)
    numbers = range(n_workers + 1)
    _remove(numbers)  # Those of a run that was killed.
    try:
        for number in numbers:
            _ip("netns", "add", _name(number))
            _ip("-n", _name(number), "link", "set", "lo", "up")
        _join(numbers)
        yield Machines(n_workers, logs)
    finally:
        _remove(numbers)


def _join(numbers: Sequence[int]) -> None:
    head = _name(HEAD)
    _ip("-n", head, "link", "add", "bridge", "type", "bridge")
    _ip("-n", head, "addr", "add", f"{address(HEAD)}/24", "dev", "bridge")
    _ip("-n", head, "link", "set", "bridge", "up")
    for number in numbers[1:]:
        port, name = f"port{number}", _name(number)
        ends = ["netns", head, "type", "veth", "peer", "name", "eth0", "netns", name]
        _ip("link", "add", port, *ends)
        _ip("-n", head, "link", "set", port, "master", "bridge", "up")
        _ip("-n", name, "addr", "add", f"{address(number)}/24", "dev", "eth0")
        _ip("-n", name, "link", "set", "eth0", "up")


def _remove(numbers: Sequence[int]) -> None:
    there = {line.split()[0] for line in _ip("netns", "list").splitlines()}
    for number in numbers:
        if _name(number) in there:
            wait_for(f"the end of machine {number}", lambda n=number: not _killed(n), 30)
            _ip("netns", "del", _name(number))


def _killed(machine: int) -> list[int]:
    """Kill all that runs on a machine; returns what did."""
    found = list(processes(machine))
    for each in found:
        kill(each)
    return found
