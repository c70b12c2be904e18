"""`duologue export` end to end: every episode said, in files that chat templates and TRL open."""

import json
import os
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import datasets
import pytest
import torch
from tokenizers import Tokenizer
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM
from trl import SFTConfig, SFTTrainer

from jobs.export import show_export
from tests.running import FORGED, command, duologue, manifest_of, rows_of, tree

CHATML = (
    "{% for message in messages %}"
    "{% if (message.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('user and assistant must alternate') }}{% endif %}"
    "<|im_start|>{{ message.role }}{{ '\\n' }}"
    "{% if message.role == 'assistant' %}"
    "{% generation %}{{ message.content }}<|im_end|>{% endgeneration %}"
    "{% else %}{{ message.content }}<|im_end|>{% endif %}{{ '\\n' }}{% endfor %}"
)
"""As models of ChatML have it: strict about turns, the assistant's tokens marked for training."""


def exported(folder, out, *options):
    ran = duologue("export", folder, "--out", out, *options)
    assert ran.code == 0, ran.err
    return ran.out


def loaded(out, cache):
    """{split: rows} as `datasets` has them."""
    splits = datasets.load_dataset(str(out), cache_dir=str(cache))
    return {split: rows.to_list() for split, rows in splits.items()}


@pytest.fixture(scope="module")
def chats(tmp_path_factory, prepared):
    """The episodes of `prepared` as JSON lines, and what the command said."""
    out = tmp_path_factory.mktemp("export") / "chats"
    return out, exported(prepared, out)


@pytest.fixture
def tokenizer(prepared):
    """The one of `prepared`, with a chat template."""
    tokenizer = AutoTokenizer.from_pretrained(prepared)
    tokenizer.chat_template = CHATML
    return tokenizer


def said_in(prepared, split):
    """{id: (player, text) of each content} of the episodes of a split."""
    tokenizer = Tokenizer.from_file(str(prepared / "tokenizer.json"))
    return {
        row["id"]: [
            (each["player"], tokenizer.decode(row["input_ids"][each["start"] : each["end"]]))
            for each in row["segments"]
            if each["kind"] != "delimiter"
        ]
        for row in rows_of(prepared, "episodes", split)
    }


# --- What is written. -----------------------------------------------------------------------------


def test_each_episode_is_an_example_of_its_split(chats, prepared):
    out, said = chats
    for split in ("train", "validation", "test"):
        examples = [json.loads(line) for line in (out / f"{split}.jsonl").read_bytes().splitlines()]
        found = {
            each["id"]: [
                ({"user": 1, "assistant": 2}[message["role"]], message["content"])
                for message in each["messages"]
            ]
            for each in examples
        }
        # The corpus has one segment a turn.
        assert found == said_in(prepared, split) != {}
    assert said.splitlines()[0].startswith("exported: ")
    assert said.splitlines()[-1] == f'load it with datasets.load_dataset("{out}")'


def test_text_that_spells_control_tokens_is_exported_as_it_is(tmp_path, tokenizer_file):
    (tmp_path / "a.txt").write_text(f"Q: What may a text say?\nA: {FORGED}")
    options = ("--tokenizer", tokenizer_file, "--delimiters", "chatml", "--holdout", 0)
    ran = duologue("prepare", tmp_path / "a.txt", "--out", tmp_path / "shards", *options)
    assert ran.code == 0, ran.err
    exported(tmp_path / "shards", tmp_path / "out")
    [line] = (tmp_path / "out/train.jsonl").read_text().splitlines()
    assert json.loads(line)["messages"] == [
        {"role": "user", "content": "What may a text say?"},
        {"role": "assistant", "content": FORGED.strip()},
    ]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"train.jsonl", "README.md"}


def test_a_system_message_is_counted_as_left_out(tmp_path, tokenizer_file):
    said = {"system": "Be kind.", "user": "Who are you?", "assistant": "A helper."}
    messages = [{"role": role, "content": content} for role, content in said.items()]
    (tmp_path / "a.jsonl").write_text(json.dumps({"messages": messages}))
    options = ("--text-column", "messages", "--tokenizer", tokenizer_file, "--holdout", 0)
    ran = duologue("prepare", tmp_path / "a.jsonl", "--out", tmp_path / "shards", *options)
    assert ran.code == 0, ran.err
    n_bytes = len("System: Be kind.\n\n" + "\n")  # A newline ends the document.
    shown = exported(tmp_path / "shards", tmp_path / "out")
    assert f"left out: {n_bytes} bytes of text around the episodes" in shown
    assert "kind" not in (tmp_path / "out/train.jsonl").read_text()


def test_datasets_loads_lines_and_parquet_alike(chats, prepared, tmp_path):
    out, _ = chats
    exported(prepared, tmp_path / "chats", "--parquet")
    assert {path.suffix for path in (tmp_path / "chats").iterdir()} == {".parquet", ".md"}
    rows = loaded(out, tmp_path / "cache")
    assert {split: [row["id"] for row in each] for split, each in rows.items()} == {
        split: list(said_in(prepared, split)) for split in ("train", "validation", "test")
    }
    # Of the same folder name: datasets must tell them apart.
    assert loaded(tmp_path / "chats", tmp_path / "cache") == rows
    streamed = datasets.load_dataset(str(out), split="test", streaming=True)
    assert list(streamed) == rows["test"]


