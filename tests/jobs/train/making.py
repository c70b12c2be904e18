"""Small rows and policies for tests of the trainer."""

import numpy as np
import pyarrow as pa
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from jobs.train.batches import PackedRows
from jobs.train.loop import Learner, TrainConfig
from jobs.train.ranks import Ranks

BOS = 0
N_IDS = 50
CONTEXT = 32


def tiny_policy(seed=0, dtype=torch.float64):
    """A Llama of 2 layers; float64, so that what differs in the 10th digit is a fault."""
    config = LlamaConfig(
        vocab_size=N_IDS,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        bos_token_id=BOS,
        eos_token_id=1,
        pad_token_id=2,
    )
    torch.manual_seed(seed)
    return LlamaForCausalLM(config).to(dtype)


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


def learner(policy, *, ranks=None, **config):
    """A learner on the CPU."""
    defaults = {"steps": 5, "context": CONTEXT, "batch_rows": 8, "warmup_steps": 2}
    settings = TrainConfig(**(defaults | config))
    return Learner(policy, settings, ranks or Ranks(device=torch.device("cpu")))
