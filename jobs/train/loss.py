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
        inputs = model_inputs(batch, self.policy.config._attn_implementation)
        states = self.policy.base_model(**inputs).last_hidden_state
        states = states.reshape(*batch.targets.shape, -1)
        is_target = batch.targets != IGNORED
        chosen, actions = states[is_target], batch.targets[is_target]
        head = self.policy.get_output_embeddings()
        if len(actions) <= CHUNK_ACTIONS:
            nll = _nll(head, chosen, actions)
        else:
            parts = zip(chosen.split(CHUNK_ACTIONS), actions.split(CHUNK_ACTIONS), strict=True)
            # Nothing here is random.
            options = {"use_reentrant": False, "preserve_rng_state": False}
            nll = torch.cat([checkpoint(_nll, head, *part, **options) for part in parts])
        return torch.zeros_like(batch.targets, dtype=nll.dtype).masked_scatter(is_target, nll)


def _nll(head: nn.Module, states: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
    """Float [K], nats, from states [K, d] and actions int64 [K]."""
    logits = head(states)
    logits = logits if logits.dtype == torch.float64 else logits.float()
    return functional.cross_entropy(logits, actions, reduction="none")
