"""Attention in packed contexts: a token sees its own document, up to itself, and nothing else.

Position resets alone do not do that: with them, documents of one context read each other without a
word. On CUDA in bf16, torch's variable-length attention takes the documents' borders; everywhere
else SDPA takes a block-causal mask.
"""

from typing import Any

import torch
from torch import nn
from torch.nn.attention.varlen import varlen_attn
from transformers import AttentionInterface

from jobs.train.batches import Batch

MASKED, VARLEN = "sdpa", "duologue_varlen"


def backend(device: torch.device, dtype: torch.dtype, head_size: int) -> str:
    """The attention implementation for a device, the dtype of its activations and its heads."""
    # What the kernels behind varlen_attn take: half precision, and heads of these sizes.
    fits = dtype == torch.bfloat16 and head_size % 8 == 0 and head_size <= 256
    return VARLEN if device.type == "cuda" and fits else MASKED


def model_inputs(batch: Batch, implementation: str) -> dict[str, Any]:
    """What a transformers model is called with, so that documents do not see each other.

    Args:
      batch: on the model's device.
      implementation: what `backend` gave.

    Returns:
      Keyword arguments; for VARLEN all contexts are one row, [1, B * T].
    """
    inputs: dict[str, Any] = {"use_cache": False}
    if implementation == MASKED:
        inputs |= {"input_ids": batch.input_ids, "position_ids": batch.position_ids}
        return inputs | {"attention_mask": block_causal(batch.document)}
    starts = torch.nonzero(batch.position_ids.flatten() == 0).flatten()
    end = starts.new_tensor([batch.position_ids.numel()])
    return inputs | {
        "input_ids": batch.input_ids.reshape(1, -1),
        "position_ids": batch.position_ids.reshape(1, -1),
        "document_starts": torch.cat([starts, end]).to(torch.int32),
        "longest_document": batch.input_ids.shape[1],
    }


def block_causal(document: torch.Tensor) -> torch.Tensor:
    """The mask, bool [B, 1, T, T]: True where position i (second last) may look at j (last).

    Args:
      document: int64 [B, T].
    """
    n = document.shape[1]
    earlier = torch.ones(n, n, dtype=torch.bool, device=document.device).tril()
    return (document[:, None, :, None] == document[:, None, None, :]) & earlier


def _varlen(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,  # noqa: ARG001 the interface passes it
    *,
    scaling: float,
    document_starts: torch.Tensor,
    longest_document: int,
    **_: Any,  # noqa: ANN401 whatever else the interface passes
) -> tuple[torch.Tensor, None]:
    """Query, key, value: [1, heads, tokens, size]; returns [1, tokens, heads, size]."""
    # Under autocast, rotary angles in float32 make query and key float32, and no cast is made here.
    flat = (each[0].transpose(0, 1).to(value.dtype) for each in (query, key, value))
    attended = varlen_attn(
        *flat,
        document_starts,
        document_starts,
        longest_document,
        longest_document,
        scale=scaling,
        window_size=(-1, 0),  # causal
        enable_gqa=module.num_key_value_groups > 1,
    )
    return attended[None], None


AttentionInterface.register(VARLEN, _varlen)
