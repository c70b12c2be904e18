"""One gradient however the batch is dealt out, and the same bits after an interruption."""

import multiprocessing
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import distributed

from jobs.train.batches import IGNORED, PackedRows, contexts_of_step
from jobs.train.loop import TrainConfig, learning_rate, score, train
from jobs.train.ranks import Ranks
from schemas.episode import Player
from schemas.errors import UserError
from tests.jobs.train.making import BOS, CONTEXT, learner, losses_until, packed, rows, tiny_policy

# Contexts with one long row of few trained actions and others with many: a mean over micro-batches
# of means would show.
LENGTHS = [31, 30, 29, 28, 5, 5, 5, 5, 5, 9, 9, 9, 3, 3, 20, 22, 18]


def gradient(micro_rows, ranks=None, seed=0):
    data = packed(rows(LENGTHS), "player-two")
    learning = learner(tiny_policy(seed), micro_rows=micro_rows, ranks=ranks)
    learning.accumulate(data, np.arange(8), "player")
    return torch.cat([each.grad.flatten() for each in learning.policy.parameters()])


def test_micro_batches_give_the_gradient_of_the_batch():
    torch.testing.assert_close(gradient(8), gradient(1), rtol=1e-10, atol=1e-13)
    torch.testing.assert_close(gradient(8), gradient(3), rtol=1e-10, atol=1e-13)


def as_rank(rank, n_ranks, place, work):
    """What work gives on one of several ranks that meet at a place."""
    distributed.init_process_group(
        "gloo", init_method=f"file://{place}/ranks", rank=rank, world_size=n_ranks
    )
    try:
        return work(Ranks(device=torch.device("cpu"), rank=rank, n_ranks=n_ranks))
    finally:
        distributed.destroy_process_group()


def other_ranks(n_ranks, place, work):
    """All ranks but the first, forked off one process: torch is imported once."""
    context = multiprocessing.get_context("fork")
    ranks = [
        context.Process(target=as_rank, args=(rank, n_ranks, place, work))
        for rank in range(1, n_ranks)
    ]
    for each in ranks:
        each.start()
    for each in ranks:
        each.join()
    sys.exit(any(each.exitcode for each in ranks))


def on_ranks(n_ranks, place, work):
    """What work gives on the first rank, which is this process."""
    name, arguments = work.__name__, f"{n_ranks}, {str(place)!r}"
    others = f"from {__name__} import other_ranks, {name}; other_ranks({arguments}, {name})"
    root = Path(__file__).parents[3]
    with subprocess.Popen([sys.executable, "-c", others], cwd=root) as running:
        found = as_rank(0, n_ranks, place, work)
    assert running.returncode == 0
    return found


def gradient_of_ranks(ranks):
    # Rank 0's weights are everyone's.
    return gradient(2, ranks, seed=ranks.rank)


def test_two_ranks_give_the_gradient_of_one(tmp_path):
    found = on_ranks(2, tmp_path, gradient_of_ranks)
    torch.testing.assert_close(found, gradient(8), rtol=1e-10, atol=1e-13)


def undisturbed_and_resumed(ranks):
    """Weights after 6 steps, and after 3 and 3 in a learner that took up what the first had."""
    data, options = packed(rows(LENGTHS)), {"steps": 6, "batch_rows": 6, "ranks": ranks}
    whole, first, second = (
        learner(tiny_policy(seed, torch.float32), **options) for seed in (0, 0, 1)
    )
    losses_until(whole, data, 0, 6)
    losses_until(first, data, 0, 3)
    second.policy.load_state_dict(first.policy.state_dict())
    second.optimizer.load_state_dict(first.optimizer.state_dict())
    losses_until(second, data, 3, 6)
    return [list(each.policy.parameters()) for each in (whole, second)]


def test_three_ranks_go_on_to_the_same_bits(tmp_path):
    """The first number of ranks at which the order of a sum matters."""
    whole, resumed = on_ranks(3, tmp_path, undisturbed_and_resumed)
    for one, two in zip(whole, resumed, strict=True):
        assert torch.equal(one, two)


def test_the_gradient_is_that_of_the_mean_over_all_trained_actions():
    data = packed(rows(LENGTHS), "player-two")
    learning = learner(tiny_policy())
    nll = learning.loss(data.batch(np.arange(8)))
    (nll.sum() / (nll != 0).sum()).backward()
    whole = torch.cat([each.grad.flatten() for each in learning.policy.parameters()])
    torch.testing.assert_close(gradient(2), whole, rtol=1e-10, atol=1e-13)


