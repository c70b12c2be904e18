"""The loop: a step is one batch, whose loss is divided by the actions that it trains."""

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, Self

import numpy as np
import torch
from torch import nn

from jobs.train.attention import backend
from jobs.train.batches import IGNORED, PackedRows, contexts_of_step
from jobs.train.loss import BehaviourCloning
from jobs.train.ranks import Ranks
from schemas.errors import UserError
from transforms.annotate import OBJECTIVES
from transforms.flat import Ints

N_GROUPS = 4
"""Groups of actions whose losses are reported apart are numbered below this."""

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """All that decides what is learned from given rows, beside the policy at its start.

    Raises:
      UserError: if a value is out of its range.
    """

    steps: int | None = None
    """Optimizer steps; None until `resolved` makes it one epoch."""
    objective: str = "all"
    """Whose actions are in the loss: a key of transforms.annotate.OBJECTIVES."""
    context: int = 1024
    """Tokens of a packed row, BOS counted."""
    batch_rows: int = 16
    """Packed rows of a step, over all ranks and micro-batches."""
    micro_rows: int = 4
    """Packed rows that a rank works on at once; decides memory, and the last bits."""
    learning_rate: float = 1e-3
    """At the end of the warm-up; falls to a tenth along a cosine."""
    warmup_steps: int | None = None
    """Steps of rising rate; None until `resolved` makes it a tenth of the steps, 100 at most."""
    weight_decay: float = 0.1
    """Of matrices; embeddings among them."""
    clip_norm: float = 1.0
    """Greatest norm of the gradient."""
    seed: int = 0
    """Of the weights and of the order of packed rows."""
    precision: str | None = "float32"
    """Of activations; None until `resolved` chooses by device. Weights and optimizer: float32."""
    compile: bool = False
    deterministic: bool = False
    """Only kernels that give the same bits each time; an error where there is none."""

    def __post_init__(self) -> None:
        """Refuse values that no run could honour."""
        checks = [
            (self.objective in OBJECTIVES, "--objective", f"one of {[*OBJECTIVES]}"),
            (self.precision in (None, *PRECISIONS), "--precision", f"one of {[*PRECISIONS]}"),
            (self.context >= 8, "--context", "at least 8"),
            (self.steps is None or self.steps >= 1, "--steps", "at least 1"),
            (self.batch_rows >= 1, "--batch-rows", "at least 1"),
            (self.micro_rows >= 1, "--micro-rows", "at least 1"),
            (self.learning_rate > 0, "--learning-rate", "over 0"),
            ((self.warmup_steps or 0) >= 0, "--warmup-steps", "0 or more"),
        ]
        for holds, option, expected in checks:
            if not holds:
                value = getattr(self, option.removeprefix("--").replace("-", "_"))
                msg = f"{option} {value}: expected {expected}"
                raise UserError(msg)

    def resolved(self, n_contexts: int, device: torch.device) -> Self:
        """The same with nothing left open: one epoch, and bfloat16 where there is a GPU."""
        steps = self.steps or math.ceil(n_contexts / self.batch_rows)
        warmup = min(100, steps // 10) if self.warmup_steps is None else self.warmup_steps
        precision = self.precision or ("bfloat16" if device.type == "cuda" else "float32")
        return dataclasses.replace(self, steps=steps, warmup_steps=warmup, precision=precision)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """What a step did.

    Attributes:
      step: how many steps are done now.
      nats: float64 [N_GROUPS], summed loss of the actions of each group.
      n_actions: int64 [N_GROUPS], how many they are.
      n_tokens: tokens of the batch that are no padding.
      learning_rate: of this step.
      gradient_norm: before clipping.
      seconds: that it took.
    """

    step: int
    nats: torch.Tensor
    n_actions: torch.Tensor
    n_tokens: int
    learning_rate: float
    gradient_norm: float
    seconds: float

    @property
    def loss(self) -> float:
        """Nats an action; 0 of no action."""
        return float(self.nats.sum() / max(int(self.n_actions.sum()), 1))


class Learner:
    """A policy on its device with its optimizer."""

    def __init__(self, policy: nn.Module, config: TrainConfig, ranks: Ranks) -> None:
        """Moves the policy to the device and sets its attention; rank 0's is everyone's."""
        self.config, self.ranks = config, ranks
        dtype = next(policy.parameters()).dtype
        self.autocast_dtype = PRECISIONS[config.precision] if dtype == torch.float32 else dtype
        head_size = policy.config.head_dim
        policy.set_attn_implementation(backend(ranks.device, self.autocast_dtype, head_size))
        self.policy = policy.to(ranks.device)
        ranks.share_weights(self.policy)
        if config.compile:
            self.policy.base_model.compile()
        self.loss = BehaviourCloning(self.policy)
        matrices = [each for each in policy.parameters() if each.dim() > 1]
        others = [each for each in policy.parameters() if each.dim() <= 1]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": matrices, "weight_decay": config.weight_decay},
                {"params": others, "weight_decay": 0.0},
            ],
            lr=config.learning_rate,
            betas=(0.9, 0.95),
        )

    def autocast(self) -> contextlib.AbstractContextManager[None]:
        """Activations in the config's precision."""
        if self.autocast_dtype != torch.bfloat16:
            return contextlib.nullcontext()
        return torch.autocast(self.ranks.device.type, torch.bfloat16)

    def accumulate(
        self, data: PackedRows, contexts: Ints, group: str
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Adds the gradient of a batch's mean loss an action; each rank does its share.

        The loss is summed and divided once by the trained actions of the whole batch, which the
        packing plan knows beforehand. So contexts may fall to any micro-batch and rank: the sum
        over ranks of (sum / n) is (sum over all) / n.

        Args:
          data: what to learn from.
          contexts: int64 [batch_rows], the contexts of the batch over all ranks.
          group: column of data, whose entries tell groups apart.

        Returns:
          (nats float64 [N_GROUPS], actions int64 [N_GROUPS]) of the whole batch.
        """
        # A plan that is shared with other rows may give a batch without any: a gradient of zeros.
        n_trained = max(int(data.n_trained[contexts].sum()), 1)
        mine = contexts[self.ranks.rank :: self.ranks.n_ranks]
        parts = [
            mine[i : i + self.config.micro_rows]
            for i in range(0, len(mine), self.config.micro_rows)
        ]
        losses = []
        for part in parts:
            batch = data.batch(part).to(self.ranks.device)
            with self.autocast():
                nll = self.loss(batch)
            (nll.sum() / n_trained).backward()
            losses.append((nll.detach(), batch.targets, batch.columns[group]))
        self.ranks.sum_gradients(self.policy)
        # Only now: a look at a loss would have the next batch wait for this one's backward pass.
        sums = torch.zeros(2, N_GROUPS, dtype=torch.float64)
        for each in losses:
            sums += _by_group(*each)
        nats, n_actions = self.ranks.sum(sums)
        return nats, n_actions.to(torch.int64)

    def step(self, data: PackedRows, done: int, group: str) -> Step:
        """Takes the step after `done` steps."""
        begin = time.perf_counter()
        config = self.config
        contexts = contexts_of_step(len(data), config.batch_rows, done, config.seed)
        rate = learning_rate(config, done)
        for parameters in self.optimizer.param_groups:
            parameters["lr"] = rate
        nats, n_actions = self.accumulate(data, contexts, group)
        norm = nn.utils.clip_grad_norm_(self.policy.parameters(), config.clip_norm)
        if not torch.isfinite(norm):
            msg = (
                f"the gradient of step {done + 1} is not finite: the learning rate "
                f"{config.learning_rate} is too high for this policy, try a third of it"
            )
            raise UserError(msg)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return Step(
            step=done + 1,
            nats=nats,
            n_actions=n_actions,
            n_tokens=int(data.n_tokens[contexts].sum()),
            learning_rate=rate,
            gradient_norm=float(norm),
            seconds=time.perf_counter() - begin,
        )


def learning_rate(config: TrainConfig, done: int) -> float:
    """The rate of the step after `done` steps: linear warm-up, then a cosine down to a tenth."""
    if done < config.warmup_steps:
        return config.learning_rate * (done + 1) / (config.warmup_steps + 1)
    share = (done - config.warmup_steps) / max(config.steps - config.warmup_steps, 1)
    return config.learning_rate * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * share)))


def train(
    learner: Learner,
    data: PackedRows,
    *,
    group: str,
    done: int = 0,
    on_step: Callable[[Step], None],
) -> None:
    """Trains from the step after `done` to the config's last.

    Args:
      learner: the policy and its optimizer.
      data: what to learn from.
      group: column of data; losses are summed by its entries.
      done: steps that were taken before.
      on_step: called after each step, on every rank.

    Raises:
      UserError: if a gradient is not finite.
    """
    _make_deterministic(is_asked_for=learner.config.deterministic)
    learner.policy.train()
    for number in range(done, learner.config.steps):
        on_step(learner.step(data, number, group))


def _make_deterministic(*, is_asked_for: bool) -> None:
    torch.use_deterministic_algorithms(is_asked_for)
    # torch's SDPA leaves cuDNN out then, as not deterministic; varlen_attn has to be told.
    torch.backends.cuda.enable_cudnn_sdp(not is_asked_for)


class Scores(NamedTuple):
    """Held-out losses by group, over all ranks.

    Attributes:
      nats: float64 [n_groups].
      n_actions: int64 [n_groups].
      reserve_nats: float64 [n_groups], what of the nats is paid for expecting reserved tokens;
        0 without any.
    """

    nats: np.ndarray
    n_actions: np.ndarray
    reserve_nats: np.ndarray


@torch.no_grad()
def score(
    learner: Learner,
    data: PackedRows,
    contexts: Ints,
    *,
    group: str,
    n_groups: int,
    reserved: Sequence[int] = (),
) -> Scores:
    """Summed loss of held-out actions by group, without learning from them.

    Args:
      learner: the policy.
      data: rows whose targets are to be scored.
      contexts: int64, which of its contexts; each rank scores its share.
      group: column of data.
      n_groups: its entries are below this.
      reserved: ids whose expectation is reported apart, as BehaviourCloning.with_reserve says.
    """
    was_training = learner.policy.training
    learner.policy.eval()
    device, micro_rows = learner.ranks.device, learner.config.micro_rows
    ids = torch.tensor(reserved, dtype=torch.int64, device=device)
    sums = torch.zeros(3, n_groups, dtype=torch.float64)
    mine = contexts[learner.ranks.rank :: learner.ranks.n_ranks]
    for start in range(0, len(mine), micro_rows):
        batch = data.batch(mine[start : start + micro_rows]).to(device)
        groups = batch.columns[group]
        with learner.autocast():
            nll, reserve = learner.loss.with_reserve(batch, ids)
        sums[:2] += _by_group(nll, batch.targets, groups, n_groups)
        sums[2] += _by_group(reserve, batch.targets, groups, n_groups)[0]
    learner.policy.train(was_training)
    nats, n_actions, reserve_nats = learner.ranks.sum(sums)
    return Scores(nats.numpy(), n_actions.to(torch.int64).numpy(), reserve_nats.numpy())


def _by_group(
    nll: torch.Tensor, targets: torch.Tensor, groups: torch.Tensor, n_groups: int = N_GROUPS
) -> torch.Tensor:
    """float64 [2, n_groups]: nats and number of the actions of each group, on the CPU."""
    is_target = (targets != IGNORED).cpu()
    # NumPy's bincount adds in order; index_add_ on CUDA would not give the same bits twice.
    chosen = groups.cpu()[is_target].numpy()
    nats = nll.double().cpu()[is_target].numpy()
    return torch.from_numpy(
        np.stack(
            [
                np.bincount(chosen, weights=nats, minlength=n_groups),
                np.bincount(chosen, minlength=n_groups),
            ]
        )
    )
