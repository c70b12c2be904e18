"""Files are read, never run: no pickle is loaded, no module of a folder, no kernel from a hub."""

import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.train.checkpoint import load_checkpoint
from jobs.train.policy import new_policy
from pipeline.tokenizer import load_output_tokenizer
from schemas.errors import UserError
from tests.jobs.train.making import learner
from tests.running import duologue

CONTEXT = 64


class Payload:
    """Writes a file when it is unpickled."""

    def __init__(self, told: Path) -> None:
        self.told = told

    def __reduce__(self):
        return Path.touch, (self.told,)


@pytest.fixture
def told(tmp_path):
    """What is there once something was run."""
    return tmp_path / "told"


@pytest.fixture
def payload(told):
    return pickle.dumps(Payload(told))


@pytest.fixture(scope="module")
def tokenizer(prepared):
    return load_output_tokenizer(prepared)


@pytest.fixture(scope="module")
def saved(tmp_path_factory, tokenizer):
    """A model folder as a person may have downloaded it."""
    folder = tmp_path_factory.mktemp("saved")
    new_policy("1m", tokenizer, context=CONTEXT, seed=0).save_pretrained(folder)
    tokenizer.save(folder)
    return folder


@pytest.fixture
def model(tmp_path, saved, told):
    """A copy of the folder with a module that tells when it is run, and its config."""
    folder = tmp_path / "model"
    shutil.copytree(saved, folder)
    (folder / "evil.py").write_text(f"open({str(told)!r}, 'w')\nclass Evil: pass\n")
    return folder


def changed(folder: Path, **fields: object) -> None:
    config = json.loads((folder / "config.json").read_bytes())
    (folder / "config.json").write_text(json.dumps(config | fields))


AUTO_MAP = {"AutoConfig": "evil.Evil", "AutoModelForCausalLM": "evil.Evil"}


def test_code_of_a_folder_is_not_run(model, tokenizer, told):
    changed(model, auto_map=AUTO_MAP)
    new_policy(str(model), tokenizer, context=CONTEXT, seed=0)
    assert not told.exists()


def test_a_model_that_is_code_is_refused(model, tokenizer, told):
    changed(model, auto_map=AUTO_MAP, model_type="evil")
    with pytest.raises(UserError, match="holds no model that opens"):
        new_policy(str(model), tokenizer, context=CONTEXT, seed=0)
    assert not told.exists()


@pytest.mark.parametrize("key", ["attn_implementation", "_attn_implementation"])
def test_kernels_that_a_config_names_are_not_fetched(model, tokenizer, key):
    changed(model, **{key: "someone/kernels"})
    for name in (model, model / "config.json"):
        policy = new_policy(str(name), tokenizer, context=CONTEXT, seed=0)
        assert policy.config._attn_implementation == "sdpa"


def test_pickled_weights_are_not_looked_for(model, tokenizer, payload, told):
    (model / "model.safetensors").unlink()
    (model / "pytorch_model.bin").write_bytes(payload)
    with pytest.raises(UserError, match="holds no model that opens"):
        new_policy(str(model), tokenizer, context=CONTEXT, seed=0)
    assert not told.exists()


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
def test_a_pickle_in_the_place_of_a_file_is_an_error(model, tokenizer, payload, told, name):
    (model / name).write_bytes(payload)
    with pytest.raises(UserError, match=f"--model {model}"):
        new_policy(str(model), tokenizer, context=CONTEXT, seed=0)
    assert not told.exists()


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "state.json"])
def test_a_pickle_in_a_checkpoint_is_an_error(tmp_path, tokenizer, saved, payload, told, name):
    folder = tmp_path / "checkpoints/00000004"
    shutil.copytree(saved, folder)
    (folder / "state.json").write_text('{"step": 4}')
    (folder / name).write_bytes(payload)
    policy = new_policy("1m", tokenizer, context=CONTEXT, seed=0)
    with pytest.raises(UserError, match="is damaged"):
        load_checkpoint(tmp_path, policy, learner(policy, context=CONTEXT).optimizer)
    assert not told.exists()


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.txt", "a.txt.zst", "a.parquet"])
def test_a_pickle_in_a_corpus_is_rejected(tmp_path, tokenizer_file, payload, told, name):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / name).write_bytes(b"\x80\xff" + payload)
    argv = ["prepare", tmp_path / "in", "--out", tmp_path / "out", "--workers", 1]
    assert duologue(*argv, "--tokenizer", tokenizer_file).code == 3
    assert not told.exists()


def test_a_pickle_as_a_tokenizer_is_an_error(tmp_path, payload, told):
    (tmp_path / "tokenizer.json").write_bytes(payload)
    (tmp_path / "a.txt").write_text("Why?\n")
    argv = ["prepare", tmp_path / "a.txt", "--out", tmp_path / "out"]
    ran = duologue(*argv, "--tokenizer", tmp_path / "tokenizer.json")
    assert (ran.code, "is no tokenizer.json" in ran.last_line) == (1, True)
    assert not told.exists()


# In one process: what is imported takes seconds.
WATCHED = """
import json, sys
def tell(event, arguments):
    if event == "pickle.find_class":
        print("unpickled", *arguments, file=sys.stderr)
from jobs.cli import main
import torch, transformers, jobs.train.command, jobs.export, jobs.pack, jobs.inspect, jobs.verify
sys.addaudithook(tell)
for line in json.loads(sys.argv[1]):
    try:
        main(line)
    except SystemExit as ended:
        print("ended", line[0], ended.code or 0)
"""

COMMANDS = (
    "inspect {prepared}",
    "verify {prepared}",
    "export {prepared} --out {new}/export",
    "pack {prepared} --out {new}/pack --context 64",
    "train {prepared} --out {new}/run --model {model} --device cpu --context 64 --steps 1",
)


def test_no_command_unpickles_anything(tmp_path, prepared, saved):
    names = {"prepared": prepared, "new": tmp_path, "model": saved}
    lines = [[each.format(**names) for each in line.split()] for line in COMMANDS]
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, json.dumps(lines)],
        capture_output=True,
        text=True,
        check=False,
    )
    ended = [line for line in done.stdout.splitlines() if line.startswith("ended")]
    assert ended == [f"ended {line[0]} 0" for line in lines], done.stderr
    assert "unpickled" not in done.stderr
