"""Speed and memory of `duologue prepare` beside `tokenizers` alone, in one run.

    .venv/bin/python benchmarks/prepare.py --mb 64 256 --runs 3

Both read the same text files with the same vocabulary on the same number of processes and write
token ids to disk; whole commands are timed, start-up included, in turn. `tokenizers` alone is a
loop of encode_batch_fast that does nothing else: no segmentation, players, segments, hashes or
commits. The corpus is the Python source and prose of the running install, repeated with the words
of each copy's identifiers changed when the install is smaller than asked for.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

SUFFIXES = {".py", ".pyi", ".md", ".rst", ".txt"}
FILE_BYTES = 64_000
SAMPLE_SECONDS = 0.5
"""Asking the system for a large process's memory takes milliseconds of a core."""


def source_texts() -> Iterator[str]:
    """Text of the install's source and prose files, sorted by path; no file twice."""
    roots = dict.fromkeys(sysconfig.get_path(name) for name in ("stdlib", "purelib"))
    for root in map(Path, roots):
        for path in sorted(root.rglob("*")):
            if path.suffix in SUFFIXES and path.is_file():
                try:
                    yield path.read_text(encoding="utf-8")
                except UnicodeDecodeError:
                    continue


def build_corpus(folder: Path, megabytes: int) -> int:
    """Write files of about 64 kB until there are that many megabytes; returns the bytes."""
    folder.mkdir(parents=True)
    written, number, copy, batch = 0, 0, 0, ""
    while written < megabytes * 1e6:
        for text in source_texts():
            # A copy with other words: the tokenizer's cache must not know them all.
            batch += (
                re.sub(r"\b([a-z]{6,})\b", rf"\1{'xyzw'[copy % 4] * copy}", text) if copy else text
            )
            if len(batch) >= FILE_BYTES:
                data = batch.encode()
                (folder / f"{number:06d}.txt").write_bytes(data)
                written, number, batch = written + len(data), number + 1, ""
                if written >= megabytes * 1e6:
                    break
        copy += 1
    return written


ALONE = """
import sys
from multiprocessing import get_context
from pathlib import Path
import numpy as np
from tokenizers import Tokenizer

def work(job):
    tokenizer_path, files, out = job
    tokenizer = Tokenizer.from_file(tokenizer_path)
    with open(out, "wb") as sink:
        for start in range(0, len(files), 16):
            texts = [Path(f).read_text(encoding="utf-8") for f in files[start:start + 16]]
            for encoding in tokenizer.encode_batch_fast(texts, add_special_tokens=False):
                sink.write(np.array(encoding.ids, np.uint16).tobytes())

if __name__ == "__main__":
    tokenizer_path, folder, out, workers = sys.argv[1:]
    files = sorted(map(str, Path(folder).glob("*.txt")))
    n = int(workers)
    jobs = [(tokenizer_path, files[i::n], f"{out}.{i}") for i in range(n)]
    with get_context("spawn").Pool(n) as pool:
        pool.map(work, jobs)
"""

PREPARE = [sys.executable, "-m", "jobs.cli", "prepare"]
Runs = dict[str, list[dict[str, float]]]
SINGLE_THREADED = {"RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}


def measure(command: list[str], env: dict[str, str]) -> dict[str, float]:
    """Seconds, and peak memory of the process and all below it, sampled."""
    start = time.perf_counter()
    child = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    peak = 0

    def sample() -> None:
        nonlocal peak
        process = psutil.Process(child.pid)
        while child.poll() is None:
            total = 0
            try:
                for each in [process, *process.children(recursive=True)]:
                    memory = each.memory_full_info() if hasattr(each, "memory_full_info") else None
                    total += memory.pss if memory else each.memory_info().rss
            except psutil.Error:
                pass
            peak = max(peak, total)
            time.sleep(SAMPLE_SECONDS)

    watcher = threading.Thread(target=sample)
    watcher.start()
    _, errors = child.communicate()
    seconds = time.perf_counter() - start
    watcher.join()
    if child.returncode:
        sys.exit(f"{command[0]} failed: {errors.decode()[-500:]}")
    return {"seconds": seconds, "peak_mib": peak / 2**20}


def trained(folder: Path, work: Path) -> Path:
    """A tokenizer of 32,000 entries, made by the command under test."""
    out = work / "tokenizer"
    options = ["--out", str(out), "--tokenizer", "train:32000", "--configs", "episodes"]
    subprocess.run([*PREPARE, str(folder), *options], check=True, stdout=subprocess.DEVNULL)
    return out / "tokenizer.json"


def in_turn(folder: Path, tokenizer: Path, work: Path, args: argparse.Namespace) -> Runs:
    """Run both tools one after the other, as often as asked."""
    alone = work / "alone.py"
    alone.write_text(ALONE)
    out, workers = work / "out", str(args.workers)
    options = ["--out", str(out), "--tokenizer", str(tokenizer), "--workers", workers]
    commands = {
        "duologue": [*PREPARE, str(folder), *options],
        "tokenizers alone": [
            *(sys.executable, str(alone), str(tokenizer), str(folder), str(work / "ids"), workers)
        ],
    }
    found: Runs = {name: [] for name in commands}
    for _ in range(args.runs):
        shutil.rmtree(out, ignore_errors=True)
        for name, command in commands.items():
            found[name].append(measure(command, os.environ | SINGLE_THREADED))
    return found


def show(found: Runs, megabytes: float) -> dict[str, list[float]]:
    """Print a line a tool and the ratios of the pairs; returns MB/s of all runs."""
    speeds = {name: [megabytes / run["seconds"] for run in runs] for name, runs in found.items()}
    for name, runs in found.items():
        peak = max(run["peak_mib"] for run in runs)
        print(f"{name:18}{megabytes:6.0f} MB {spread(speeds[name])} MB/s, peak {peak:5.0f} MiB")
    ours, alone = speeds.values()
    pairs = [a / b for a, b in zip(ours, alone, strict=True)]
    print(f"{'ratio':18}{megabytes:6.0f} MB {spread(pairs)}", flush=True)
    return speeds


def spread(values: list[float]) -> str:
    """Median, least and greatest."""
    return f"median {statistics.median(values):6.2f} ({min(values):.2f} to {max(values):.2f})"


def main() -> None:
    """Build corpora, run the tools in turn, print the table; with --json save the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mb", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--work", type=Path, default=Path("build/bench"))
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    shutil.rmtree(args.work, ignore_errors=True)
    tokenizer, figures = None, {}
    for megabytes in args.mb:
        folder = args.work / f"corpus-{megabytes}"
        written = build_corpus(folder, megabytes) / 1e6
        tokenizer = tokenizer or trained(folder, args.work)
        found = in_turn(folder, tokenizer, args.work, args)
        figures[megabytes] = {"mb_per_s": show(found, written), "runs": found}
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
