"""Documents of a context do not see each other, and every action is in the loss it belongs to."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest
import torch

from jobs.train import loss as loss_module
from jobs.train.batches import IGNORED
from tests.jobs.train.making import BOS, N_IDS, learner, packed, rows, separate_losses, tiny_policy

LENGTHS = [5, 1, 12, 9, 3, 20, 31, 7]


@pytest.mark.parametrize("objective", ["all", "player-two", "player-one"])
def test_packed_loss_equals_separate_losses(objective):
    table, policy = rows(LENGTHS), tiny_policy()
    expected = sum(separate_losses(policy, table, objective))
    data = packed(table, objective)
    assert len(data) < len(LENGTHS)
    nll = learner(policy).loss(data.batch(np.arange(len(data))))
    assert float(nll.detach().sum()) == pytest.approx(expected, rel=1e-12)


def test_a_document_does_not_feel_what_stands_before_it():
    table, other = rows(LENGTHS, seed=1), rows(LENGTHS, seed=2)
    mixed = pa.concat_tables([table.slice(0, 1), other.slice(1)])
    loss = learner(tiny_policy()).loss

    def nll_of_first_row(rows_):
        data = packed(rows_)
        context = next(i for i, each in enumerate(data.rows_of_context) if 0 in each)
        batch = data.batch(np.array([context]))
        ordinal = data.rows_of_context[context].tolist().index(0)
        nll = loss(batch).detach()[batch.document == ordinal]
        assert len(data.rows_of_context[context]) > 1
        return nll

    assert torch.equal(nll_of_first_row(table), nll_of_first_row(mixed))


def test_the_first_action_is_in_the_loss_and_bos_is_not():
    table = rows([3, 2])
    batch = packed(table).batch(np.array([0]))
    actions = [id_ for row in table["input_ids"].to_pylist() for id_ in row]
    assert batch.targets[batch.targets != IGNORED].tolist() == actions
    first = batch.input_ids == BOS
    assert (batch.targets[first & (batch.document >= 0)] != IGNORED).all()


def test_many_actions_go_through_the_head_in_chunks_and_give_the_same_gradient(monkeypatch):
    data = packed(rows(LENGTHS))
    grads = []
    for chunk in (10_000, 7):
        monkeypatch.setattr(loss_module, "CHUNK_ACTIONS", chunk)
        policy = tiny_policy()
        learner(policy).loss(data.batch(np.arange(len(data)))).sum().backward()
        grads.append([each.grad for each in policy.parameters()])
    for one, two in zip(*grads, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-12, atol=1e-14)


def test_reserve_is_what_is_paid_for_expecting_other_tokens():
    data, reserved = packed(rows(LENGTHS)), [1, 2]
    learning = learner(tiny_policy())
    batch = data.batch(np.arange(len(data)))
    nll, reserve = learning.loss.with_reserve(batch, torch.tensor(reserved))
    assert torch.equal(nll, learning.loss(batch).detach())
    is_target = batch.targets != IGNORED
    assert (reserve[~is_target] == 0).all()
    # The likelihood among all others: they sum to 1 without the reserved tokens.
    total = torch.zeros_like(nll)
    for action in set(range(N_IDS)) - set(reserved):
        other = dataclasses.replace(batch, targets=torch.where(is_target, action, batch.targets))
        total += torch.exp(-(learning.loss(other).detach() - reserve))
    torch.testing.assert_close(total[is_target], torch.ones_like(total[is_target]))
