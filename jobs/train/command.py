"""`duologue train`: a behaviour-cloning baseline on prepared shards."""

import contextlib
import dataclasses
import json
import os
import shlex
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import torch
from rich.console import Console
from transformers import PreTrainedModel

from jobs.train.batches import PackedRows
from jobs.train.checkpoint import drop_checkpoints, load_checkpoint, save_checkpoint
from jobs.train.claim import check_claim, claimed
from jobs.train.loop import Learner, Step, TrainConfig, score, train
from jobs.train.metrics import METRICS, metrics_after
from jobs.train.policy import model_digest, n_parameters, new_policy, save_policy
from jobs.train.ranks import Ranks, joined_ranks
from jobs.train.rows import Rows, load_rows
from jobs.train.speed import flops_per_token, peak_flops
from jobs.train.stopping import Stopped, stop_wanted
from jobs.view import on_one_line
from pipeline.atomic import atomic_folder
from pipeline.output import read_manifest
from pipeline.read_shards import tokenizer_of
from pipeline.tokenizer import OutputTokenizer
from schemas.episode import Player
from schemas.errors import UserError
from schemas.keys import SPLITS
from schemas.words import counted
from transforms.tokenize import SegmentTokenizer

MODEL = "model"
TRAIN, VALIDATION = SPLITS[:2]

GROUP = "player"
"""Losses are reported by the player of each action."""

