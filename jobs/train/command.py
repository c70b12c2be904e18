"""`duologue train`: a behaviour-cloning baseline on prepared shards."""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from rich.console import Console

from jobs.train.batches import PackedRows
from jobs.train.checkpoint import drop_checkpoints, load_checkpoint, save_checkpoint
from jobs.train.loop import Learner, Step, TrainConfig, score, train
from jobs.train.metrics import metrics_after
from jobs.train.policy import n_parameters, new_policy, save_policy
from jobs.train.ranks import Ranks, joined_ranks
from jobs.train.rows import load_rows
from jobs.train.speed import flops_per_token, peak_flops
from pipeline.atomic import atomic_folder, write_json
from pipeline.output import read_manifest
from pipeline.tokenizer import OutputTokenizer, load_output_tokenizer
from schemas.episode import Player
from schemas.errors import UserError
from schemas.keys import SPLITS

SETTINGS, MODEL = "train.json", "model"

GROUP = "player"
"""Losses are reported by the player of each action."""

VALIDATION_CONTEXTS = 256
"""Held-out contexts that are scored at a time."""


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
    manifest = read_manifest(corpus)
    tokenizer = load_output_tokenizer(corpus)
    if tokenizer.sha256 != manifest["tokenizer_sha256"]:
        msg = f"{corpus}/tokenizer.json is not the one that its manifest names: prepare it again"
        raise UserError(msg)
    with joined_ranks(options.device) as ranks:
        _Training(corpus, out, options, config, tokenizer, ranks, console).run()


