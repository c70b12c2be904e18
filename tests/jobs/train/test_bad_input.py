"""What `duologue train` cannot work with or write to: a line that says so, nothing overwritten."""

import fcntl
import os
import shutil

import pytest
import torch

from tests.jobs.train.making import RUN, SAVE_EVERY, metrics_of
from tests.running import tree


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("--seed 4", "--seed is 3 there, 4 now"),
        ("--model 10m", "--model is 1m there, 10m now"),
        ("--objective player-two", "--objective is all there, player-two now"),
        ("--steps 31", "--steps is 30 there, 31 now"),
        ("--context 65", "its data is other rows; --context is 64 there, 65 now"),
        ("--config episodes", "--config is documents there, episodes now"),
        ("--precision bfloat16", "--precision is float32 there, bfloat16 now"),
        ("--micro-rows 4", "--micro-rows is 2 there, 4 now"),
    ],
)
def test_a_run_of_other_settings_is_refused_by_name(trained, prepared, train, options, says):
    before = tree(trained)
    ran = train(prepared, "--out", trained, *RUN, *options.split())
    assert (ran.code, ran.out) == (1, "")
    assert ran.last_line.startswith("duologue: ")
    assert says in ran.last_line
    assert "choose another --out" in ran.last_line
    assert tree(trained) == before