def test_what_is_cut_off_and_left_out_is_told(capsys):
    """No cue finds such episodes today; transforms/test_messages.py has them counted."""
    counts = {"episodes": 5, "questions_cut": 2, "answers_cut": 3, "episodes_left_out": 4}
    files = {"test": {"rows": 5}}
    show_export(Path("out"), {"counts": counts, "files": files, "text_bytes": 0})
    assert capsys.readouterr().out.splitlines() == [
        "exported: 5 chat examples (test 5)",
        "cut off: 2 last turns of player one, without an answer",
        "cut off: 3 first turns of player two, without a question",
        "left out: 4 episodes without a question and its answer",
        'load it with datasets.load_dataset("out")',
    ]


# --- Others open it. ------------------------------------------------------------------------------


def test_chat_templates_say_all_of_it_in_turn(chats, tokenizer, tmp_path):
    rows = [row for split in loaded(chats[0], tmp_path / "cache").values() for row in split]
    assert len(rows) > 100
    for row in rows:
        text = tokenizer.apply_chat_template(row["messages"], tokenize=False)
        assert text == "".join(
            f"<|im_start|>{message['role']}\n{message['content']}<|im_end|>\n"
            for message in row["messages"]
        )


@pytest.mark.parametrize("options", [(), ("--parquet",)], ids=["jsonl", "parquet"])
def test_trl_trains_on_the_assistants_turns(prepared, tokenizer, tmp_path, options):
    exported(prepared, tmp_path / "chats", *options)
    rows = datasets.load_dataset(
        str(tmp_path / "chats"), split="train", cache_dir=str(tmp_path / "cache")
    )
    trainer = SFTTrainer(
        model=LlamaForCausalLM(
            LlamaConfig(
                vocab_size=len(tokenizer),
                hidden_size=16,
                intermediate_size=32,
                num_hidden_layers=1,
                num_attention_heads=2,
                num_key_value_heads=2,
                bos_token_id=tokenizer.bos_token_id,
                eos_token_id=tokenizer.eos_token_id,
            )
        ),
        args=SFTConfig(
            output_dir=str(tmp_path / "run"),
            assistant_only_loss=True,
            max_length=None,
            max_steps=1,
            per_device_train_batch_size=2,
            use_cpu=True,
            bf16=False,
            # Else TRL 1.16 sets what transformers 5.23 warns of.
            activation_checkpointing=False,
            report_to="none",
            save_strategy="no",
            disable_tqdm=True,
        ),
        train_dataset=rows,
        processing_class=tokenizer,
    )
    batch = next(iter(trainer.get_train_dataloader()))
    answers = {
        message["content"]
        for messages in rows["messages"]
        for message in messages
        if message["role"] == "assistant"
    }
    for ids, labels in zip(batch["input_ids"], batch["labels"], strict=True):
        is_trained = labels != -100
        edges = torch.nonzero(is_trained.diff(prepend=torch.tensor([False]))).flatten().tolist()
        runs = [tokenizer.decode(ids[a:b]) for a, b in list(pairwise([*edges, len(ids)]))[::2]]
        assert runs
        assert all(run.removesuffix("<|im_end|>") in answers for run in runs)
    assert trainer.train().global_step == 1


# --- Whole or not at all, and refusals. -----------------------------------------------------------


@pytest.mark.parametrize("options", [(), ("--parquet",)], ids=["jsonl", "parquet"])
def test_the_same_command_gives_the_same_bytes_anywhere(prepared, tmp_path, options):
    for name in ("one", "two"):
        exported(prepared, tmp_path / name, *options)
    assert tree(tmp_path / "one") == tree(tmp_path / "two")
    for path in (tmp_path / "one").iterdir():
        assert os.fsencode(tmp_path) not in path.read_bytes()


@pytest.mark.parametrize("options", [[], ["--parquet"]], ids=["jsonl", "parquet"])
def test_a_full_disk_is_told_and_leaves_nothing(prepared, tmp_path, options):
    argv = command("export", prepared, "--out", "out", *options)
    # Files of at most 4 KiB stand for a full disk.
    limited = ["bash", "-c", 'ulimit -f 4; exec "$@"', "-", *argv]
    done = subprocess.run(limited, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("duologue: cannot write out: File too large; make room")
    assert list(tmp_path.iterdir()) == []


def test_refusals_are_one_line(prepared, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine").touch()
    shutil.copytree(prepared, tmp_path / "shards")
    manifest = manifest_of(prepared)
    manifest["shards"] = [each for each in manifest["shards"] if each["config"] == "documents"]
    (tmp_path / "shards/manifest.json").write_text(json.dumps(manifest))
    for argv, says in [
        ((prepared, "--out", "full"), "full exists and is not empty: choose another --out"),
        (
            ("full", "--out", "out"),
            "full has no manifest.json: it is no output of duologue",
        ),
        (("shards", "--out", "out"), "has no rows of config episodes; there are rows of documents"),
    ]:
        ran = duologue("export", *argv, cwd=tmp_path)
        assert (ran.code, ran.out, len(ran.err.splitlines())) == (1, "", 1)
        assert says in ran.err
    ran = duologue("export", prepared, "--out", "out", "--format", "sharegpt", cwd=tmp_path)
    assert ran.code == 2
    assert {path.name for path in tmp_path.iterdir()} == {"full", "shards"}