VALIDATION_CONTEXTS = 256
"""Held-out contexts that a validation loss is of, at most."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """How a run goes, beside what it learns.

    Attributes:
      model: a name of jobs.train.policy.SIZES, a JSON file of a LlamaConfig, or a model folder.
      config: `documents` or `episodes`.
      device: `auto`, `cpu` or `cuda`.
      save_every: steps between checkpoints.
      validate_every: steps between looks at the validation split; 0 is never.
    """

    model: str
    config: str = "documents"
    device: str = "auto"
    save_every: int = 500
    validate_every: int = 500


def train_policy(
    corpus: Path,
    out: Path,
    options: TrainOptions,
    config: TrainConfig,
    *,
    console: Console,
) -> None:
    """Train on a prepared corpus, or go on where the same command was interrupted.

    OUT then holds train.json, metrics.jsonl (a line a step), checkpoints/ and model/, which
    AutoModelForCausalLM and AutoTokenizer open.

    Args:
      corpus: output of `duologue prepare`.
      out: folder of the run.
      options: how to run.
      config: what to learn.
      console: for notes; a line a step goes to standard output.

    Raises:
      UserError: a corpus that is not finished or has no trained action, an OUT of another run, no
        such device or model.
    """
    tokenizer = tokenizer_of(corpus, read_manifest(corpus))
    with joined_ranks(options.device) as ranks:
        data = _load_data(corpus, tokenizer.segment_tokenizer(), options, config)
        config = config.resolved(len(data.train), ranks.device)
        if config.batch_rows % ranks.n_ranks:
            msg = f"--batch-rows {config.batch_rows} is no multiple of {ranks.n_ranks} ranks"
            raise UserError(msg)
        _Training(out, options, config, data, tokenizer, ranks, console).run()


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Data:
    """What is learned from, and what is looked at on the way.

    Attributes:
      train: rows of the train split.
      validation: those of the validation split; None where none is looked at.
      digest: names the rows of the train split.
      episodes_dropped: how many episodes of the train split do not fit into a context.
    """

    train: PackedRows
    validation: PackedRows | None
    digest: str
    episodes_dropped: int


def _load_data(
    corpus: Path, tokenizer: SegmentTokenizer, options: TrainOptions, config: TrainConfig
) -> _Data:
    """Open and pack the splits.

    Raises:
      UserError: if there are no rows, or none with an action to learn.
    """

    def packed(split: str) -> tuple[Rows, PackedRows]:
        rows = load_rows(
            corpus,
            tokenizer,
            config=options.config,
            split=split,
            context=config.context,
            columns=("input_ids", GROUP),
        )
        return rows, PackedRows(
            rows.table,
            context=config.context,
            bos_id=tokenizer.bos_id,
            objective=config.objective,
            columns=(GROUP,),
        )

    rows, train_data = packed(TRAIN)
    if not len(train_data):
        msg = (
            f"{corpus}: no action of config {options.config} is in the loss of --objective "
            f"{config.objective}: is there an episode? duologue inspect {shlex.quote(str(corpus))}"
        )
        raise UserError(msg)
    shards = read_manifest(corpus)["shards"]
    has_validation = (options.config, VALIDATION) in {(s["config"], s["split"]) for s in shards}
    validation = packed(VALIDATION)[1] if options.validate_every and has_validation else None
    return _Data(
        train=train_data,
        # Its rows may hold no action of the player.
        validation=validation or None,
        digest=rows.digest,
        episodes_dropped=rows.episodes_dropped,
    )


class _Training:
    """One run of the command on one rank."""

    def __init__(
        self,
        out: Path,
        options: TrainOptions,
        config: TrainConfig,
        data: _Data,
        tokenizer: OutputTokenizer,
        ranks: Ranks,
        console: Console,
    ) -> None:
        self.out, self.options, self.config, self.data = out, options, config, data
        self.tokenizer, self.ranks, self.console = tokenizer, ranks, console

    def run(self) -> None:
        """Train, from the start or from the last checkpoint."""
        settings = self._settings()
        self.ranks.by_first(lambda: check_claim(self.out, settings))
        if (self.out / MODEL).exists():
            self._say(f"{self.out} is trained: nothing to do")
            return
        policy = new_policy(
            self.options.model, self.tokenizer, context=self.config.context, seed=self.config.seed
        )
        # Not before there is a policy: a refused --model leaves nothing.
        with contextlib.ExitStack() as stack:
            self.ranks.by_first(lambda: stack.enter_context(claimed(self.out, settings)))
            self._train(policy)
        self._say(f"model: {self.out / MODEL}")

    def _settings(self) -> dict[str, Any]:
        """All that decides what is learned; a run goes on with the same alone."""
        options = {"model": self.options.model, "config": self.options.config}
        return {
            "options": options | dataclasses.asdict(self.config),
            "model_digest": model_digest(self.options.model),
            "rows": self.data.digest,
            "tokenizer_sha256": self.tokenizer.sha256,
            "n_ranks": self.ranks.n_ranks,
        }

    def _train(self, policy: PreTrainedModel) -> None:
        self.learner = Learner(policy, self.config, self.ranks)
        done = load_checkpoint(self.out, policy, self.learner.optimizer)
        if int(self.ranks.sum(torch.tensor([done]))) != done * self.ranks.n_ranks:
            msg = f"the ranks see other checkpoints in {self.out}: it has to be one folder for all"
            raise UserError(msg)
        self.flops = flops_per_token(policy, self.data.train)
        self._announce(done)
        with (
            self._metrics(done) as self.metrics,
            stop_wanted(self.ranks, self._say) as self.stop_wanted,
        ):
            train(self.learner, self.data.train, group=GROUP, done=done, on_step=self._on_step)
        if self.ranks.rank == 0:
            with atomic_folder(self.out / MODEL) as folder:
                save_policy(policy, self.tokenizer, folder)
            drop_checkpoints(self.out)

    def _announce(self, done: int) -> None:
        config, data = self.config, self.data.train
        n_contexts = len(data)
        epochs = config.steps * config.batch_rows / n_contexts
        self._say(
            f"{n_parameters(self.learner.policy) / 1e6:.2f} M parameters on "
            f"{self.ranks.n_ranks} x {self.ranks.device.type}, {config.precision}; "
            f"{counted(n_contexts, 'packed row')} of {config.context}, "
            f"{data.n_tokens.sum() / (n_contexts * config.context):.0%} full; "
            f"{counted(config.steps, 'step')}, {epochs:.2g} epochs"
        )
        if dropped := self.data.episodes_dropped:
            self._say(f"{counted(dropped, 'episode')} beyond --context {config.context}: left out")
        if done:
            self._say(f"going on after step {done}, the last checkpoint")
        elif (self.out / METRICS).exists():
            self._say(f"{self.out} was begun, but has no checkpoint: from the first step again")

    def _metrics(self, done: int) -> TextIO:
        return Path(os.devnull).open("w") if self.ranks.rank else metrics_after(self.out, done)

    def _on_step(self, step: Step) -> None:
        fields = self._fields(step)
        last, validation = step.step == self.config.steps, self.data.validation
        if validation and (last or step.step % self.options.validate_every == 0):
            if last:
                self._say("scoring the validation split")
            fields["validation_loss"] = self._validation_loss(validation)
        stop = None if last else self.stop_wanted()
        if self.ranks.rank == 0:
            self._write(fields)
            print(_line(fields, self.config.steps), flush=True)
            if stop or (step.step % self.options.save_every == 0 and not last):
                # A checkpoint outlives a power cut; so do the lines before it.
                os.fsync(self.metrics.fileno())
                learner = self.learner
                save_checkpoint(
                    self.out, step.step, learner.policy, learner.optimizer, self.tokenizer
                )
        if stop:
            raise Stopped(stop)

    def _fields(self, step: Step) -> dict[str, Any]:
        speed = step.n_tokens / step.seconds
        fields: dict[str, Any] = {
            "step": step.step,
            "loss": step.loss,
            "learning_rate": step.learning_rate,
            "gradient_norm": step.gradient_norm,
            "trained_tokens": int(step.n_actions.sum()),
            "nats_by_player": step.nats[: len(Player)].tolist(),
            "tokens_by_player": step.n_actions[: len(Player)].tolist(),
            "seconds": step.seconds,
            "tokens_per_second": speed,
        }
        peak = peak_flops(self.ranks.device)
        if peak is not None:
            fields["mfu"] = speed * self.flops / (peak * self.ranks.n_ranks)
        return fields

    def _validation_loss(self, data: PackedRows) -> float:
        """Nats an action, over the first VALIDATION_CONTEXTS of the validation split."""
        contexts = np.arange(min(len(data), VALIDATION_CONTEXTS))
        nats, n_actions, _ = score(self.learner, data, contexts, group=GROUP, n_groups=len(Player))
        return float(nats.sum() / n_actions.sum())

    def _write(self, fields: dict[str, Any]) -> None:
        """A line of metrics, there before the step counts as done.

        Raises:
          UserError: if it can't be written.
        """
        try:
            self.metrics.write(json.dumps(fields) + "\n")
            self.metrics.flush()
        except OSError as error:
            msg = (
                f"cannot write {self.out / METRICS}: {error.strerror}; make room, then run the "
                "same command again"
            )
            raise UserError(msg) from error

    def _say(self, words: str) -> None:
        if self.ranks.rank == 0:
            self.console.print(on_one_line(words), soft_wrap=True, highlight=False, markup=False)


def _line(fields: dict[str, Any], steps: int) -> str:
    """A step, for a person."""
    words = [
        f"step {fields['step']}/{steps}",
        f"loss {fields['loss']:.4f} nats",
        f"lr {fields['learning_rate']:.2e}",
        f"grad {fields['gradient_norm']:.2f}",
        f"{fields['tokens_per_second']:,.0f} tokens/s",
    ]
    if "mfu" in fields:
        words.append(f"MFU {fields['mfu']:.1%}")
    if "validation_loss" in fields:
        words.append(f"validation {fields['validation_loss']:.4f}")
    return "  ".join(words)
