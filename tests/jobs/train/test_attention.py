"""The way to variable-length attention, with its kernel, which needs a GPU, stood in for."""

import itertools

import numpy as np
import pytest
import torch
from torch.nn import functional

from jobs.train import attention
from jobs.train.attention import MASKED, VARLEN, backend
from tests.jobs.train.making import learner, packed, rows, separate_losses, tiny_policy

LENGTHS = [5, 1, 12, 9, 3, 20, 31, 7]
"""The 31 fills a context; others leave padding."""

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def kernel(query, key, value, starts, starts_of_keys, longest, longest_key, *, scale, **options):
    """What varlen_attn promises, document by document; it refuses what the kernels refuse."""
    assert options == {"window_size": (-1, 0), "enable_gqa": query.shape[1] > key.shape[1]}
    assert query.dtype == key.dtype == value.dtype
    assert starts is starts_of_keys
    assert starts.dtype == torch.int32
    bounds = starts.tolist()
    assert bounds[0] == 0
    assert bounds[-1] == len(query) == len(key) == len(value)
    assert 0 < max(np.diff(bounds)) <= longest == longest_key
    parts = []
    for start, end in itertools.pairwise(bounds):
        assert end > start
        heads = (each[start:end].transpose(0, 1) for each in (query, key, value))
        attended = functional.scaled_dot_product_attention(
            *heads, is_causal=True, scale=scale, enable_gqa=options["enable_gqa"]
        )
        parts.append(attended.transpose(0, 1))
    return torch.cat(parts)


@pytest.mark.parametrize("n_key_heads", [2, 1])
def test_packed_loss_equals_separate_losses(monkeypatch, n_key_heads):
    monkeypatch.setattr(attention, "varlen_attn", kernel)
    table, policy = rows(LENGTHS), tiny_policy(num_key_value_heads=n_key_heads)
    expected = sum(separate_losses(policy, table))
    data, learning = packed(table), learner(policy)
    policy.set_attn_implementation(VARLEN)
    nll = learning.loss(data.batch(np.arange(len(data))))
    assert float(nll.detach().sum()) == pytest.approx(expected, rel=1e-12)


def test_the_kernel_gets_half_precision_where_activations_are(monkeypatch):
    seen = []

    def half_alone(query, *rest, **options):
        seen.append(query.dtype)
        return kernel(query, *rest, **options)

    monkeypatch.setattr(attention, "varlen_attn", half_alone)
    policy, data = tiny_policy(dtype=torch.float32), packed(rows(LENGTHS))
    batch = data.batch(np.arange(len(data)))
    learning = learner(policy, precision="bfloat16")
    with learning.autocast():
        masked = learning.loss(batch)
        policy.set_attn_implementation(VARLEN)
        flat = learning.loss(batch)
    assert set(seen) == {torch.bfloat16}
    assert flat.dtype == masked.dtype == torch.float32
    torch.testing.assert_close(flat, masked, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize(
    ("device", "dtype", "head_size", "expected"),
    [
        (CUDA, torch.bfloat16, 64, VARLEN),
        # The kernels' heads are multiples of 8, up to 256.
        (CUDA, torch.bfloat16, 20, MASKED),
        (CUDA, torch.bfloat16, 512, MASKED),
        (CUDA, torch.float32, 64, MASKED),
        (CPU, torch.bfloat16, 64, MASKED),
    ],
)
def test_variable_length_attention_is_for_what_its_kernels_take(device, dtype, head_size, expected):
    assert backend(device, dtype, head_size) == expected
