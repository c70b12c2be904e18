"""Checkpoints: what is taken up, what counts as one, and what is left alone."""

import json
import os
import shutil

import pytest
import torch
from transformers import AutoModelForCausalLM

from jobs.train.checkpoint import CHECKPOINTS, drop_checkpoints, load_checkpoint, save_checkpoint
from pipeline.tokenizer import given_tokenizer
from schemas.errors import UserError
from tests.jobs.train.making import learner, losses_until, packed, rows, tiny_policy

LENGTHS = [31, 30, 5, 5, 9, 20]


@pytest.fixture
def tokenizer(tokenizer_file):
    return given_tokenizer(tokenizer_file, eos=None)


def learning(*, seed=0, tied=True):
    policy = tiny_policy(seed=seed, dtype=torch.float32, tie_word_embeddings=tied)
    return learner(policy, steps=6, batch_rows=2)


def steps(learner_, done, until, folder=None, tokenizer=None):
    """Losses of steps; a checkpoint after each where there is a folder."""

    def on_step(step):
        if folder is not None:
            save(folder, step.step, learner_, tokenizer)

    return losses_until(learner_, packed(rows(LENGTHS)), done, until, on_step)


def save(folder, step, learner_, tokenizer):
    save_checkpoint(folder, step, learner_.policy, learner_.optimizer, tokenizer)


def load(folder, learner_):
    return load_checkpoint(folder, learner_.policy, learner_.optimizer)


def weights(learner_):
    return [each.detach().clone() for each in learner_.policy.parameters()]


@pytest.mark.parametrize("tied", [True, False])
def test_a_learner_goes_on_with_the_same_bits(tmp_path, tokenizer, tied):
    whole = learning(tied=tied)
    expected = steps(whole, 0, 6)
    first = learning(tied=tied)
    losses = steps(first, 0, 3)
    save(tmp_path, 3, first, tokenizer)
    # Of another seed: nothing may be left of its own weights.
    second = learning(seed=1, tied=tied)
    assert load(tmp_path, second) == 3
    losses += steps(second, 3, 6)
    assert losses == expected
    for one, two in zip(weights(whole), weights(second), strict=True):
        assert torch.equal(one, two)


def test_the_newest_alone_is_kept_and_opens_as_a_model(tmp_path, tokenizer):
    learner_ = learning()
    steps(learner_, 0, 3, tmp_path, tokenizer)
    assert [each.name for each in (tmp_path / CHECKPOINTS).iterdir()] == ["00000003"]
    model = AutoModelForCausalLM.from_pretrained(tmp_path / CHECKPOINTS / "00000003")
    for one, two in zip(weights(learner_), model.parameters(), strict=True):
        assert torch.equal(one, two)


def test_what_a_killed_run_left_does_not_count_and_goes_with_the_next(tmp_path, tokenizer):
    learner_ = learning()
    steps(learner_, 0, 1, tmp_path, tokenizer)
    place = tmp_path / CHECKPOINTS
    # Cut off while step 2 was written, and while step 0 was removed.
    shutil.copytree(place / "00000001", place / ".00000002.tmp")
    (place / "00000000").mkdir()
    assert load(tmp_path, learning()) == 1
    steps(learner_, 1, 3, tmp_path, tokenizer)
    assert [each.name for each in place.iterdir()] == ["00000003"]


def test_what_others_put_beside_checkpoints_stays(tmp_path, tokenizer):
    learner_ = learning()
    steps(learner_, 0, 2, tmp_path, tokenizer)
    place = tmp_path / CHECKPOINTS
    (place / "2-good").mkdir()
    (place / "notes.txt").write_text("x")
    steps(learner_, 2, 3, tmp_path, tokenizer)
    assert load(tmp_path, learning()) == 3
    drop_checkpoints(tmp_path)
    assert {each.name for each in place.iterdir()} == {"2-good", "notes.txt"}
    (place / "2-good").rmdir()
    (place / "notes.txt").unlink()
    drop_checkpoints(tmp_path)
    assert not place.exists()


def cut_off(name):
    return lambda path: os.truncate(path / name, 100)


def without(name):
    return lambda path: (path / name).unlink()


@pytest.mark.parametrize(
    "damage",
    [
        cut_off("model.safetensors"),
        cut_off("optimizer.safetensors"),
        without("optimizer.safetensors"),
        without("state.json"),
        lambda path: (path / "state.json").write_text("[]"),
        lambda path: (path / "state.json").write_text(json.dumps({"step": None})),
        lambda path: shutil.copy(path / "model.safetensors", path / "optimizer.safetensors"),
    ],
)
def test_a_damaged_checkpoint_is_named_and_nothing_taken_up(tmp_path, tokenizer, damage):
    steps(learning(), 0, 2, tmp_path, tokenizer)
    damage(tmp_path / CHECKPOINTS / "00000002")
    learner_ = learning(seed=1)
    before = weights(learner_)
    with pytest.raises(UserError, match=r"checkpoints/00000002 is damaged \(.*: remove it"):
        load(tmp_path, learner_)
    assert not learner_.optimizer.state
    for one, two in zip(before, weights(learner_), strict=True):
        assert torch.equal(one, two)


def test_a_checkpoint_of_other_weights_is_refused(tmp_path, tokenizer):
    steps(learning(tied=True), 0, 1, tmp_path, tokenizer)
    with pytest.raises(UserError, match=r"lm_head.weight is missing or of another shape"):
        load(tmp_path, learning(tied=False))
