"""Runs: one arm from one seed, each in a process of its own, complete or to be gone on with."""

import contextlib
import dataclasses
import json
import math
import multiprocessing
import os
import sys
from collections.abc import Iterator
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import numpy as np
import torch

from jobs.compare.arms import ARMS, Content, Delimiters, arm_delimiters, arm_rows
from jobs.compare.config import RAW, SPELLED, ComparisonConfig, prompts_of, scheme_of
from jobs.compare.corpus import (
    Answers,
    ComparedRows,
    all_delimiters,
    answers_of,
    read_rows,
    train_content,
    write_rows,
)
from jobs.compare.design import longest_rows, packed_arm
from jobs.compare.results import Run
from jobs.train.batches import PackedRows, contexts_of_step
from jobs.train.checkpoint import drop_checkpoints, load_checkpoint, save_checkpoint
from jobs.train.loop import Learner, Step, score, train
from jobs.train.metrics import metrics_after, read_metrics
from jobs.train.policy import new_policy
from jobs.train.ranks import Ranks, device_named
from pipeline.atomic import write_json
from pipeline.tokenizer import load_output_tokenizer
from schemas.errors import UserError

DATA, RUNS, RUN_FILE, ERROR_FILE = "data", "runs", "run.json", "error.txt"

CURVE_POINTS = 10
VALIDATION_TOKENS = 8192
"""Held-out text that a point of a learning curve is scored on, at least one row."""

