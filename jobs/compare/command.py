"""`duologue compare`: the controlled experiment on one prepared corpus."""

import dataclasses
import json
import math
import os
from pathlib import Path

import torch
from rich.console import Console

from jobs.compare.config import ComparisonConfig
from jobs.compare.corpus import ComparedRows, compared_rows
from jobs.compare.design import make_design
from jobs.compare.estimate import print_estimate
from jobs.compare.results import DESIGN_FILE, RESULTS_FILE, Design, Results, Run
from jobs.compare.runs import DATA, RUNS, RunSpec, read_run, run_all, write_data
from jobs.train.policy import model_digest
from jobs.train.ranks import device_named
from jobs.view import on_one_line
from pipeline.atomic import TEMPORARY_SUFFIX, atomic_file, write_json
from pipeline.commit import RUN, locked
from pipeline.output import read_manifest
from pipeline.read_shards import tokenizer_of
from pipeline.tokenizer import OutputTokenizer
from schemas.errors import UserError
from schemas.parse import parsed_json


@dataclasses.dataclass(frozen=True, kw_only=True)
class CompareOptions:
    """How a comparison goes, beside what it finds.

    Attributes:
      device: `auto`, `cpu` or `cuda`.
      workers: runs side by side; None is one a core on the CPU, one on a GPU.
    """

    device: str = "auto"
    workers: int | None = None

    def resolved(self) -> tuple[str, int]:
        """The device, and how many runs stand side by side.

        Raises:
          UserError: if CUDA is asked for and there is none.
        """
        device = device_named(self.device).type
        n_cores = len(os.sched_getaffinity(0))
        return device, self.workers or (1 if device == "cuda" else n_cores)


def plan_comparison(
    corpus: Path, config: ComparisonConfig, options: CompareOptions, *, console: Console
) -> None:
    """Say what a comparison would take and what it could find; nothing is written.

    Raises:
      UserError: as `compare` would.
    """
    device, workers = options.resolved()
    saved = tokenizer_of(corpus, read_manifest(corpus))
    # Refuses a model that is not there before the wait.
    model_digest(config.model)
    _say(Console(stderr=True), f"making all arms of {corpus}, then timing a few steps")
    design, rows, config = _designed(corpus, config, saved, device)
    print_estimate(design, rows, config, saved, device=device, workers=workers, console=console)


def compare(
    corpus: Path,
    out: Path,
    config: ComparisonConfig,
    options: CompareOptions,
    *,
    console: Console,
) -> Results:
    """Train every arm from every seed, or those that are not done yet, and write what was found.

    OUT then holds design.json, data/ (the rows of all arms), runs/ and results.jsonl.

    Args:
      corpus: output of `duologue prepare`, with the config `documents`.
      out: folder of the comparison; the same command goes on with it.
      config: what to compare.
      options: how.
      console: for progress and notes.

    Raises:
      UserError: too little in the corpus for the contrasts, an OUT of another comparison, no such
        device or model.
    """
    device, workers = options.resolved()
    _check_ours(out)
    saved = tokenizer_of(corpus, read_manifest(corpus))
    model_digest(config.model)
    _say(console, f"making all arms of {corpus}")
    design, rows, config = _designed(corpus, config, saved, device)
    # Before the lock, which would make a folder of ours of it.
    _check_same(out, design)
    with locked(out):
        _check_same(out, design)
        _sweep(out)
        data = write_data(out, rows, saved)
        write_json(out / DESIGN_FILE, dataclasses.asdict(design))
        specs = _specs(out.resolve(), design, config, device, data)
        steps = design.training["steps"]
        _say(console, f"{len(specs)} runs of {steps} steps, {workers} side by side on {device}")
        before = {known.name for spec in specs if (known := read_run(spec))}
        runs: list[Run] = []
        for run in run_all(specs, workers=workers):
            runs.append(run)
            when = ", done before" if run.name in before else ""
            _say(console, _line(run, len(runs), len(specs), design) + when)
        order = {arm: place for place, arm in enumerate(config.arms)}
        runs.sort(key=lambda run: (order[run.arm], run.seed))
        results = Results(design=design, runs=runs)
        with atomic_file(out / RESULTS_FILE) as file:
            file.write("".join(f"{line}\n" for line in results.lines()).encode())
    return results


