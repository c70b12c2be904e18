"""Runs prepare on every engine, kills parts of them, and prints and saves the table.

`python -m tests.clusters [ENGINE ...]`; the exit code says whether all was as it has to be.
"""

import argparse
import contextlib
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.speed.corpus import made_corpus, made_tokenizer
from tests.clusters import flink, install, prism, spark
from tests.clusters.engine import Engine
from tests.clusters.machines import EngineError, machines
from tests.clusters.trial import Trial, tried
from tests.running import duologue

ENGINES = {"flink": flink.started, "spark": spark.started, "prism": prism.started}

WORKERS = 2

MEGABYTES = 208
CHUNK_BYTES = 2_500_000

RESUMED = "when run again"

HEADER = (
    *("engine", "version", "start-up s", "job s", "hashes equal", "killed", "survived"),
    *("committed before", "redone", "lost", "doubled"),
)


def local_run(work: Path, prepare: list[object]) -> tuple[Path, float]:
    """(what a run without an engine wrote, its seconds).

    Raises:
      EngineError: if it failed.
    """
    out = work / "local"
    shutil.rmtree(out, ignore_errors=True)
    begun = time.monotonic()
    try:
        ran = duologue("prepare", *prepare, "--out", out)
    except subprocess.TimeoutExpired as error:
        msg = f"the local run did not end in {error.timeout:.0f} s"
        raise EngineError(msg) from error
    if ran.code:
        msg = f"the local run failed: {ran.last_line}"
        raise EngineError(msg)
    return out, time.monotonic() - begun


def trials(name: str, work: Path, prepare: list[object], local: Path) -> Iterator[list[str]]:
    """Rows of the table for one engine, which is started anew for each of them."""
    victims: list[str] = [""]
    for victim in victims:
        logs = work / "logs" / f"{name}-{len(victims)}-{victim.replace(' ', '-') or 'whole'}"
        with machines(WORKERS, logs) as cluster:
            begun = time.monotonic()
            with ENGINES[name](cluster, WORKERS) as engine:
                ready = time.monotonic() - begun
                out = work / f"{name}-{victim.replace(' ', '-') or 'whole'}"
                trial = tried(cluster, engine, prepare, out, local, victim)
                if not victim:
                    victims += engine.victims
        if not trial.survived:
            print(f"{engine.name}: {trial.said}", flush=True)
        yield row(engine, ready, trial)


def row(engine: Engine, ready: float, trial: Trial) -> list[str]:
    """A line of the table."""
    return [
        *(engine.name, engine.version, f"{ready:.0f}", f"{trial.seconds:.0f}"),
        *(_word(trial.is_equal), trial.killed or "nothing"),
        RESUMED if trial.resumed else _word(trial.survived),
        *map(str, (trial.committed, trial.redone, trial.lost, trial.doubled)),
    ]


def _word(is_so: bool) -> str:
    return "yes" if is_so else "no"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> int:
    """Run them all."""
    parser = argparse.ArgumentParser(prog="python -m tests.clusters", description=__doc__)
    parser.add_argument("engines", nargs="*", metavar="ENGINE", help=", ".join(ENGINES))
    names = parser.parse_args().engines or [*ENGINES]
    if unknown := [name for name in names if name not in ENGINES]:
        parser.error(f"no such engine: {unknown[0]}; there are {', '.join(ENGINES)}")
    # So that what was started is stopped then too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    work = install.HOME / "runs"
    work.mkdir(parents=True, exist_ok=True)
    corpus = made_corpus(install.HOME / "corpus", MEGABYTES, "parts")
    tokenizer = made_tokenizer(install.HOME / "corpus")
    prepare = [corpus.path, "--tokenizer", tokenizer, "--chunk-bytes", CHUNK_BYTES]
    try:
        local, seconds = local_run(work, prepare)
    except EngineError as error:
        sys.exit(str(error))
    n_chunks = len(list(local.glob("_chunks/*.json")))
    lines = [
        f"{corpus.text_bytes / 1e6:.0f} MB in {n_chunks} chunks; local run {seconds:.0f} s.\n",
        _line([*HEADER]),
        "|---" * len(HEADER) + "|",
    ]
    print("\n".join(lines), flush=True)
    failed = False
    for name in names:
        try:
            for cells in trials(name, work, prepare, local):
                lines.append(_line(cells))
                print(lines[-1], flush=True)
                # Nothing is to be redone, lost or doubled, and no job lost for good. Prism alone
                # may give one up.
                failed |= "no" in cells or any(cell != "0" for cell in cells[-3:])
                failed |= name != "prism" and RESUMED in cells
        except (EngineError, install.CannotInstallError) as error:
            print(f"{name}: {error}", file=sys.stderr, flush=True)
            failed = True
    (install.HOME / "table.md").write_text("\n".join(lines) + "\n")
    return int(failed)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
    sys.exit(130)