SAVE_EVERY = 200
_CONTENT = 0
"""Group of the tokens that are no delimiters, in the column is_delimiter."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class RunSpec:
    """What a run's process is told.

    Attributes:
      out: folder of the comparison.
      design: digest of its design.
      config: of the comparison, training resolved.
      arm: of the run.
      seed: of the run.
      device: `cpu` or `cuda`.
      threads: that torch may use.
    """

    out: Path
    design: str
    config: ComparisonConfig
    arm: str
    seed: int
    device: str
    threads: int

    @property
    def folder(self) -> Path:
        """Of the run."""
        return self.out / RUNS / f"{self.arm}-{self.seed}"


def write_data(out: Path, rows: ComparedRows) -> None:
    """Write the base rows that every run reads."""
    for field in dataclasses.fields(rows):
        table = getattr(rows, field.name)
        if table is not None:
            write_rows(table, out / DATA / f"{field.name}.arrow")


def run_all(specs: list[RunSpec], *, workers: int) -> Iterator[Run]:
    """Runs side by side, each in its own process, so that one that dies takes no other along.

    Yields:
      Each run as it ends, done or with its error; those that were done before come first.
    """
    context = multiprocessing.get_context("forkserver")
    # torch is imported once, then forked.
    context.set_forkserver_preload([__name__])
    waiting = []
    for spec in specs:
        if (known := read_run(spec)) is not None:
            yield known
        else:
            waiting.append(spec)
    running: dict[int, tuple[RunSpec, Any]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                spec = waiting.pop(0)
                process = context.Process(target=_in_process, args=(spec,), daemon=True)
                process.start()
                running[process.sentinel] = (spec, process)
            for sentinel in wait(list(running)):
                spec, process = running.pop(sentinel)
                process.join()
                yield read_run(spec) or _failed(spec, process.exitcode)
    finally:
        for _, process in running.values():
            process.kill()
            process.join()


def read_run(spec: RunSpec) -> Run | None:
    """The run if it is done."""
    try:
        run = Run.from_json(json.loads((spec.folder / RUN_FILE).read_bytes()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        msg = f"{spec.folder / RUN_FILE} is damaged ({error}): remove it, the run is made again"
        raise UserError(msg) from error
    return run if run.design == spec.design else None


def _failed(spec: RunSpec, exit_code: int) -> Run:
    path = spec.folder / ERROR_FILE
    if exit_code < 0:
        error = f"its process was ended by signal {-exit_code}"
    else:
        error = path.read_text() if path.exists() else f"its process ended with {exit_code}"
    return Run(design=spec.design, arm=spec.arm, seed=spec.seed, error=error)


def _in_process(spec: RunSpec) -> None:
    """One run; an error becomes a line in its folder and the exit code 1."""
    spec.folder.mkdir(parents=True, exist_ok=True)
    (spec.folder / ERROR_FILE).unlink(missing_ok=True)
    # What libraries print would run through the others' lines.
    with (spec.folder / "log.txt").open("a") as log, contextlib.redirect_stdout(log):
        os.dup2(log.fileno(), sys.stderr.fileno())
        try:
            torch.set_num_threads(spec.threads)
            _TrainedArm(spec).run()
        except Exception as error:
            (spec.folder / ERROR_FILE).write_text(f"{type(error).__name__}: {error}"[:500])
            raise


class _TrainedArm:
    """An arm as it is trained and scored."""

    def __init__(self, spec: RunSpec) -> None:
        self.spec = spec
        self.config = dataclasses.replace(spec.config.train, seed=spec.seed)
        self.saved = load_output_tokenizer(spec.out / DATA)
        self.tokenizer = self.saved.segment_tokenizer()
        base = read_rows(spec.out / DATA / "train.arrow")
        content = train_content(base)
        of_scheme = all_delimiters(base, self.tokenizer, spec.config.schemes)
        rows = arm_rows(
            content, self._delimiters(spec.arm, content, of_scheme, keeps_half_bare=True)
        )
        lengths = longest_rows(content, of_scheme)
        self.data = packed_arm(rows, lengths, self.config, self.tokenizer)
        self.bytes_of_context = np.array(
            [int(content.n_bytes[each].sum()) for each in self.data.rows_of_context]
        )
        self.validation = self._validation()

    def run(self) -> None:
        """Train, from the start or the last checkpoint, score, and write the run down."""
        spec = self.spec
        ranks = Ranks(device=device_named(spec.device))
        policy = new_policy(
            spec.config.model, self.saved, context=self.config.context, seed=spec.seed
        )
        self.learner = Learner(policy, self.config, ranks)
        done = load_checkpoint(spec.folder, policy, self.learner.optimizer)
        with metrics_after(spec.folder, done) as self.metrics:
            train(self.learner, self.data, group="is_delimiter", done=done, on_step=self._on_step)
        nats, delimiter_nats = self._test()
        lines = read_metrics(spec.folder)
        run = Run(
            design=spec.design,
            arm=spec.arm,
            seed=spec.seed,
            steps=self.config.steps,
            trained_tokens=sum(line["trained_tokens"] for line in lines),
            nats=nats,
            delimiter_nats=delimiter_nats,
            curve=_curve(lines),
            device=_name_of(ranks.device),
        )
        write_json(spec.folder / RUN_FILE, dataclasses.asdict(run))
        drop_checkpoints(spec.folder)

    def _delimiters(
        self,
        arm: str,
        content: Content,
        of_scheme: dict[str, Delimiters],
        *,
        keeps_half_bare: bool,
    ) -> Delimiters | None:
        return arm_delimiters(
            ARMS[arm],
            content,
            of_scheme,
            self.tokenizer,
            seed=self.spec.seed,
            keeps_half_bare=keeps_half_bare,
        )

    def _scored(self, answers: Answers, delimiters: Delimiters | None) -> PackedRows:
        rows = arm_rows(answers.content, delimiters, delimiter_cell=len(answers.cells))
        return PackedRows(
            rows,
            context=self.config.context,
            bos_id=self.tokenizer.bos_id,
            is_target="is_scored",
            columns=("cell",),
        )

    def _validation(self) -> tuple[PackedRows, list[dict[str, Any]]] | None:
        """Held-out answers under the raw prompt, and their cells; None without the split."""
        path = self.spec.out / DATA / "validation.arrow"
        if not path.exists():
            return None
        rows = read_rows(path)
        sizes = np.cumsum(rows["input_ids"].combine_chunks().value_lengths().to_numpy())
        n_rows = max(1, int(np.searchsorted(sizes, VALIDATION_TOKENS, side="right")))
        answers = answers_of(rows.slice(0, n_rows))
        return self._scored(answers, None), answers.cells

    def _on_step(self, step: Step) -> None:
        contexts = contexts_of_step(
            len(self.data), self.config.batch_rows, step.step - 1, self.config.seed
        )
        fields: dict[str, Any] = {
            "step": step.step,
            "loss": step.loss,
            "content_nats": float(step.nats[_CONTENT]),
            "content_bytes": int(self.bytes_of_context[contexts].sum()),
            "trained_tokens": int(step.n_actions.sum()),
            "seconds": step.seconds,
        }
        if is_curve_point(step.step, self.config.steps) and self.validation is not None:
            data, cells = self.validation
            nats, _ = self._nats(data, len(cells))
            n_bytes = sum(cell["bytes"] for cell in cells)
            fields["validation_bits_per_byte"] = float(nats.sum()) / n_bytes / math.log(2)
        self.metrics.write(json.dumps(fields) + "\n")
        self.metrics.flush()
        if step.step % SAVE_EVERY == 0 and step.step < self.config.steps:
            save_checkpoint(
                self.spec.folder,
                step.step,
                self.learner.policy,
                self.learner.optimizer,
                self.saved,
            )

    def _nats(self, data: PackedRows, n_cells: int) -> tuple[np.ndarray, np.ndarray]:
        contexts = np.arange(len(data))
        return score(self.learner, data, contexts, group="cell", n_groups=n_cells)

    def _test(self) -> tuple[dict[str, list[float]], dict[str, dict[str, float]]]:
        """Nats of the held-out answers by prompt and cell, and of the delimiters by prompt."""
        rows = read_rows(self.spec.out / DATA / "test.arrow")
        answers = answers_of(rows)
        own = scheme_of(self.spec.arm)
        schemes = [SPELLED, own] if own else [SPELLED]
        of_scheme = all_delimiters(rows, self.tokenizer, schemes)
        nats, of_delimiters = {}, {}
        for prompt in prompts_of(self.spec.arm, self.spec.config.arms):
            if prompt == RAW:
                delimiters = None
            elif prompt == SPELLED:
                delimiters = of_scheme[SPELLED]
            else:
                delimiters = self._delimiters(
                    prompt, answers.content, of_scheme, keeps_half_bare=False
                )
            n_cells = len(answers.cells)
            summed, counts = self._nats(self._scored(answers, delimiters), n_cells + 1)
            if not np.isfinite(summed).all():
                msg = f"the nats of prompt {prompt} are not finite: the run diverged"
                raise UserError(msg)
            nats[prompt] = summed[:n_cells].tolist()
            if delimiters is not None:
                of_delimiters[prompt] = {
                    "nats": float(summed[n_cells]),
                    "tokens": int(counts[n_cells]),
                }
        return nats, of_delimiters


def is_curve_point(step: int, steps: int) -> bool:
    """Whether a step ends one of the CURVE_POINTS stretches of a run."""
    return step * CURVE_POINTS // steps > (step - 1) * CURVE_POINTS // steps


def _curve(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The points of a learning curve, as results.Run describes them."""
    points, seen, nats, n_bytes = [], 0, 0.0, 0
    for line in lines:
        seen += line["content_bytes"]
        nats, n_bytes = nats + line["content_nats"], n_bytes + line["content_bytes"]
        if is_curve_point(line["step"], len(lines)):
            points.append(
                {
                    "step": line["step"],
                    "content_bytes": seen,
                    "train_bits_per_byte": nats / n_bytes / math.log(2),
                    "validation_bits_per_byte": line.get("validation_bits_per_byte"),
                }
            )
            nats, n_bytes = 0.0, 0
    return points


def _name_of(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