def test_a_checkpoint_of_other_data_is_refused(trained, prose, train, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(trained, out)
    # Not finished, so that it would go on.
    (out / "model").rename(out / "checkpoints")
    before = tree(out)
    ran = train(prose, "--out", out, *RUN)
    assert ran.code == 1
    assert "its data is other rows; its tokenizer is another" in ran.last_line
    assert tree(out) == before


@pytest.fixture
def here(tmp_path, prepared, prose, monkeypatch):
    """A folder to stand in, with corpora and folders that can't be used."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prepared").symlink_to(prepared)
    (tmp_path / "prose").symlink_to(prose)
    for folder in ("empty", "other", "foreign", "damaged"):
        (tmp_path / folder).mkdir()
    (tmp_path / "other/thesis.tex").touch()
    (tmp_path / "foreign/train.json").write_text('{"epochs": 3}')
    (tmp_path / "damaged/train.json").write_text("{")
    (tmp_path / "file").touch()
    (tmp_path / "torn").mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json", "manifest.json"):
        shutil.copy(prepared / name, tmp_path / "torn")
    shutil.copytree(tmp_path / "torn", tmp_path / "unfinished")
    (tmp_path / "unfinished/manifest.json").unlink()
    shutil.copytree(prepared / "_run", tmp_path / "unfinished/_run")
    shutil.copytree(tmp_path / "torn", tmp_path / "retokenised")
    shutil.copy(prose / "tokenizer.json", tmp_path / "retokenised")
    return tmp_path


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        # Corpora.
        ("gone", 1, ["gone does not exist", "duologue prepare"]),
        ("empty", 1, ["empty has no manifest.json", "no output of duologue prepare"]),
        ("other", 1, ["other has no manifest.json"]),
        ("unfinished", 1, ["unfinished has no manifest.json", "goes on where it stopped"]),
        ("torn", 1, ["the shard torn/documents/train", "can't be read", "--repair"]),
        ("retokenised", 1, ["retokenised/tokenizer.json is not the one"]),
        ("prepared --config rows", 2, ["'rows' is not one of"]),
        ("prose --config episodes", 1, ["has no train split of episodes, only validation"]),
        # Nobody to learn from.
        ("prose --objective player-two", 1, ["no action of config documents", "player-two"]),
        ("prose --objective player-one", 1, ["no action of config documents", "player-one"]),
        # Models.
        ("prepared --model 5b", 1, ["--model 5b", "1m, 10m, 124m"]),
        ("prepared --model prose", 1, ["--model prose", "config.json"]),
        ("prepared --model other/thesis.tex", 1, ["thesis.tex is no JSON file of a LlamaConfig"]),
        # Outputs.
        ("prepared --out other", 1, ["other is not empty", "choose another --out"]),
        ("prepared --out prepared", 1, ["prepared is not empty", "choose another --out"]),
        ("prepared --out foreign", 1, ["foreign/train.json is not of duologue train"]),
        ("prepared --out damaged", 1, ["damaged/train.json is damaged", "another --out"]),
        ("prepared --out file", 1, ["file is a file", "choose a folder"]),
        ("prepared --out file/out", 1, ["cannot write to file/out"]),
        ("prepared --out /proc/out", 1, ["cannot write to /proc/out"]),
        # Values.
        ("prepared --learning-rate 0", 1, ["--learning-rate 0.0: expected over 0"]),
        ("prepared --learning-rate nan", 1, ["--learning-rate nan: expected over 0"]),
        ("prepared --context 7", 2, ["--context"]),
        ("prepared --steps 0", 2, ["--steps"]),
        ("prepared --objective both", 2, ["--objective", "'both'"]),
        ("prepared --device tpu", 2, ["--device", "'tpu'"]),
        ("prepared --no-such-option", 2, ["--no-such-option"]),
    ],
)
def test_a_refusal_is_one_line_and_leaves_nothing(here, train, options, code, says):
    given = options.split()
    for option, value in {"--out": "out", "--model": "1m", "--device": "cpu"}.items():
        given += [] if option in given else [option, value]
    before = tree(here)
    ran = train(*given)
    assert (ran.code, ran.out) == (code, "")
    for words in says:
        assert words in ran.said
    if code == 1:
        assert len(ran.err.splitlines()) == 1
        assert ran.err.startswith("duologue: ")
    assert tree(here) == before
    assert not (here / "out").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_said(here, train):
    ran = train("prepared", "--out", "out", "--model", "1m", "--device", "cuda")
    assert ran.code == 1
    assert "--device cuda: torch sees no CUDA device here" in ran.last_line
    assert not (here / "out").exists()


def test_a_model_with_another_tokenizer_than_the_shards_is_refused(here, train, trained):
    ran = train("prose", "--out", "out", "--model", trained / "model", "--device", "cpu")
    assert ran.code == 1
    assert "has another tokenizer than the shards" in ran.last_line
    assert f"prepare the corpus with --tokenizer {trained / 'model'}" in ran.last_line
    assert not (here / "out").exists()


def test_a_folder_that_another_process_trains_in_is_refused(here, train, trained):
    shutil.copytree(trained, "out")
    shutil.rmtree("out/model")
    before = tree(here / "out")
    handle = os.open("out", os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    ran = train("prepared", "--out", "out", *RUN)
    os.close(handle)
    assert ran.code == 1
    assert "another duologue train is writing to out" in ran.last_line
    assert tree(here / "out") == before


def test_a_damaged_checkpoint_ends_the_run_and_is_left(here, train, trained):
    shutil.copytree(trained, "out")
    (here / "out/checkpoints").mkdir()
    (here / "out/model").rename("out/checkpoints/00000012")
    before = tree(here / "out")
    ran = train("prepared", "--out", "out", *RUN)
    assert ran.code == 1
    assert "out/checkpoints/00000012 is damaged" in ran.last_line
    assert tree(here / "out") == before


# Room for the weights of a checkpoint and not for the moments; for one whole and not for two.
@pytest.mark.parametrize(("size_kib", "kept"), [(3600, 0), (9600, 4)])
def test_a_full_disk_ends_the_run_and_room_completes_it(
    small_disk, prepared, train, size_kib, kept
):
    out = small_disk(size_kib) / "out"
    argv = [prepared, "--out", out, *RUN, "--steps", 9]
    ran = train(*argv)
    assert ran.code == 1
    assert f"cannot write {out}/checkpoints/0000000{kept + SAVE_EVERY}: " in ran.last_line
    assert "No space left on device" in ran.last_line
    assert "make room" in ran.last_line
    assert [path.name for path in (out / "checkpoints").iterdir()] == ["00000004"][: kept // 4]
    small_disk(64_000)
    ran = train(*argv)
    assert ran.code == 0, ran.err
    assert (f"going on after step {kept}" in ran.err) == (kept > 0)
    assert [line["step"] for line in metrics_of(out)] == list(range(1, 10))
