"""`duologue prepare` beside tools that only tokenise: speed, CPU time, memory, tokens.

    make bench
    .venv/bin/python -m benchmarks.speed --mb 64 256 1024 --peer-mb 64 --runs 3

All turn the same text on disk into token shards on disk, with the same vocabulary of GPT-2's kind
and size, on the same number of single-threaded worker processes. Whole commands are timed, start-up
included, in turn, each round in another order. Peers are installed below build/peers: 1 GB.
"""

import argparse
import datetime
import hashlib
import itertools
import os
import platform
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import psutil

from benchmarks.peers import NotInstalledError
from benchmarks.speed.contenders import CONTENDERS, DUOLOGUE, ROOT, Contender, Job
from benchmarks.speed.corpus import FORMS, Corpus, made_corpus, made_tokenizer, warm
from benchmarks.speed.measure import SINGLE_THREADED, Measured, RunFailedError, measure
from benchmarks.speed.plot import write_plots
from benchmarks.speed.runs import HELP, Run, Trial, save
from benchmarks.speed.table import details_table, tools_table, write_csv

BY_NAME = {each.name: each for each in CONTENDERS}


def trials_of(args: argparse.Namespace) -> list[Trial]:
    """All that is to be run: tools by size; duologue by forms and workers; its start-up."""
    chosen = [BY_NAME[name] for name in args.only]
    trials = [
        Trial(megabytes=mb, contender=each.name, form=each.form, workers=args.workers)
        for mb in sorted({*args.mb, *args.peer_mb})
        for each in chosen
        if mb in (args.mb if each.is_fast else args.peer_mb)
    ]
    if DUOLOGUE in args.only:
        own = {"contender": DUOLOGUE, "megabytes": args.shape_mb}
        trials += [Trial(form=form, workers=args.workers, **own) for form in args.shapes]
        trials += [Trial(form=form, workers=1, **own) for form in args.shapes[:1]]
        trials.append(Trial(megabytes=0, contender=HELP, form="", workers=1))
    return list(dict.fromkeys(trials))


def in_turn(trials: Iterable[Trial], rounds: int) -> Iterator[Trial]:
    """By size; each round of a size begins with another tool."""
    ordered = sorted(trials, key=lambda trial: trial.megabytes)
    for _, group in itertools.groupby(ordered, lambda trial: trial.megabytes):
        same = list(group)
        for number in range(rounds):
            at = number * len(same) // rounds
            yield from (*same[at:], *same[:at])


def run_once(trial: Trial, args: argparse.Namespace, missing: dict[str, str]) -> Run:
    """Run a trial in an empty folder, count what it wrote, and remove it."""
    told: dict[str, Any] = {
        "trial": trial,
        "is_own": trial.contender != HELP
        and trial.workers == args.workers
        and trial.form == BY_NAME[trial.contender].form,
    }
    if trial.contender in missing:
        return Run(**told, failure=missing[trial.contender])
    folder = args.work / "run"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        if trial.contender == HELP:
            argv = [sys.executable, "-m", "jobs.cli", "--help"]
            took = measure(argv, env=environment(folder, None), folder=folder, limit_seconds=60)
            return Run(**told, **_known(took))
        return Run(**told, **_measured(BY_NAME[trial.contender], trial, folder, args))
    except (RunFailedError, OSError, ValueError) as error:
        return Run(**told, failure=str(error))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _measured(
    tool: Contender, trial: Trial, folder: Path, args: argparse.Namespace
) -> dict[str, Any]:
    corpus: Corpus = made_corpus(args.work, trial.megabytes, trial.form)
    tokenizer = made_tokenizer(args.work)
    job = Job(corpus=corpus.path, tokenizer=tokenizer, out=folder / "out", workers=trial.workers)
    argv = [tool.python(), *tool.argv(job)]
    warm(corpus.path)
    env = environment(folder, tool)
    took = measure(argv, env=env, folder=folder, limit_seconds=args.limit)
    wrote = tool.wrote(job.out)
    if not wrote.text_tokens:
        msg = "no token was written"
        raise RunFailedError(msg)
    # A record is written once, when its chunk is committed.
    commits = [path.stat().st_mtime for path in job.out.glob("_chunks/*.json")]
    return {
        **_known(took),
        "text_bytes": corpus.text_bytes,
        "documents": corpus.documents,
        "first_shard_seconds": min(commits) - took.began if commits else None,
        "text_tokens": wrote.text_tokens,
        "control_tokens": wrote.control_tokens,
        "remark": wrote.remark,
    }