class _Training:
    """One run of the command on one rank."""

    def __init__(
        self,
        corpus: Path,
        out: Path,
        options: TrainOptions,
        config: TrainConfig,
        tokenizer: OutputTokenizer,
        ranks: Ranks,
        console: Console,
    ) -> None:
        self.out, self.options, self.tokenizer = out, options, tokenizer
        self.ranks, self.console = ranks, console
        ids = tokenizer.segment_tokenizer()

        def packed(split: str) -> tuple[PackedRows, dict[str, Any]]:
            rows = load_rows(
                corpus, ids, config=options.config, split=split, context=config.context
            )
            data = PackedRows(
                rows.table,
                context=config.context,
                bos_id=ids.bos_id,
                objective=config.objective,
                columns=(GROUP,),
            )
            facts = {"digest": rows.digest, "episodes_dropped": rows.episodes_dropped}
            return data, facts

        self.data, facts = packed("train")
        if not len(self.data):
            msg = (
                f"{corpus}: no action of config {options.config} is in the loss of --objective "
                f"{config.objective}: is there an episode? duologue inspect {corpus}"
            )
            raise UserError(msg)
        self.config = config.resolved(len(self.data), ranks.device)
        if self.config.batch_rows % ranks.n_ranks:
            msg = f"--batch-rows {self.config.batch_rows} is no multiple of {ranks.n_ranks} ranks"
            raise UserError(msg)
        splits = {shard["split"] for shard in read_manifest(corpus)["shards"]}
        self.held_out = None
        if options.validate_every and SPLITS[1] in splits:
            self.held_out, _ = packed(SPLITS[1])
        self.settings = {
            "config": dataclasses.asdict(self.config),
            "options": {"model": options.model, "config": options.config},
            "rows": facts["digest"],
            "tokenizer_sha256": tokenizer.sha256,
            "n_ranks": ranks.n_ranks,
        }
        self.facts = facts

    def run(self) -> None:
        """Train, from the start or from the last checkpoint."""
        self._claim()
        if (self.out / MODEL).exists():
            self._say(f"{self.out} is trained: nothing to do")
            return
        policy = new_policy(
            self.options.model, self.tokenizer, context=self.config.context, seed=self.config.seed
        )
        self.learner = Learner(policy, self.config, self.ranks)
        done = load_checkpoint(self.out, policy, self.learner.optimizer)
        self.flops = flops_per_token(policy, self.data)
        self._announce(done)
        with self._metrics(done) as self.metrics:
            train(self.learner, self.data, group=GROUP, done=done, on_step=self._on_step)
        if self.ranks.rank == 0:
            with atomic_folder(self.out / MODEL) as folder:
                save_policy(policy, self.tokenizer, folder)
            drop_checkpoints(self.out)
        self._say(f"model: {self.out / MODEL}")

    def _claim(self) -> None:
        """Refuse a folder of another run; begin a new one.

        Raises:
          UserError: if OUT holds something else.
        """
        path = self.out / SETTINGS
        if path.exists():
            try:
                known = json.loads(path.read_bytes())
            except ValueError as error:
                msg = f"{path} is damaged ({error}): choose another --out"
                raise UserError(msg) from error
            differing = _differences(known, json.loads(json.dumps(self.settings)))
            if differing:
                msg = (
                    f"{self.out} is a run with other settings or data ({'; '.join(differing)}): "
                    "repeat them to go on, or choose another --out"
                )
                raise UserError(msg)
        elif self.out.is_dir() and any(self.out.iterdir()):
            msg = f"{self.out} is not empty and no run of duologue train: choose another --out"
            raise UserError(msg)
        elif self.ranks.rank == 0:
            self.out.mkdir(parents=True, exist_ok=True)
            write_json(path, self.settings)

    def _announce(self, done: int) -> None:
        config, n_contexts = self.config, len(self.data)
        epochs = config.steps * config.batch_rows / n_contexts
        self._say(
            f"{n_parameters(self.learner.policy) / 1e6:.2f} M parameters on "
            f"{self.ranks.n_ranks} x {self.ranks.device.type}, {config.precision}; "
            f"{n_contexts} packed rows of {config.context}, "
            f"{self.data.n_tokens.sum() / (n_contexts * config.context):.0%} full; "
            f"{config.steps} steps, {epochs:.2g} epochs"
        )
        if self.facts["episodes_dropped"]:
            dropped = self.facts["episodes_dropped"]
            self._say(f"{dropped} episodes do not fit into --context {config.context}: left out")
        if done:
            self._say(f"going on after step {done}")

    def _metrics(self, done: int) -> TextIO:
        return Path(os.devnull).open("w") if self.ranks.rank else metrics_after(self.out, done)

    def _on_step(self, step: Step) -> None:
        fields = self._fields(step)
        last = step.step == self.config.steps
        every = self.options.validate_every
        if self.held_out is not None and (last or (every and step.step % every == 0)):
            fields["validation_loss"] = self._validation_loss()
        if self.ranks.rank == 0:
            self.metrics.write(json.dumps(fields) + "\n")
            self.metrics.flush()
            print(_line(fields, self.config.steps), flush=True)
            if step.step % self.options.save_every == 0 and not last:
                learner = self.learner
                save_checkpoint(
                    self.out, step.step, learner.policy, learner.optimizer, self.tokenizer
                )

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

    def _validation_loss(self) -> float:
        """Nats an action, over the first VALIDATION_CONTEXTS of the validation split."""
        contexts = np.arange(min(len(self.held_out), VALIDATION_CONTEXTS))
        nats, n_actions = score(
            self.learner, self.held_out, contexts, group=GROUP, n_groups=len(Player)
        )
        return float(nats.sum() / max(n_actions.sum(), 1))

    def _say(self, words: str) -> None:
        if self.ranks.rank == 0:
            self.console.print(words, soft_wrap=True, highlight=False, markup=False)


def _differences(known: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What differs, by name."""
    names = {
        "rows": "its data is other rows",
        "tokenizer_sha256": "its tokenizer is another",
    }
    found = [words for name, words in names.items() if known.get(name) != now[name]]
    for part in ("config", "options"):
        found += [
            f"--{name.replace('_', '-')} is {known.get(part, {}).get(name)} there, {value} now"
            for name, value in now[part].items()
            if known.get(part, {}).get(name) != value
        ]
    if known.get("n_ranks") != now["n_ranks"]:
        found.append(f"{known.get('n_ranks')} ranks there, {now['n_ranks']} now")
    return found


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
