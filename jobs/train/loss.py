"""The behaviour-cloning loss, in nats an action; who sums it divides by the trained actions."""

import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from jobs.train.attention import model_inputs
from jobs.train.batches import IGNORED, Batch

CHUNK_ACTIONS = 8192
"""Actions whose logits are held at once: 1.6 GB in float32 for 50,000 entries."""


class BehaviourCloning(nn.Module):
    """-log pi(a_t | s_t) of a policy."""

    def __init__(self, policy: PreTrainedModel) -> None:
        super().__init__()
        self.policy = policy

    def forward(self, batch: Batch) -> torch.Tensor:
        """Negative log-likelihood of each action.

        Only positions with a target go through the head, chunk by chunk; the logits of a chunk are
        made anew in the backward pass where there are several.

        Returns:
          float [B, T] in nats, float32 or the policy's own float64; 0 where there is no target.

        Source: Liu, Sun, Li (2024), arXiv:2402.08078, eq. 7 (targets everywhere) and eq. 8 (targets
        where P(s_t) = 2).
        """
        is_target, states, actions = self._chosen(batch)
        head = self.policy.get_output_embeddings()
        if len(actions) <= CHUNK_ACTIONS:
            nll = _nll(head, states, actions)
        else:
            parts = zip(states.split(CHUNK_ACTIONS), actions.split(CHUNK_ACTIONS), strict=True)
            # Nothing here is random.
            options = {"use_reentrant": False, "preserve_rng_state": False}
            nll = torch.cat([checkpoint(_nll, head, *part, **options) for part in parts])
        return _placed(is_target, nll)

    @torch.no_grad()
    def with_reserve(
        self, batch: Batch, reserved: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """What `forward` gives, and what of it is paid for expecting reserved tokens instead.

        The second is -log(1 - pi(reserved | s_t)): the rest is the likelihood of the action among
        all others.

        Args:
          batch: actions to score, none of them reserved where the second is looked at.
          reserved: int64 [ids].

        Returns:
          (float [B, T], float [B, T]) in nats; 0 where there is no target.
        """
        is_target, states, actions = self._chosen(batch)
        head = self.policy.get_output_embeddings()
        found = [
            _nll_and_reserve(head, *part, reserved)
            for part in zip(states.split(CHUNK_ACTIONS), actions.split(CHUNK_ACTIONS), strict=True)
        ]
        nll, reserve = (torch.cat(each) for each in zip(*found, strict=True))
        return _placed(is_target, nll), _placed(is_target, reserve)

    def _chosen(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """(bool [B, T], float [K, d], int64 [K]): where targets are, their states and actions."""
        inputs = model_inputs(batch, self.policy.config._attn_implementation)
        states = self.policy.base_model(**inputs).last_hidden_state
        states = states.reshape(*batch.targets.shape, -1)
        is_target = batch.targets != IGNORED
        return is_target, states[is_target], batch.targets[is_target]


def _placed(is_target: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Float [B, T], the values where the targets are, 0 elsewhere."""
    return torch.zeros_like(is_target, dtype=values.dtype).masked_scatter(is_target, values)


def _logits(head: nn.Module, states: torch.Tensor) -> torch.Tensor:
    logits = head(states)
    return logits if logits.dtype == torch.float64 else logits.float()


def _nll(head: nn.Module, states: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
    """Float [K], nats, from states [K, d] and actions int64 [K]."""
    return functional.cross_entropy(_logits(head, states), actions, reduction="none")


def _nll_and_reserve(
    head: nn.Module, states: torch.Tensor, actions: torch.Tensor, reserved: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """(float [K], float [K]): nats of the actions, and -log(1 - pi(reserved))."""
    logits = _logits(head, states)
    nll = functional.cross_entropy(logits, actions, reduction="none")
    others = logits.index_fill(1, reserved, -torch.inf)
    return nll, logits.logsumexp(1) - others.logsumexp(1)
