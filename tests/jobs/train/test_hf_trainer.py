"""The loop beside transformers' Trainer: the same batches give the same losses, step by step."""

import numpy as np
import pytest
import torch
from torch.optim.lr_scheduler import LambdaLR
from transformers import Trainer, TrainingArguments

from jobs.train.batches import IGNORED, contexts_of_step
from jobs.train.loop import learning_rate, train
from tests.jobs.train.making import BOS, CONTEXT, learner, packed, rows, tiny_policy
from transforms.annotate import trained_actions

STEPS, BATCH_ROWS, MICRO_ROWS = 20, 8, 2
PAD = 2
LENGTHS = [31, 30, 5, 5, 5, 9, 9, 3, 3, 20, 22, 18, 1, 13, 28, 7, 7, 26, 31, 12, 4, 16, 15, 29]


def hf_example(table, objective):
    """A context as transformers takes it: nothing but restarting positions parts its rows."""
    ids, positions, labels = [], [], []
    for row in table.to_pylist():
        mask = trained_actions(np.array(row["player"], np.uint8), objective)
        ids += [BOS, *row["input_ids"]]
        positions += range(1 + len(row["input_ids"]))
        labels += [IGNORED, *np.where(mask, row["input_ids"], IGNORED).tolist()]
    left = CONTEXT - len(ids)
    return {
        "input_ids": ids + [PAD] * left,
        "position_ids": [*positions, *range(left)],
        "labels": labels + [IGNORED] * left,
    }


def hf_arguments(folder, config):
    """Our settings in transformers' words; its batches are made of other micro-batches."""
    return TrainingArguments(
        folder,
        max_steps=STEPS,
        per_device_train_batch_size=MICRO_ROWS,
        gradient_accumulation_steps=BATCH_ROWS // MICRO_ROWS,
        learning_rate=config.learning_rate,
        weight_decay=config.weight_decay,
        max_grad_norm=config.clip_norm,
        adam_beta1=0.9,
        adam_beta2=0.95,
        optim="adamw_torch",
        train_sampling_strategy="sequential",
        use_cpu=True,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
    )


class Recording(Trainer):
    """Trainer with our learning rates; it keeps the loss of every micro-batch."""

    def __init__(self, *args, config, **options):
        super().__init__(*args, **options)
        self.config, self.losses = config, []

    def create_scheduler(self, num_training_steps, optimizer=None):  # noqa: ARG002 its interface
        def share(done):
            return learning_rate(self.config, done) / self.config.learning_rate

        self.lr_scheduler = LambdaLR(optimizer or self.optimizer, share)
        return self.lr_scheduler

    def compute_loss(self, *args, **options):
        loss = super().compute_loss(*args, **options)
        self.losses.append(float(loss.detach()))
        return loss


@pytest.mark.parametrize("objective", ["all", "player-two"])
def test_losses_are_those_of_transformers_trainer(tmp_path, objective):
    table = rows(LENGTHS)
    data = packed(table, objective)
    ours = learner(
        tiny_policy(dtype=torch.float32),
        objective=objective,
        steps=STEPS,
        batch_rows=BATCH_ROWS,
        micro_rows=3,
        learning_rate=1e-2,
        warmup_steps=3,
    )
    steps = []
    train(ours, data, group="player", on_step=steps.append)
    config = ours.config
    chosen = np.concatenate(
        [contexts_of_step(len(data), BATCH_ROWS, step, config.seed) for step in range(STEPS)]
    )
    examples = [hf_example(table.take(data.rows_of_context[i]), objective) for i in chosen]
    theirs = Recording(
        tiny_policy(dtype=torch.float32),
        hf_arguments(tmp_path, config),
        train_dataset=examples,
        config=config,
    )
    theirs.train()
    losses = np.array(theirs.losses).reshape(STEPS, -1).sum(axis=1)
    assert losses[-1] < losses[0] - 0.3
    # Sums in another order: float32's last bits, carried on from step to step.
    np.testing.assert_allclose([step.loss for step in steps], losses, rtol=1e-6)
    for one, two in zip(ours.policy.parameters(), theirs.model.parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-5, atol=2e-6)
