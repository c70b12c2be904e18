"""How near to the hardware's limit: model FLOPs utilisation."""

import torch
from transformers import PreTrainedModel

from jobs.train.batches import PackedRows

_PEAK_BF16 = {
    # Dense bf16 peaks, FLOP/s, of the makers' data sheets; longer names first.
    "H200": 989e12,
    "H100 PCIe": 756e12,
    "H100": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "L40": 181e12,
    "L4": 121e12,
    "4090": 165e12,
}


def flops_per_token(policy: PreTrainedModel, data: PackedRows) -> float:
    """FLOPs that training needs for a token: 6 N_matmul + 12 L d T_eff.

    N_matmul counts the weights of matrix products, the head among them and the look-up of
    embeddings not; T_eff, the tokens that a token may look at twice over, is
    sum(length^2) / sum(length) over documents.
    """
    config = policy.config
    embedding, head = policy.get_input_embeddings(), policy.get_output_embeddings()
    n_matmul = sum(each.numel() for each in policy.parameters() if each.dim() > 1)
    if head.weight is not embedding.weight:
        n_matmul -= embedding.weight.numel()
    lengths = data.lengths.astype(float)
    effective = (lengths**2).sum() / max(lengths.sum(), 1)
    return 6 * n_matmul + 12 * config.num_hidden_layers * config.hidden_size * effective


def peak_flops(device: torch.device) -> float | None:
    """Dense bf16 peak of a device, FLOP/s; None where it is not known."""
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device)
    return next((peak for known, peak in _PEAK_BF16.items() if known in name), None)