def _specs(
    out: Path, design: Design, config: ComparisonConfig, device: str, data: dict[str, str]
) -> list[RunSpec]:
    """The runs, seed by seed, so that what is there early is paired."""
    content = {arm["name"]: arm["content_sha256"] for arm in design.arms}
    return [
        RunSpec(
            out=out,
            design=design.digest,
            config=config,
            arm=arm,
            seed=seed,
            device=device,
            data=data,
            content_sha256=content[arm],
            model_digest=model_digest(config.model),
        )
        for seed in design.seeds
        for arm in config.arms
    ]


def _designed(
    corpus: Path, config: ComparisonConfig, saved: OutputTokenizer, device: str
) -> tuple[Design, ComparedRows, ComparisonConfig]:
    rows = compared_rows(corpus, saved.segment_tokenizer(), config)
    design = make_design(corpus, rows, config, saved, torch.device(device))
    if failing := [each["statement"] for each in design.invariants if not each["holds"]]:
        msg = f"an invariant of the arms does not hold: {'; '.join(failing)}"
        raise AssertionError(msg)
    train = dataclasses.replace(config.train, **design.training)
    return design, rows, dataclasses.replace(config, train=train)


def _sweep(out: Path) -> None:
    """Remove what a run that was killed left half written."""
    for path in (*out.glob(f".*{TEMPORARY_SUFFIX}"), *out.glob(f"{DATA}/.*{TEMPORARY_SUFFIX}")):
        path.unlink()


def _check_ours(out: Path) -> None:
    """Refuse a folder that holds something else.

    Raises:
      UserError: if it is a file, or has content that is not ours.
    """
    if out.exists() and not out.is_dir():
        msg = f"{out} is a file: choose a folder for --out"
        raise UserError(msg)
    if (out / DESIGN_FILE).exists() or not out.exists():
        return
    names = {each.name for each in out.iterdir() if each.suffix != TEMPORARY_SUFFIX}
    # A run that was killed early may have left its lock and its data without a design.
    if names - ({DATA, RUN} if RUN in names else set()):
        msg = f"{out} is not empty and no comparison: choose another --out"
        raise UserError(msg)


def _check_same(out: Path, design: Design) -> None:
    """Refuse a comparison of another design.

    Raises:
      UserError: naming what differs.
    """
    path = out / DESIGN_FILE
    if not path.exists():
        return
    try:
        known = Design.from_json(parsed_json(path.read_bytes()))
    except (ValueError, TypeError) as error:
        msg = f"{path} is damaged ({error}): choose another --out"
        raise UserError(msg) from error
    if differing := _differences(known, design):
        msg = (
            f"{out} is a comparison with other {', '.join(differing)}: repeat its command to "
            "go on, or choose another --out"
        )
        raise UserError(msg)


def _differences(known: Design, now: Design) -> list[str]:
    """The parts of two designs that differ, with the settings of each."""
    found = []
    now_fields = json.loads(json.dumps(dataclasses.asdict(now)))
    for name, there in dataclasses.asdict(known).items():
        here = now_fields[name]
        if there == here:
            continue
        if isinstance(here, dict):
            keys = [key for key in here if there.get(key) != here[key]]
            found.append(f"{name} ({', '.join(keys)})")
        else:
            found.append(name)
    return found


def _say(console: Console, words: str) -> None:
    console.print(on_one_line(words), soft_wrap=True, highlight=False, markup=False)


def _line(run: Run, number: int, n_runs: int, design: Design) -> str:
    """A run that ended, for a person."""
    head = f"run {number}/{n_runs}  {run.arm}, seed {run.seed}"
    if run.error:
        return f"{head}: FAILED, {run.error}; see {RUNS}/{run.name}/log.txt"
    n_bytes = sum(cell["bytes"] for cell in design.test["cells"])
    bits = sum(run.nats["raw"]) / n_bytes / math.log(2)
    return f"{head}: {bits:.4f} bits per byte of held-out answers, raw prompt"