@given(st.integers(1, 40), st.integers(1, 9), st.integers(0, 3))
def test_every_epoch_takes_each_context_once(n_contexts, batch_rows, seed):
    steps = -(-2 * n_contexts // batch_rows)
    order = np.concatenate(
        [contexts_of_step(n_contexts, batch_rows, step, seed) for step in range(steps)]
    )
    for epoch in range(2):
        seen = order[epoch * n_contexts : (epoch + 1) * n_contexts]
        assert sorted(seen.tolist()) == list(range(n_contexts))


@given(
    st.lists(st.integers(1, CONTEXT - 1), min_size=1, max_size=30),
    st.lists(st.integers(0, 6), min_size=30, max_size=30),
)
def test_a_plan_for_longer_rows_holds_the_same_rows_in_the_same_contexts(lengths, more):
    longest = np.minimum(np.array(lengths) + more[: len(lengths)], CONTEXT - 1)
    plan = {"context": CONTEXT, "bos_id": BOS, "columns": ("player",), "lengths": longest}
    short, long = PackedRows(rows(lengths), **plan), PackedRows(rows(longest), **plan)
    assert [each.tolist() for each in short.rows_of_context] == [
        each.tolist() for each in long.rows_of_context
    ]
    held = [row for context in short.rows_of_context for row in context.tolist()]
    assert sorted(held) == list(range(len(lengths)))


def test_warm_up_then_a_cosine_down_to_a_tenth():
    config = TrainConfig(steps=100, warmup_steps=10, learning_rate=1.0)
    rates = [learning_rate(config, done) for done in range(101)]
    assert rates[:10] == sorted(rates[:10])
    assert rates[0] > 0
    assert rates[10] == 1.0
    assert rates[100] == pytest.approx(0.1)
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_training_lowers_the_loss_and_scoring_changes_nothing():
    data = packed(rows(LENGTHS))
    learning = learner(tiny_policy(), steps=40, learning_rate=1e-2)
    losses = []
    train(learning, data, group="player", on_step=lambda step: losses.append(step.loss))
    assert losses[-1] < losses[0] - 0.5
    before = [each.clone() for each in learning.policy.parameters()]
    contexts = np.arange(len(data))
    nats, n_actions, _ = score(learning, data, contexts, group="player", n_groups=len(Player))
    assert n_actions.sum() == sum(LENGTHS)
    nll = learning.loss(data.batch(contexts)).detach()
    assert nats.sum() == pytest.approx(float(nll.sum()), rel=1e-12)
    for one, two in zip(before, learning.policy.parameters(), strict=True):
        assert torch.equal(one, two)


def test_a_batch_without_a_trained_action_is_a_gradient_of_zeros():
    """Plans that several arms share have contexts in which one of them trains nothing."""
    table = rows([31, 31]).set_column(1, "player", [pa.array([[1] * 31] * 2, pa.list_(pa.uint8()))])
    lengths = np.array([31, 31])
    data = PackedRows(
        table,
        context=CONTEXT,
        bos_id=BOS,
        objective="player-two",
        columns=("player",),
        lengths=lengths,
    )
    assert data.n_trained.tolist() == [0, 0]
    learning = learner(tiny_policy(), steps=2, batch_rows=2, micro_rows=1)
    seen = []
    train(learning, data, group="player", on_step=seen.append)
    assert [(each.loss, each.gradient_norm) for each in seen] == [(0.0, 0.0)] * 2


def test_a_column_without_an_entry_a_token_is_refused():
    table = pa.table(
        {"input_ids": [[1, 2, 3]] * 2, "player": [[2] * 3] * 2, "w": [[1.0] * 3, [1.0]]}
    )
    table = table.cast(
        pa.schema(
            [
                ("input_ids", pa.list_(pa.uint16())),
                ("player", pa.list_(pa.uint8())),
                ("w", pa.list_(pa.float32())),
            ]
        )
    )
    with pytest.raises(ValueError, match="row 1 has 3 tokens and 1 of w"):
        PackedRows(table, context=8, bos_id=0, columns=("w",))


def test_what_is_trained_and_how_it_is_grouped_may_be_columns():
    table = rows(LENGTHS)
    player = table["player"].combine_chunks()
    is_two = pa.ListArray.from_arrays(player.offsets, pc.equal(player.flatten(), int(Player.TWO)))
    group = pa.ListArray.from_arrays(player.offsets, player.flatten().cast(pa.int32()))
    table = table.append_column("is_two", is_two).append_column("group", group)
    options = {"context": CONTEXT, "bos_id": BOS}
    by_column = PackedRows(table, is_target="is_two", columns=("group",), **options)
    by_player = PackedRows(table, objective="player-two", columns=("player",), **options)
    assert by_column.n_trained.tolist() == by_player.n_trained.tolist()
    for i in range(len(by_player)):
        one, two = (data.batch(np.array([i])) for data in (by_column, by_player))
        for name in ("input_ids", "position_ids", "document", "targets"):
            assert torch.equal(getattr(one, name), getattr(two, name))
        assert torch.equal(one.columns["group"], two.columns["player"].to(torch.int32))
        chosen = two.targets != IGNORED
        assert chosen.sum() == by_player.n_trained[i]
        assert (two.columns["player"][chosen] == Player.TWO).all()


def test_a_gradient_that_is_not_finite_ends_the_run_with_a_mend():
    policy = tiny_policy()
    with torch.no_grad():
        policy.get_input_embeddings().weight[5] = float("nan")
    with pytest.raises(UserError, match="learning rate"):
        train(learner(policy), packed(rows(LENGTHS)), group="player", on_step=lambda _: None)


@pytest.mark.parametrize(
    ("option", "value"),
    [("objective", "both"), ("steps", 0), ("context", 3), ("learning_rate", 0.0)],
)
def test_settings_that_no_run_could_honour_are_refused_by_name(option, value):
    with pytest.raises(UserError, match=f"--{option.replace('_', '-')} {value}"):
        TrainConfig(**({"steps": 1} | {option: value}))
