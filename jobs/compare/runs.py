"""Runs: one arm from one seed, each in a process of its own, complete or to be gone on with."""

import contextlib
import dataclasses
import fcntl
import json
import math
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pyarrow as pa
import torch

from jobs.compare.arms import (
    ARMS,
    Content,
    Delimiters,
    arm_delimiters,
    arm_rows,
    content_digest,
)
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
from jobs.compare.design import delimiters_of_rows, longest_rows, packed_arm
from jobs.compare.results import Run
from jobs.train.batches import PackedRows, contexts_of_step
from jobs.train.checkpoint import drop_checkpoints, load_checkpoint, save_checkpoint
from jobs.train.loop import Learner, Scores, Step, score, train
from jobs.train.metrics import metrics_after, read_metrics
from jobs.train.policy import model_digest, new_policy
from jobs.train.ranks import Ranks, device_named
from pipeline.atomic import write_json
from pipeline.tokenizer import OutputTokenizer, load_output_tokenizer
from schemas.errors import UserError
from schemas.parse import parsed_json

DATA, RUNS, RUN_FILE, ERROR_FILE = "data", "runs", "run.json", "error.txt"

CURVE_POINTS = 10
VALIDATION_TOKENS = 8192
"""Held-out text that a point of a learning curve is scored on, at least one row."""

THREADS = 1
"""Of a run on the CPU: runs stand side by side, and sums do not depend on how many do."""

LOCK_SECONDS = 10.0
"""How long the process of a comparison that was killed may take to notice."""

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
      data: sha256 of the files under DATA, by name.
      content_sha256: of the arm's content, as the design has it.
      model_digest: of the file or folder that the config's model names.
      save_every: steps between checkpoints.
    """

    out: Path
    design: str
    config: ComparisonConfig
    arm: str
    seed: int
    device: str
    data: Mapping[str, str]
    content_sha256: str
    model_digest: str
    save_every: int = 200

    @property
    def folder(self) -> Path:
        """Of the run."""
        return self.out / RUNS / f"{self.arm}-{self.seed}"


def write_data(out: Path, rows: ComparedRows, tokenizer: OutputTokenizer) -> dict[str, str]:
    """Write what every run reads; returns the sha256 of the tables by file name."""
    tokenizer.save(out / DATA)
    tables = {"train": rows.train, "validation": rows.validation, "test": rows.test}
    return {
        f"{name}.arrow": write_rows(table, out / DATA / f"{name}.arrow")
        for name, table in tables.items()
        if table is not None
    }


def run_all(specs: list[RunSpec], *, workers: int) -> Iterator[Run]:
    """Runs side by side, each in its own process, so that one that dies takes no other along.

    Yields:
      Each run as it ends, done or with its error; those that were done before come first.
    """
    context = multiprocessing.get_context("forkserver")
    # torch is imported once, then forked.
    context.set_forkserver_preload([__name__])
    _start_forkserver()
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


def _start_forkserver() -> None:
    """Start what runs are forked from, deaf to Ctrl-C: this process hears it and ends them."""
    resource_tracker.ensure_running()  # Else forkserver does it, and unblocks the signal.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def read_run(spec: RunSpec) -> Run | None:
    """The run if it is done."""
    try:
        run = Run.from_json(parsed_json((spec.folder / RUN_FILE).read_bytes()))
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
    threading.Thread(target=_end_with_parent, daemon=True).start()
    spec.folder.mkdir(parents=True, exist_ok=True)
    # What libraries print would run through the others' lines.
    with (spec.folder / "log.txt").open("a") as log, contextlib.redirect_stdout(log):
        os.dup2(log.fileno(), sys.stderr.fileno())
        _wait_for_others(log)
        (spec.folder / ERROR_FILE).unlink(missing_ok=True)
        try:
            if spec.device == "cpu":
                torch.set_num_threads(THREADS)
            TrainedArm(spec).run()
        except Exception as error:
            kind = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
            words = " ".join(str(error).split())
            (spec.folder / ERROR_FILE).write_text(f"{kind}{words}"[:500], encoding="utf-8")
            raise


def _end_with_parent() -> None:
    """A run whose comparison was killed ends too, so that it never meets the next one's."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _wait_for_others(log: TextIO) -> None:
    """Hold the run; one of a comparison that was killed frees it in a moment.

    Raises:
      UserError: if another process keeps it.
    """
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                msg = "another process works on it"
                raise UserError(msg) from error
            time.sleep(0.05)


