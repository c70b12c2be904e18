"""`python -m tests.fuzz [TARGET...]`: fuzz targets, each in a process of its own, for CPU-minutes.

Below the folder (build/fuzz): a corpus a target, what was found, and figures as JSON.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any

import psutil

from tests.fuzz import NAMES

# Of libFuzzer's lines: "#4096 NEW cov: 310 ft: 822 corp: ...".
_PROGRESS = re.compile(r"#(\d+)\s+[A-Za-z]+\s+cov: (\d+) ft: (\d+)")


def main() -> int:
    """Fuzz what the command line names; 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", default=NAMES, help=f"of {', '.join(NAMES)}")
    parser.add_argument("--minutes", type=float, default=20.0, help="of CPU time, each target")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--at-once", type=int, default=os.cpu_count(), help="processes")
    parser.add_argument("--out", type=Path, default=Path("build/fuzz"))
    asked = parser.parse_args()
    if unknown := set(asked.targets) - set(NAMES):
        parser.error(f"no target {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")

    def one(name: str) -> bool:
        figures = fuzz(name, asked.out, minutes=asked.minutes, seed=asked.seed)
        print(line(figures), flush=True)
        return is_clean(figures)

    with ThreadPoolExecutor(asked.at_once) as pool:
        return 0 if all(list(pool.map(one, asked.targets))) else 1


def fuzz(name: str, out: Path, *, minutes: float, seed: int) -> dict[str, Any]:
    """Fuzz one target, and write down its figures."""
    folder = out / name
    shutil.rmtree(folder / "found", ignore_errors=True)
    for each in ("corpus", "found"):
        (folder / each).mkdir(parents=True, exist_ok=True)
    (folder / "ended.json").unlink(missing_ok=True)
    for data in import_module(f"tests.fuzz.{name}").TARGET.seeds:
        (folder / "corpus" / sha256(data).hexdigest()[:16]).write_bytes(data)
    argv = [sys.executable, "-m", "tests.fuzz.loop", name, str(folder), str(seed)]
    # Time is CPU time of one thread; more threads would only wait for each other.
    single = {"POLARS_MAX_THREADS": "1", "RAYON_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [*argv, str(60 * minutes)],
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env={**os.environ, **single, "TOKENIZERS_PARALLELISM": "false"},
    ) as process:
        seen = _follow(process, folder / "log.txt")
    figures = {"target": name, "minutes": minutes, "seed": seed, "exit": process.returncode}
    figures |= {"slowest_seconds": 0.0, "found": _found(folder / "found")} | seen
    if (folder / "ended.json").exists():
        figures |= json.loads((folder / "ended.json").read_bytes())
    seconds = 60 * max(0.01, figures["cpu_minutes"])  # one that did not start has used none
    figures["inputs_per_second"] = round(figures["inputs"] / seconds, 1)
    for kind in ("coverage", "features"):
        last = figures[f"last_new_{kind}_minute"]
        figures[f"new_{kind}_in_last_quarter"] = last > 0.75 * figures["cpu_minutes"]
    (out / f"{name}.json").write_text(json.dumps(figures, indent=2) + "\n")
    return figures


def _found(folder: Path) -> list[str]:
    """What broke; libFuzzer itself keeps inputs that took the process down or too much."""
    kinds = [path.read_text().partition("\n")[0] for path in sorted(folder.glob("*.txt"))]
    return kinds + sorted(path.name for path in folder.glob("*-*"))


def _follow(process: subprocess.Popen[str], log: Path) -> dict[str, Any]:
    """What libFuzzer says: edges and features covered, and at which CPU-minute they last grew."""
    figures = {"coverage": 0, "features": 0}
    last = {"last_new_coverage_minute": 0.0, "last_new_features_minute": 0.0}
    cpu_minutes, n_inputs = 0.0, 0
    with log.open("w") as file:
        for text in process.stderr or ():
            file.write(text)
            file.flush()
            try:
                times = psutil.Process(process.pid).cpu_times()
                cpu_minutes = max(cpu_minutes, (times.user + times.system) / 60)
            except psutil.Error:
                pass  # It has ended; what it said last is still to be read.
            if match := _PROGRESS.match(text):
                n_inputs, *covered = map(int, match.groups())
                for kind, value in zip(figures, covered, strict=True):
                    if value > figures[kind]:
                        figures[kind] = value
                        last[f"last_new_{kind}_minute"] = round(cpu_minutes, 2)
    return {"inputs": n_inputs, "cpu_minutes": round(cpu_minutes, 2), **figures, **last}


def is_clean(figures: dict[str, Any]) -> bool:
    """Whether the time was used up and nothing was found."""
    return not figures["found"] and figures["exit"] == 0


def line(figures: dict[str, Any]) -> str:
    """The figures for a person."""
    found = ", ".join(figures["found"]) or ("nothing" if is_clean(figures) else "see log.txt")
    return (
        f"{figures['target']}: {figures['cpu_minutes']:.1f} CPU-minutes, {figures['inputs']} "
        f"inputs ({figures['inputs_per_second']}/s, slowest {figures['slowest_seconds']:.2f} s), "
        f"coverage {figures['coverage']} edges, last new at "
        f"{figures['last_new_coverage_minute']:.1f}, {figures['features']} features, last new at "
        f"{figures['last_new_features_minute']:.1f}; found: {found}"
    )


if __name__ == "__main__":
    sys.exit(main())
