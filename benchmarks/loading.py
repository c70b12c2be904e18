"""Loading a prepared corpus: first batch, batches in order, batches shuffled over all of it.

    .venv/bin/python -m benchmarks.loading --mtok 100

The corpus is that of `benchmarks.speed`, prepared with rows of at most a context. What `train` uses
(`load_rows`, `PackedRows`: rows packed into contexts, positions, targets and loss mask, as int64
tensors) stands beside what `datasets` gives of the same shards: rows of ids as NumPy arrays. Each
is started in a process of its own, several times in turn; its shards are in the page cache.
"""

import argparse
import importlib
import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.speed.corpus import made_corpus, made_tokenizer

WORK = Path("build/bench")
CONTEXT = 2048
BATCH_CONTEXTS = 32
BATCH_ROWS = 64
SECONDS = 4.0
"""Of batches in order, and of shuffled ones."""

BYTES_PER_TOKEN = 4.0
"""Of the corpus, with its vocabulary; a bit more text than it takes is prepared."""

Loader = tuple[int, Callable[[np.ndarray], int], int]
"""How many items there are; what takes a batch of some and counts its tokens; a batch's size."""


def packed(out: Path) -> Loader:
    """Contexts of the corpus as `train` sees them."""
    from jobs.train.batches import PackedRows
    from jobs.train.rows import load_rows
    from pipeline.tokenizer import load_output_tokenizer

    tokenizer = load_output_tokenizer(out).segment_tokenizer()
    columns = ("input_ids", "player")
    rows = load_rows(
        out, tokenizer, config="documents", split="train", context=CONTEXT, columns=columns
    )
    data = PackedRows(rows.table, context=CONTEXT, bos_id=tokenizer.bos_id)

    def tokens(chosen: np.ndarray) -> int:
        data.batch(chosen)
        return int(data.n_tokens[chosen].sum())

    return len(data), tokens, BATCH_CONTEXTS


def of_datasets(out: Path) -> Loader:
    """Rows of the corpus as `datasets` gives them."""
    import datasets

    cache = out.with_name("cache")
    shutil.rmtree(cache, ignore_errors=True)
    data = datasets.load_dataset(str(out), split="train", cache_dir=str(cache))
    data = data.select_columns(["input_ids", "player"]).with_format("numpy")

    def tokens(chosen: np.ndarray) -> int:
        is_range = chosen[-1] - chosen[0] == len(chosen) - 1
        batch = data[int(chosen[0]) : int(chosen[-1]) + 1] if is_range else data[chosen]
        return sum(map(len, batch["input_ids"]))

    return len(data), tokens, BATCH_ROWS


LOADERS = {"duologue train": packed, "datasets.load_dataset": of_datasets}

IMPORTED = ("torch", "jobs.train.rows", "jobs.train.batches", "pipeline.tokenizer", "datasets")
"""Before the clock starts: importing torch takes longer than all that is measured."""


def measure(name: str, out: Path) -> dict[str, float]:
    """Open a corpus and take batches of it, in this process."""
    for module in IMPORTED:
        importlib.import_module(module)
    started = time.perf_counter()
    n, tokens, size = LOADERS[name](out)
    tokens(np.arange(min(size, n)))
    figures = {"first_batch_seconds": time.perf_counter() - started}
    shuffled = np.random.default_rng(0).permutation(n)
    for order, index in (("in_order", np.arange(n)), ("shuffled", shuffled)):
        began, taken = time.perf_counter(), 0
        for at in range(0, n - size + 1, size):
            taken += tokens(index[at : at + size])
            if time.perf_counter() - began > SECONDS:
                break
        figures[f"{order}_mtok_per_second"] = taken / (time.perf_counter() - began) / 1e6
    figures["peak_mib"] = psutil.Process().memory_info().rss / (1 << 20)
    return figures


def prepared(mtok: float) -> Path:
    """A corpus of that many million tokens, prepared when it is not there yet."""
    corpus = made_corpus(WORK, round(mtok * BYTES_PER_TOKEN), "files")
    out = WORK / f"loading-{mtok:g}"
    if not (out / "manifest.json").exists():
        argv = [sys.executable, "-m", "jobs.cli", "prepare", corpus.path, "--out", out]
        more = ["--tokenizer", made_tokenizer(WORK), "--max-tokens", CONTEXT - 1]
        subprocess.run([*map(str, argv + more)], check=True, stdout=sys.stderr)
    return out


def main() -> None:
    """Measure all loaders in turn, and print and save a table of medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mtok", type=float, default=100.0)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(measure(asked.one[0], Path(asked.one[1]))))
        return
    out = prepared(asked.mtok)
    tokens = json.loads((out / "manifest.json").read_bytes())["shards"]
    n_tokens = sum(each["tokens"] for each in tokens if each["config"] == "documents")
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in LOADERS}
    for _ in range(asked.runs):
        for name, runs in found.items():
            argv = [sys.executable, "-m", "benchmarks.loading", "--one", name, str(out)]
            runs.append(json.loads(subprocess.run(argv, check=True, capture_output=True).stdout))
    load = psutil.getloadavg()[0]
    print(f"{n_tokens / 1e6:.0f} million tokens, {psutil.cpu_count()} cores, load {load:.1f}")
    names = ("first_batch_seconds", "in_order_mtok_per_second", "shuffled_mtok_per_second")
    print("| loader | first batch, s | in order, Mtok/s | shuffled, Mtok/s | memory, MiB |")
    print("|---|---|---|---|---|")
    for name, runs in found.items():
        cells = [statistics.median(run[key] for run in runs) for key in (*names, "peak_mib")]
        print(f"| `{name}` | {cells[0]:.2f} | {cells[1]:.0f} | {cells[2]:.0f} | {cells[3]:.0f} |")
    (WORK / "loading.json").write_text(json.dumps({"load": load, "runs": found}, indent=1))


if __name__ == "__main__":
    main()
