"""Small rows and policies for tests of the trainer."""

import contextlib
import json

import numpy as np
import pyarrow as pa
import torch
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM

from jobs.train.batches import PackedRows
from jobs.train.loop import Learner, TrainConfig, train
from jobs.train.ranks import Ranks
from transforms.annotate import trained_actions

BOS = 0
N_IDS = 50
CONTEXT = 32

STEPS, SAVE_EVERY = 30, 4
SETTINGS = (
    *("--model", "1m", "--context", "64", "--batch-rows", "4", "--micro-rows", "2"),
    *("--steps", str(STEPS), "--learning-rate", "0.003", "--seed", "3", "--device", "cpu"),
)
RUN = (*SETTINGS, "--save-every", str(SAVE_EVERY), "--validate-every", "10")

ONE_THREAD = {"OMP_NUM_THREADS": "1"}
"""Environment of runs whose bits are compared: these depend on the number of threads."""

TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")

_TIMES = {"seconds", "tokens_per_second"}


def tiny_policy(seed=0, dtype=torch.float64, **fields):
    """A Llama of 2 layers; float64, so that what differs in the 10th digit is a fault."""
    config = {
        "vocab_size": N_IDS,
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": CONTEXT,
        "tie_word_embeddings": True,
        "bos_token_id": BOS,
        "eos_token_id": 1,
        "pad_token_id": 2,
    }
    torch.manual_seed(seed)
    return LlamaForCausalLM(LlamaConfig(**(config | fields))).to(dtype)


def rows(lengths, seed=0):
    """Rows of some lengths; ids and players drawn by seed."""
    draw = np.random.default_rng(seed)
    return pa.table(
        {
            "input_ids": pa.array(
                [draw.integers(3, N_IDS, n).tolist() for n in lengths], pa.list_(pa.uint16())
            ),
            "player": pa.array(
                [draw.integers(0, 3, n).tolist() for n in lengths], pa.list_(pa.uint8())
            ),
        }
    )


def packed(table, objective="all", context=CONTEXT):
    """Rows in contexts, grouped by player."""
    return PackedRows(table, context=context, bos_id=BOS, objective=objective, columns=("player",))


def separate_losses(policy, table, objective="all"):
    """Summed nats of each row, each alone behind BOS: plain causal attention, no mask of ours."""
    policy.set_attn_implementation("sdpa")
    sums = []
    for row in table.to_pylist():
        ids = torch.tensor([[BOS, *row["input_ids"]]], device=policy.device)
        with torch.no_grad():
            logits = policy(ids, use_cache=False).logits[0, :-1]
        nll = functional.cross_entropy(logits, ids[0, 1:], reduction="none").cpu()
        mask = trained_actions(np.array(row["player"], np.uint8), objective)
        sums.append(float(nll[torch.from_numpy(mask)].sum()))
    return sums


def learner(policy, *, ranks=None, **config):
    """A learner on the CPU."""
    defaults = {"steps": 5, "context": CONTEXT, "batch_rows": 8, "warmup_steps": 2}
    settings = TrainConfig(**(defaults | config))
    return Learner(policy, settings, ranks or Ranks(device=torch.device("cpu")))


def losses_until(learner_, data, done, until, on_step=None):
    """Losses of the steps from `done` to `until`, where the run is interrupted."""
    losses = []

    def record(step):
        losses.append(step.loss)
        if on_step is not None:
            on_step(step)
        if step.step == until:
            raise KeyboardInterrupt

    with contextlib.suppress(KeyboardInterrupt):
        train(learner_, data, group="player", done=done, on_step=record)
    assert len(losses) == until - done
    return losses


def metrics_of(out):
    """The lines of metrics without what depends on the clock."""
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [{name: line[name] for name in line if name not in _TIMES} for line in lines]
