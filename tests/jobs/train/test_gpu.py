"""Training on a GPU: what packed documents see there, and the same bits after an interruption."""

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from jobs.train.attention import MASKED, VARLEN
from jobs.train.checkpoint import load_checkpoint, save_checkpoint
from jobs.train.ranks import Ranks
from pipeline.tokenizer import given_tokenizer
from tests.jobs.train.making import (
    SETTINGS,
    learner,
    losses_until,
    metrics_of,
    packed,
    rows,
    separate_losses,
    tiny_policy,
)

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

DEVICE = torch.device("cuda", 0)
LENGTHS = [5, 1, 12, 9, 3, 20, 31, 7, 31, 2, 2, 15]

# Heads of 64, as in the sizes 10m and 124m; weights large enough that attention matters.
SHAPE = {"hidden_size": 128, "intermediate_size": 256, "initializer_range": 0.1}


@pytest.fixture(autouse=True)
def _algorithms_as_they_were():
    yield
    torch.use_deterministic_algorithms(False)
    torch.backends.cuda.enable_cudnn_sdp(True)


def on_gpu(precision, **options):
    fields = {name: options.pop(name) for name in ("num_key_value_heads",) if name in options}
    policy = tiny_policy(dtype=torch.float32, **SHAPE, **fields)
    return learner(policy, ranks=Ranks(device=DEVICE), precision=precision, **options)


def nll_of(learning, data):
    batch = data.batch(np.arange(len(data))).to(DEVICE)
    with learning.autocast():
        return learning.loss(batch)


@pytest.mark.parametrize("n_key_heads", [2, 1])
@pytest.mark.parametrize(
    ("precision", "implementation", "relative"),
    # bfloat16 has 8 bits; errors of single actions nearly cancel in the sum.
    [("float32", MASKED, 1e-5), ("bfloat16", VARLEN, 5e-3)],
)
def test_packed_loss_equals_separate_losses(n_key_heads, precision, implementation, relative):
    table = rows(LENGTHS)
    learning, data = on_gpu(precision, num_key_value_heads=n_key_heads), packed(table)
    assert learning.policy.config._attn_implementation == implementation
    assert len(data) < len(LENGTHS)
    nll = nll_of(learning, data).detach().cpu()
    expected = sum(separate_losses(learning.policy, table))
    assert float(nll.double().sum()) == pytest.approx(expected, rel=relative)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_document_does_not_feel_the_others_of_its_context(precision):
    """Closer than any rounding: other ids beside a document change no bit that matters."""
    table, learning = rows(LENGTHS), on_gpu(precision)
    data = packed(table)
    batch = data.batch(np.arange(len(data)))
    others = batch.input_ids.clone()
    others[batch.document != 1] = 7
    assert (batch.document == 1).any()
    losses = []
    for ids in (batch.input_ids, others):
        batch.input_ids.copy_(ids)
        with torch.no_grad(), learning.autocast():
            losses.append(learning.loss(batch.to(DEVICE)).cpu())
    is_kept = batch.document == 1
    torch.testing.assert_close(losses[0][is_kept], losses[1][is_kept], rtol=1e-5, atol=1e-5)
    assert not torch.allclose(losses[0][~is_kept], losses[1][~is_kept], rtol=1e-2)


@pytest.mark.parametrize("n_key_heads", [2, 1])
def test_gradients_of_variable_length_attention_are_those_of_the_mask(n_key_heads):
    data, grads = packed(rows(LENGTHS)), []
    for precision in ("float32", "bfloat16"):
        learning = on_gpu(precision, num_key_value_heads=n_key_heads)
        nll_of(learning, data).sum().backward()
        grads.append(torch.cat([each.grad.flatten() for each in learning.policy.parameters()]))
    exact, half = grads
    # An average error of a few units in bfloat16's last place.
    assert float((half - exact).norm() / exact.norm()) < 0.03


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_deterministic_run_goes_on_to_the_same_bits(precision, tokenizer_file, tmp_path):
    tokenizer, data = given_tokenizer(tokenizer_file, eos=None), packed(rows(LENGTHS))
    options = {"steps": 8, "batch_rows": 4, "micro_rows": 2, "deterministic": True}
    whole, first, second = (on_gpu(precision, **options) for _ in range(3))
    expected = losses_until(whole, data, 0, 8)
    losses = losses_until(first, data, 0, 5)
    save_checkpoint(tmp_path, 5, first.policy, first.optimizer, tokenizer)
    assert load_checkpoint(tmp_path, second.policy, second.optimizer) == 5
    losses += losses_until(second, data, 5, 8)
    assert losses == expected
    for one, two in zip(whole.policy.parameters(), second.policy.parameters(), strict=True):
        assert torch.equal(one, two)


def test_the_command_trains_on_a_gpu(prepared, trained, train, tmp_path):
    argv = [*SETTINGS, "--steps", 3, "--device", "cuda"]
    ran = train(prepared, "--out", tmp_path / "out", *argv)
    assert ran.code == 0, ran.err
    assert "on 1 x cuda, bfloat16" in ran.said
    first, expected = metrics_of(tmp_path / "out")[0], metrics_of(trained)[0]
    assert first["trained_tokens"] == expected["trained_tokens"]
    assert first["loss"] == pytest.approx(expected["loss"], rel=1e-2)
    AutoModelForCausalLM.from_pretrained(tmp_path / "out/model")


@pytest.mark.slow
def test_a_compiled_policy_takes_the_same_steps():
    data = packed(rows(LENGTHS))
    options = {"steps": 4, "batch_rows": 4, "micro_rows": 3}
    plain, compiled = on_gpu("bfloat16", **options), on_gpu("bfloat16", compile=True, **options)
    expected = losses_until(plain, data, 0, 4)
    assert losses_until(compiled, data, 0, 4) == pytest.approx(expected, rel=1e-2)