def _known(took: Measured) -> dict[str, float]:
    names = ("load", "others_cores", "seconds", "cpu_seconds", "peak_mib")
    return {name: getattr(took, name) for name in names}


def environment(folder: Path, tool: Contender | None) -> dict[str, str]:
    """Of a run: one thread a worker, no hub, caches in the run's own folder."""
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    caches = {"HF_HOME": str(folder / "hf"), "DATA_OPTIMIZER_CACHE_FOLDER": str(folder / "cache")}
    if tool is None or tool.peer is None:
        env["PYTHONPATH"] = os.pathsep.join(map(str, [*(tool.paths if tool else ()), ROOT]))
    return env | SINGLE_THREADED | caches | {"HF_HUB_OFFLINE": "1"}


def machine(args: argparse.Namespace) -> dict[str, Any]:
    """What the figures hold for; installs the tools, `missing` says why one is not there."""
    versions, missing = {}, {}
    for tool in (BY_NAME[name] for name in args.only):
        try:
            versions[tool.package] = tool.version()
        except NotInstalledError as error:
            missing[tool.name] = f"not installed: {error}"
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": platform.release(),
        "python": platform.python_version(),
        "versions": versions,
        "missing": missing,
        "tokenizer_sha256": hashlib.sha256(made_tokenizer(args.work).read_bytes()).hexdigest(),
        "workers": args.workers,
        "rounds": args.runs,
    }


def _cpu_model() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def parsed(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--mb", type=int, nargs="+", default=[64, 256], help="of text, all sizes")
    add("--peer-mb", type=int, nargs="*", help="sizes of the slow tools; default the smallest")
    add("--runs", type=int, default=3, help="rounds of each size")
    add("--workers", type=int, default=2)
    add("--only", nargs="+", choices=BY_NAME, default=list(BY_NAME), metavar="NAME")
    add("--shapes", nargs="*", choices=FORMS, default=["files", "jsonl", "zst"])
    add("--shape-mb", type=int, help="size of the runs by shape; default the smallest")
    add("--limit", type=float, default=1800, help="seconds after which a run is stopped")
    add("--work", type=Path, default=Path("build/bench"), help="corpora are kept there")
    add("--out", type=Path, default=Path("build/bench/results"), help="tables and plots")
    args = parser.parse_args(argv)
    args.work = args.work.absolute()
    args.peer_mb = [min(args.mb)] if args.peer_mb is None else args.peer_mb
    args.shape_mb = args.shape_mb or min(args.mb)
    return args


def report(out: Path, facts: dict[str, Any], runs: list[Run]) -> str:
    """Save what is known so far; returns the tables."""
    out.mkdir(parents=True, exist_ok=True)
    save(out / "runs.json", facts, runs)
    write_csv(out / "runs.csv", runs)
    others = [run.others_cores for run in runs]
    about = (
        f"{facts['date']}: {facts['cpu']}, {facts['cores']} cores, {facts['workers']} workers, "
        f"others kept {min(others):.1f} to {max(others):.1f} cores busy; "
        + ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    )
    tables = "\n\n".join([about, tools_table(runs), details_table(runs, DUOLOGUE)]) + "\n"
    (out / "tables.md").write_text(tables, encoding="utf-8")
    write_plots(out, runs)
    return tables


def main() -> None:
    """Install, build, run all in turn, and print the tables."""
    args = parsed()
    facts, runs, failed = machine(args), list[Run](), set[Trial]()
    trials = trials_of(args)
    # Once untimed, on little text: else the first of each would load its program from disk.
    for name in dict.fromkeys(trial.contender for trial in trials if trial.megabytes):
        small = Trial(megabytes=1, contender=name, form=BY_NAME[name].form, workers=args.workers)
        run_once(small, args, facts["missing"])
    for trial in in_turn(trials, args.runs):
        if trial not in failed:
            run = run_once(trial, args, facts["missing"])
            runs.append(run)
            failed |= {trial} if run.failure else set()
            print(f"{trial}: {run.failure or f'{run.seconds:.1f} s'}", file=sys.stderr, flush=True)
            report(args.out, facts, runs)
    print(report(args.out, facts, runs))


if __name__ == "__main__":
    main()
