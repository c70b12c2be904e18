"""Speed of segmentation alone, beside reading the files, one polars expression and a tokenizer.

Each is measured in one process and in two at once, single-threaded as the pipeline's workers are,
on the same files: the install's source and prose, where episodes are rare, and the gold sets.
"""

import itertools
import multiprocessing
import multiprocessing.synchronize
import os
import shutil
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.speed.corpus import install_roots, source_paths, texts_of

_VOCABULARY = 32_000
_TRAINING_BYTES = 8_000_000
_EXPRESSION = r"(?i)^\s*(?:q|question|a|answer)\s*\d*[.:]\s"

Measured = dict[str, list[float]]
Barrier = multiprocessing.synchronize.Barrier
Times = "multiprocessing.Queue[tuple[float, float, float]]"


def gold_texts(sets: Path) -> Iterator[str]:
    """The documents of all sets, again and again with other numbers in a first line."""
    paths = sorted(sets.glob("*/docs/*.txt"))
    copy = 0
    while paths:
        for path in paths:
            yield f"copy {copy}\n\n{path.read_text(encoding='utf-8')}\n"
        copy += 1


def write_corpus(texts: Iterator[str], folder: Path, size_bytes: int) -> int:
    """Writes a file a text until there are so many bytes; returns them."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    written = 0
    for text in texts:
        data = text.encode()
        (folder / f"{written:012d}.txt").write_bytes(data)
        written += len(data)
        if written >= size_bytes:
            break
    return written


def _read(files: list[Path]) -> Callable[[], object]:
    return lambda: [path.read_bytes().decode() for path in files]


def _express(files: list[Path]) -> Callable[[], object]:
    import polars as pl

    lines = pl.Series([line for path in files for line in path.read_text().splitlines()])
    return lambda: lines.str.contains(_EXPRESSION)


def _segment(files: list[Path]) -> Callable[[], object]:
    from benchmarks.segmentation.rules import documents_table
    from transforms.segment import segment_documents

    table = documents_table([path.read_text(encoding="utf-8") for path in files])
    segment_documents(documents_table(["Q: Why?\nA: So.\n"]))
    return lambda: segment_documents(table)


def _tokenize(files: list[Path]) -> Callable[[], object]:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(files[0].parent / "tokenizer.json"))
    texts = [path.read_text(encoding="utf-8") for path in files]
    return lambda: tokenizer.encode_batch_fast(texts, add_special_tokens=False)


TASKS: dict[str, Callable[[list[Path]], Callable[[], object]]] = {
    "reading the files": _read,
    "one polars expression": _express,
    "segmentation": _segment,
    "tokenizers": _tokenize,
}


def train_tokenizer(folder: Path) -> None:
    """A byte-level BPE of the folder's own text."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    files = sorted(folder.glob("*.txt"))
    n_bytes = itertools.accumulate(path.stat().st_size for path in files)
    is_used = [so_far <= _TRAINING_BYTES for so_far in n_bytes]
    tokenizer.train_from_iterator(
        (path.read_text(encoding="utf-8") for path in itertools.compress(files, is_used)),
        trainers.BpeTrainer(vocab_size=_VOCABULARY, initial_alphabet=alphabet, show_progress=False),
    )
    tokenizer.save(str(folder / "tokenizer.json"))


def _work(task: str, files: list[Path], barrier: Barrier, times: Times) -> None:
    run = TASKS[task](files)
    barrier.wait()
    start, cpu = time.monotonic(), time.process_time()
    run()
    times.put((start, time.monotonic(), time.process_time() - cpu))


def seconds(task: str, folder: Path, n_processes: int) -> tuple[float, float]:
    """From the first process's start to the last one's end, and CPU seconds of all.

    Preparations are left out: imports, and the texts in memory but for `reading the files`.
    """
    os.environ |= {
        "POLARS_MAX_THREADS": "1",
        "RAYON_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    context = multiprocessing.get_context("spawn")
    barrier, times = context.Barrier(n_processes), context.Queue()
    files = sorted(folder.glob("*.txt"))
    workers = [
        context.Process(target=_work, args=(task, files[i::n_processes], barrier, times))
        for i in range(n_processes)
    ]
    for worker in workers:
        worker.start()
    found = [times.get() for _ in workers]
    for worker in workers:
        worker.join()
    starts, ends, cpu = zip(*found, strict=True)
    return max(ends) - min(starts), sum(cpu)


def print_speed(sets: Path, *, megabytes: int = 64, runs: int = 3) -> dict[str, Measured]:
    """Prints a line a task and corpus; returns MB/s of all runs."""
    found: dict[str, Measured] = {}
    for name, texts in (
        ("install", texts_of(source_paths(install_roots()))),
        ("gold", gold_texts(sets)),
    ):
        folder = sets.parent / "speed" / name
        written = write_corpus(texts, folder, megabytes * 1_000_000)
        if not written:
            continue
        train_tokenizer(folder)
        print(f"\nMB/s, {name}, {written / 1e6:.0f} MB: median (least to most of {runs})")
        for n_processes in (1, 2):
            for task in TASKS:
                timed = [seconds(task, folder, n_processes) for _ in range(runs)]
                speeds = [written / 1e6 / wall for wall, _ in timed]
                found.setdefault(name, {})[f"{task}, {n_processes}"] = speeds
                spread = f"({min(speeds):.1f} to {max(speeds):.1f})"
                per_cpu = written / 1e6 / min(cpu for _, cpu in timed)
                print(
                    f"  {task:24}{n_processes} at once{statistics.median(speeds):9.1f} {spread:18}"
                    f"{per_cpu:9.1f} MB a CPU second",
                    flush=True,
                )
    return found
