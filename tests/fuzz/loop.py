"""One target in a process of its own: atheris calls it until its CPU time is used up.

What a target raises is kept and the loop goes on, so that one find does not hide the next.
"""

import contextlib
import hashlib
import importlib
import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path

OURS = ("schemas", "transforms", "pipeline", "jobs")

HANG_SECONDS = 1.0
"""CPU time of one input that counts as a hang."""

STUCK_SECONDS = 120
"""Time by the clock after which libFuzzer takes an input for one that never ends."""

MOST_MB = 4096
"""Memory above which libFuzzer stops."""


class Finds:
    """Inputs that broke something, one for each place in the code."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, kind: str, data: bytes, what: str) -> None:
        """Write down an input with what it broke, the shortest of its kind."""
        name = hashlib.sha256(kind.encode()).hexdigest()[:12]
        path = self._folder / f"{name}.bin"
        if not path.exists() or len(data) < path.stat().st_size:
            path.write_bytes(data)
            path.with_suffix(".txt").write_text(f"{kind}\n\n{what}\n\n{data!r}\n")


def _kind(error: BaseException) -> str:
    """What tells finds apart: the error and where it was raised."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}"


def fuzz(name: str, folder: Path, *, seed: int, cpu_seconds: float) -> None:
    """Fuzz one target; does not return."""
    # Not above: pytest looks for doctests in here, and does without the extra.
    import atheris

    with atheris.instrument_imports(include=list(OURS)):
        target = importlib.import_module(f"tests.fuzz.{name}").TARGET
    finds, slowest, n_inputs = Finds(folder / "found"), 0.0, 0

    def one_input(data: bytes) -> None:
        nonlocal slowest, n_inputs
        began = time.process_time()
        try:
            target.run(data)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # a panic of a library in Rust is no Exception
            finds.keep(_kind(error), data, traceback.format_exc())
        now = time.process_time()
        n_inputs += 1
        if now - began > slowest:
            slowest = now - began
            (folder / "slowest.bin").write_bytes(data)
        if now - began > HANG_SECONDS:
            finds.keep(f"hang over {HANG_SECONDS:.0f} s", data, f"{now - began:.2f} s")
        if now > cpu_seconds:
            ended = {"inputs": n_inputs, "slowest_seconds": slowest}
            (folder / "ended.json").write_text(json.dumps(ended))
            os.kill(os.getpid(), signal.SIGUSR1)  # libFuzzer then ends after this input

    options = {
        "seed": seed,
        "max_len": target.most_bytes,
        "timeout": STUCK_SECONDS,
        "rss_limit_mb": MOST_MB,
        "artifact_prefix": f"{folder / 'found'}/",
    }
    argv = [sys.argv[0], str(folder / "corpus")]
    atheris.Setup([*argv, *(f"-{key}={value}" for key, value in options.items())], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        fuzz(sys.argv[1], Path(sys.argv[2]), seed=int(sys.argv[3]), cpu_seconds=float(sys.argv[4]))