class TrainedArm:
    """An arm as it is trained and scored."""

    def __init__(self, spec: RunSpec) -> None:
        self.spec = spec
        self.config = dataclasses.replace(spec.config.train, seed=spec.seed)
        self.saved = load_output_tokenizer(spec.out / DATA)
        self.tokenizer = self.saved.segment_tokenizer()
        base = self._read("train.arrow")
        content = train_content(base)
        of_scheme = all_delimiters(base, self.tokenizer, spec.config.schemes)
        rows = arm_rows(
            content, self._delimiters(spec.arm, content, of_scheme, keeps_half_bare=True)
        )
        self._check(rows, content, of_scheme)
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
        if model_digest(spec.config.model) != spec.model_digest:
            msg = f"--model {spec.config.model} was changed since the comparison began"
            raise UserError(msg)
        policy = new_policy(
            spec.config.model, self.saved, context=self.config.context, seed=spec.seed
        )
        self.learner = Learner(policy, self.config, ranks)
        done = load_checkpoint(spec.folder, policy, self.learner.optimizer)
        with metrics_after(spec.folder, done) as self.metrics:
            train(self.learner, self.data, group="is_delimiter", done=done, on_step=self._on_step)
        nats, reserve_nats, delimiter_nats = self._test()
        lines = read_metrics(spec.folder)
        run = Run(
            design=spec.design,
            arm=spec.arm,
            seed=spec.seed,
            steps=self.config.steps,
            trained_tokens=sum(line["trained_tokens"] for line in lines),
            nats=nats,
            reserve_nats=reserve_nats,
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
        if "validation.arrow" not in self.spec.data:
            return None
        rows = self._read("validation.arrow")
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
            nats = self._scores(data, len(cells)).nats
            n_bytes = sum(cell["bytes"] for cell in cells)
            fields["validation_bits_per_byte"] = float(nats.sum()) / n_bytes / math.log(2)
        self.metrics.write(json.dumps(fields) + "\n")
        self.metrics.flush()
        if step.step % self.spec.save_every == 0 and step.step < self.config.steps:
            save_checkpoint(
                self.spec.folder,
                step.step,
                self.learner.policy,
                self.learner.optimizer,
                self.saved,
            )

    def _scores(self, data: PackedRows, n_cells: int) -> Scores:
        contexts = np.arange(len(data))
        reserved = sorted(self.tokenizer.control_ids)
        return score(
            self.learner, data, contexts, group="cell", n_groups=n_cells, reserved=reserved
        )

    def _test(
        self,
    ) -> tuple[dict[str, list[float]], dict[str, list[float]], dict[str, dict[str, float]]]:
        """`nats`, `reserve_nats` and `delimiter_nats` of a Run."""
        rows = self._read("test.arrow")
        answers = answers_of(rows)
        own = scheme_of(self.spec.arm)
        of_scheme = all_delimiters(rows, self.tokenizer, [SPELLED, own] if own else [SPELLED])
        n_cells = len(answers.cells)
        nats, reserve_nats, delimiter_nats = {}, {}, {}
        for prompt in prompts_of(self.spec.arm, self.spec.config.arms):
            delimiters = self._prompt_delimiters(prompt, answers.content, of_scheme)
            scores = self._scores(self._scored(answers, delimiters), n_cells + 1)
            if not np.isfinite(scores.nats).all():
                msg = f"the nats of prompt {prompt} are not finite: the run diverged"
                raise UserError(msg)
            nats[prompt] = scores.nats[:n_cells].tolist()
            reserve_nats[prompt] = scores.reserve_nats[:n_cells].tolist()
            if delimiters is not None:
                delimiter_nats[prompt] = {
                    "nats": float(scores.nats[n_cells]),
                    "tokens": int(scores.n_actions[n_cells]),
                }
        return nats, reserve_nats, delimiter_nats

    def _prompt_delimiters(
        self, prompt: str, content: Content, of_scheme: dict[str, Delimiters]
    ) -> Delimiters | None:
        if prompt == RAW:
            return None
        if prompt == SPELLED:
            return of_scheme[SPELLED]
        return self._delimiters(prompt, content, of_scheme, keeps_half_bare=False)

    def _read(self, name: str) -> pa.Table:
        return read_rows(self.spec.out / DATA / name, self.spec.data[name])

    def _check(self, rows: pa.Table, content: Content, of_scheme: dict[str, Delimiters]) -> None:
        """What has to hold of the arm's class, of this seed's rows.

        Raises:
          UserError: if it does not.
        """
        scheme = scheme_of(self.spec.arm)
        expected = np.zeros(len(content), np.int64)
        if scheme is not None:
            expected = np.bincount(of_scheme[scheme].row, minlength=len(content))
        found = delimiters_of_rows(rows)
        if (
            not self.spec.content_sha256 == content.digest == content_digest(rows)
            or (found != np.where(content.is_bare, 0, expected)).any()
        ):
            msg = "its content or its delimiters are not those of the design"
            raise UserError(msg)


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
