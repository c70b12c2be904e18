"""`duologue train` as a person runs it: what it leaves, and how it goes on."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.jobs.train.making import (
    ONE_THREAD,
    RUN,
    SAVE_EVERY,
    SETTINGS,
    STEPS,
    TORCHRUN,
    metrics_of,
)
from tests.running import command, duologue, manifest_of, tree

WATCH_SECONDS = 300


def edit_manifest(out, change):
    manifest = manifest_of(out)
    manifest["shards"] = [each for each in map(change, manifest["shards"]) if each is not None]
    (out / "manifest.json").write_text(json.dumps(manifest))


def test_a_run_leaves_metrics_settings_and_a_model(trained):
    assert {path.name for path in trained.iterdir()} == {"train.json", "metrics.jsonl", "model"}
    lines = metrics_of(trained)
    assert [line["step"] for line in lines] == list(range(1, STEPS + 1))
    assert lines[-1]["loss"] < lines[0]["loss"] - 0.5
    assert [i for i, line in enumerate(lines, 1) if "validation_loss" in line] == [10, 20, 30]
    for line in lines:
        assert sum(line["tokens_by_player"]) == line["trained_tokens"] > 0
        assert sum(line["nats_by_player"]) / line["trained_tokens"] == pytest.approx(line["loss"])
    options = json.loads((trained / "train.json").read_bytes())["options"]
    assert options["steps"] == STEPS
    assert options["objective"] == "all"


def test_a_person_reads_a_line_a_step(trained):
    _, out, err = json.loads(trained.with_name("trained-said.json").read_text())
    number = r"[\d.,e+-]+"
    line = rf"step (\d+)/{STEPS}  loss {number} nats  lr {number}  grad {number}  {number} tokens/s"
    found = [re.fullmatch(line + r"(  validation [\d.]+)?", each) for each in out.splitlines()]
    assert [int(each[1]) for each in found] == list(range(1, STEPS + 1))
    assert re.search(
        r"0\.48 M parameters on 1 x cpu, float32; \d+ packed rows of 64, \d+% full", err
    )
    assert "beyond --context 64: left out" in err
    assert f"model: {trained / 'model'}" in err


def test_the_weights_are_readable_as_the_rest_is(trained):
    modes = {path.stat().st_mode for path in (trained / "model").iterdir()}
    assert len(modes) == 1


def test_the_model_opens_and_generates(trained):
    model = AutoModelForCausalLM.from_pretrained(trained / "model")
    tokenizer = AutoTokenizer.from_pretrained(trained / "model")
    prompt = tokenizer("Q: Where is the pilot?\n", return_tensors="pt")
    made = model.generate(prompt["input_ids"], max_new_tokens=8, do_sample=False)
    assert prompt["input_ids"].shape[1] < made.shape[1]
    assert model.config.bos_token_id == tokenizer.bos_token_id
    assert model.config.eos_token_id == tokenizer.eos_token_id
    assert model.config.pad_token_id == tokenizer.pad_token_id


def n_lines(out):
    path = out / "metrics.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def until(holds, running):
    """Wait until holds(); the command must still run then."""
    end = time.monotonic() + WATCH_SECONDS
    while not holds():
        assert running.poll() is None, f"ended with {running.returncode} before its time"
        assert time.monotonic() < end
        # Not a sleep: it returns as soon as the command ends.
        with contextlib.suppress(subprocess.TimeoutExpired):
            running.wait(0.005)


def kill_when(holds, argv, number=signal.SIGKILL):
    """(exit code, errors) of a command that gets a signal as soon as holds()."""
    with subprocess.Popen(
        command(*argv),
        env={**os.environ, **ONE_THREAD},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # Even where the tests run in the background.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as running:
        until(holds, running)
        running.send_signal(number)
        _, err = running.communicate(timeout=WATCH_SECONDS)
    return running.returncode, err


@pytest.mark.parametrize(
    ("number", "words", "exit_code"),
    [(signal.SIGINT, "interrupted", 130), (signal.SIGTERM, "terminated", 143)],
)
def test_an_interrupted_run_goes_on_after_its_last_step(
    trained, prepared, tmp_path, number, words, exit_code
):
    out = tmp_path / "out"
    # No checkpoint is due before the end.
    argv = ["train", prepared, "--out", out, *SETTINGS, "--validate-every", "10"]
    code, err = kill_when(lambda: n_lines(out) >= 2, argv, number)
    assert code == exit_code
    assert err.endswith(f"duologue: {words}; the same command goes on where it stopped\n")
    assert "Traceback" not in err
    done = n_lines(out)
    ran = duologue(*argv, env=ONE_THREAD)
    assert ran.code == 0, ran.err
    assert f"going on after step {done}, the last checkpoint" in ran.err
    assert tree(out / "model") == tree(trained / "model")
    assert metrics_of(out) == metrics_of(trained)


def test_a_killed_run_goes_on_to_the_same_bits(trained, prepared, tmp_path):
    out = tmp_path / "out"
    argv = ["train", prepared, "--out", out, *RUN]
    # Before there is a checkpoint, then between two.
    kill_when(lambda: n_lines(out) >= 1, argv)
    _, err = kill_when(lambda: n_lines(out) >= 2 * SAVE_EVERY + 1, argv)
    assert "was begun, but has no checkpoint: from the first step again" in err
    [checkpoint] = (out / "checkpoints").glob("[0-9]*")
    assert int(checkpoint.name) % SAVE_EVERY == 0
    # As if it had been killed while it wrote the next.
    newer = checkpoint.with_name(f".{int(checkpoint.name) + SAVE_EVERY:08d}.tmp")
    shutil.copytree(checkpoint, newer)
    os.truncate(newer / "optimizer.safetensors", 1000)
    with (out / "metrics.jsonl").open("a") as metrics:
        metrics.write('{"step": 1')
    ran = duologue(*argv, env=ONE_THREAD)
    assert ran.code == 0, ran.err
    assert f"going on after step {int(checkpoint.name)}" in ran.err
    assert tree(out / "model") == tree(trained / "model")
    assert metrics_of(out) == metrics_of(trained)
    assert {path.name for path in out.iterdir()} == {"train.json", "metrics.jsonl", "model"}


@pytest.mark.parametrize("argv", [RUN, (*SETTINGS, "--save-every", 1, "--validate-every", 0)])
def test_the_same_settings_again_do_nothing(trained, prepared, train, tmp_path, argv):
    """How often is saved and looked at validation is none of them."""
    out = tmp_path / "out"
    shutil.copytree(trained, out)
    ran = train(prepared, "--out", out, *argv)
    assert (ran.code, ran.out) == (0, "")
    assert f"{out} is trained: nothing to do" in ran.said
    assert tree(out) == tree(trained)


def test_two_ranks_take_the_same_steps_and_the_first_alone_writes(
    trained, prepared, train, tmp_path
):
    out = tmp_path / "out"
    argv = [sys.executable, *TORCHRUN, *command("train", prepared, "--out", out, *RUN)[1:]]
    done = subprocess.run(
        argv,
        env={**os.environ, **ONE_THREAD},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == STEPS
    assert done.stderr.count("model: ") == 1
    assert "on 2 x cpu" in done.stderr
    lines, alone = metrics_of(out), metrics_of(trained)
    assert len(lines) == STEPS
    for one, two in zip(lines, alone, strict=True):
        assert one.keys() == two.keys()
        assert one["trained_tokens"] == two["trained_tokens"]
        # Sums in another order: the last bits of float32, carried on from step to step.
        for name in {"loss", "validation_loss"} & one.keys():
            assert one[name] == pytest.approx(two[name], rel=1e-6)
        assert one["gradient_norm"] == pytest.approx(two["gradient_norm"], rel=1e-4)
    ran = train(prepared, "--out", out, *RUN)
    assert ran.code == 1
    assert "2 ranks there, 1 now" in ran.last_line


def test_without_steps_a_run_is_one_epoch(prepared, train, tmp_path):
    argv = [
        "--model",
        "1m",
        "--context",
        "512",
        "--config",
        "episodes",
        "--objective",
        "player-two",
    ]
    ran = train(prepared, "--out", tmp_path / "out", *argv, "--batch-rows", 7, "--device", "cpu")
    assert ran.code == 0, ran.err
    n_contexts = int(re.search(r"(\d+) packed rows of 512", ran.said)[1])
    lines = metrics_of(tmp_path / "out")
    assert n_contexts > 7
    assert len(lines) == -(-n_contexts // 7)
    shards = manifest_of(prepared)["shards"]
    n_tokens = sum(
        shard["tokens_by_player"][2]
        for shard in shards
        if (shard["config"], shard["split"]) == ("episodes", "train")
    )
    assert sum(line["tokens_by_player"][2] for line in lines[:-1]) < n_tokens
    assert sum(line["trained_tokens"] for line in lines) >= n_tokens
    assert all(line["trained_tokens"] == line["tokens_by_player"][2] for line in lines)


def test_a_config_file_and_then_the_model_of_its_run(prepared, train, tmp_path):
    fields = {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
    }
    (tmp_path / "tiny.json").write_text(json.dumps(fields))
    more = ["--context", 64, "--steps", 2, "--device", "cpu"]
    first = train(prepared, "--out", tmp_path / "a", "--model", tmp_path / "tiny.json", *more)
    assert first.code == 0, first.err
    model = tmp_path / "a/model"
    assert AutoModelForCausalLM.from_pretrained(model).config.num_key_value_heads == 1
    # The loss before the first step is the model's own.
    second = train(prepared, "--out", tmp_path / "b", "--model", model, *more)
    assert second.code == 0, second.err
    losses = [line["loss"] for part in ("a", "b") for line in metrics_of(tmp_path / part)]
    assert losses[2] < losses[0]
    (tmp_path / "tiny.json").write_text(json.dumps(fields | {"num_hidden_layers": 3}))
    changed = train(prepared, "--out", tmp_path / "a", "--model", tmp_path / "tiny.json", *more)
    assert changed.code == 1
    assert "the config of its --model was another" in changed.last_line


def test_bfloat16_on_the_cpu_is_near_float32(trained, prepared, train, tmp_path):
    ran = train(prepared, "--out", tmp_path / "out", *RUN, "--steps", 3, "--precision", "bfloat16")
    assert ran.code == 0, ran.err
    first, expected = metrics_of(tmp_path / "out")[0], metrics_of(trained)[0]
    assert first["loss"] != expected["loss"]
    assert first["loss"] == pytest.approx(expected["loss"], rel=1e-2)


def test_a_folder_in_which_a_run_was_killed_before_it_began_is_taken(prepared, train, tmp_path):
    (tmp_path / ".train.json.17-4.tmp").write_text("{")
    ran = train(prepared, "--out", tmp_path, *RUN, "--steps", 1)
    assert ran.code == 0, ran.err


def without_validation_of_episodes(shard):
    is_left_out = (shard["config"], shard["split"]) == ("episodes", "validation")
    return None if is_left_out else shard


def with_splits_swapped(shard):
    other = {"train": "validation", "validation": "train"}
    return shard | {"split": other[shard["split"]]}


@pytest.mark.parametrize(
    ("corpus_name", "change", "options"),
    [
        ("prepared", without_validation_of_episodes, ["--config", "episodes"]),
        # Episodes in train alone.
        ("prose", with_splits_swapped, ["--objective", "player-two"]),
    ],
)
def test_validation_without_rows_or_without_the_player_is_passed_over(
    request, train, tmp_path, corpus_name, change, options
):
    corpus, out = tmp_path / "corpus", tmp_path / "out"
    shutil.copytree(request.getfixturevalue(corpus_name), corpus)
    edit_manifest(corpus, change)
    ran = train(corpus, "--out", out, *RUN, "--steps", 1, *options)
    assert ran.code == 0, ran.err
    [line] = metrics_of(out)
    assert "validation_loss" not in line
