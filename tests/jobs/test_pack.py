"""`duologue pack` end to end: every row packed or counted, the same bytes each time, or nothing."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter

import datasets
import pytest
from transformers import AutoTokenizer

from tests.running import (
    command,
    duologue,
    manifest_of,
    rows_of,
    rows_of_shard,
    tree,
)

SMALL = 48
"""Tokens of a context that many rows of `prepared` do not fit into, and some episodes neither."""


@pytest.fixture(scope="module")
def packed(tmp_path_factory, prepared):
    """The rows of `prepared` in small contexts."""
    out = tmp_path_factory.mktemp("small") / "packed"
    ran = duologue("pack", prepared, "--out", out, "--context", SMALL)
    assert ran.code == 0, ran.err
    return out, ran.out


@pytest.fixture
def pack(prepared, tmp_path):
    """A function that packs `prepared` into a new folder, and returns it."""

    def run(*options, out="out"):
        ran = duologue("pack", prepared, "--out", tmp_path / out, *options)
        assert ran.code == 0, ran.err
        return tmp_path / out

    return run


@pytest.fixture
def copied(prepared, tmp_path):
    """A copy of `prepared` to damage."""
    shutil.copytree(prepared, tmp_path / "shards")
    return tmp_path / "shards"


def packing_of(out):
    return json.loads((out / "packing.json").read_bytes())


def shards_of(out):
    """Paths of the packed shards, relative, by name."""
    return sorted(path.relative_to(out).as_posix() for path in out.glob("*/*.arrow"))


def documents_of(row):
    """(ids, players, masks or None) of each packed row of the output, its BOS too."""
    start = 0
    for length in row["seq_lengths"]:
        columns = ("input_ids", "player", "assistant_masks")
        yield tuple(row[name][start : start + length] if name in row else None for name in columns)
        start += length
    assert start == len(row["input_ids"])


def bos_of(out):
    return packing_of(out)["bos"]["id"]


# --- What is written. -----------------------------------------------------------------------------


@pytest.mark.parametrize("config", ["documents", "episodes"])
def test_rows_that_fit_are_packed_whole_shard_by_shard(prepared, pack, config):
    out = pack("--config", config, "--context", 8192)
    bos = bos_of(out)
    names = [shard["path"] for shard in manifest_of(prepared)["shards"] if config in shard["path"]]
    assert shards_of(out) == sorted(name.partition("/")[2] for name in names)
    for name in names:
        rows = rows_of_shard(prepared / name)
        found = [
            each
            for row in rows_of_shard(out / name.partition("/")[2])
            for each in documents_of(row)
        ]
        expected = [([bos, *row["input_ids"]], [0, *row["player"]], None) for row in rows]
        assert sorted(found) == sorted(expected)
    assert packing_of(out)["counts"]["rows_split"] == 0


def test_long_rows_are_split_to_fit(packed, prepared):
    out, _ = packed
    rows = [row for name in shards_of(out) for row in rows_of_shard(out / name)]
    assert max(len(row["input_ids"]) for row in rows) <= SMALL
    assert all(row["input_ids"][0] == bos_of(out) for row in rows)
    counts = packing_of(out)["counts"]
    long = [row for row in rows_of(prepared, "documents") if len(row["input_ids"]) > SMALL - 1]
    assert counts["rows_split"] == len(long) > 0
    assert counts["episodes_dropped"] > 0
    assert counts["rows_packed"] == sum(len(row["seq_lengths"]) for row in rows)


def test_every_token_is_packed_or_counted(packed, prepared, pack):
    read = sum(len(row["input_ids"]) for row in rows_of(prepared, "documents"))
    for out in (packed[0], pack("--context", SMALL, "--objective", "player-two")):
        packing = packing_of(out)
        counts = packing["counts"]
        tokens = sum(shard["tokens"] for shard in packing["shards"])
        left_out = counts["tokens_dropped"] + counts["tokens_untrained"]
        assert counts["tokens_read"] == read == tokens - counts["rows_packed"] + left_out
        assert counts["tokens_dropped"] > 0
    assert counts["tokens_untrained"] > 0
    assert counts["rows_untrained"] > 0


@pytest.mark.parametrize(("objective", "player"), [("player-one", 1), ("player-two", 2)])
def test_masks_are_an_objectives_players(pack, objective, player):
    out = pack("--objective", objective)
    trained = Counter()
    for name in shards_of(out):
        for row in rows_of_shard(out / name):
            for _, players, masks in documents_of(row):
                assert masks == [int(each == player) for each in players]
                assert 1 in masks
                trained[name] += sum(masks)
    assert trained == {
        shard["path"]: shard["trained_tokens"] for shard in packing_of(out)["shards"]
    }


def test_the_packing_says_what_was_made_of_what(packed, prepared):
    out, _ = packed
    packing = packing_of(out)
    of_tokenizer = hashlib.sha256((out / "tokenizer.json").read_bytes()).hexdigest()
    of_manifest = hashlib.sha256((prepared / "manifest.json").read_bytes()).hexdigest()
    assert packing["tokenizer_sha256"] == of_tokenizer == manifest_of(prepared)["tokenizer_sha256"]
    assert packing["source_manifest_sha256"] == of_manifest
    assert {name: packing[name] for name in ("context", "config", "objective")} == {
        **{"context": SMALL, "config": "documents", "objective": "all"}
    }
    hashes = {path: sha256 for path, sha256 in tree(out).items() if path.endswith(".arrow")}
    assert {shard["path"]: shard["sha256"] for shard in packing["shards"]} == hashes
    total = 0
    for shard in packing["shards"]:
        rows = rows_of_shard(out / shard["path"])
        assert len(rows) == shard["rows"]
        assert sum(len(row["input_ids"]) for row in rows) == shard["tokens"]
        n_bos = sum(len(row["seq_lengths"]) for row in rows)
        assert shard["trained_tokens"] == shard["tokens"] - n_bos
        assert shard["size_bytes"] == (out / shard["path"]).stat().st_size
        total += len(rows)
    assert packing["fill"] == sum(s["tokens"] for s in packing["shards"]) / (total * SMALL) > 0.7


def test_it_says_what_was_packed_and_left_out(packed):
    out, said = packed
    packing = packing_of(out)
    counts = packing["counts"]
    rows = sum(shard["rows"] for shard in packing["shards"])
    lines = said.splitlines()
    assert lines[0].startswith(f"packed: {rows} rows of {SMALL} tokens, {packing['fill']:.1%} full")
    assert "objective all; the BOS before each document is never trained" in lines[1]
    assert lines[2].startswith(f"split: {counts['rows_split']} of {counts['rows_read']} rows of")
    assert lines[3].startswith(f"left out: {counts['episodes_dropped']} episodes with an exchange")
    assert lines[-1] == f'load it with datasets.load_dataset("{out}")'
    assert len(lines) == 5


def test_the_tokenizer_comes_with_it(packed):
    tokenizer = AutoTokenizer.from_pretrained(packed[0])
    assert tokenizer.bos_token_id == bos_of(packed[0])
    assert tokenizer.pad_token == "<pad>"


# --- Others open it. ------------------------------------------------------------------------------


def test_datasets_loads_the_packed_rows_and_no_others(packed, pack, tmp_path):
    out, _ = packed
    # Another packing in a folder of the same name; datasets' cache knows both.
    other = pack("--context", SMALL + 1, out="packed")
    assert other.name == out.name
    for folder in (out, other, out):
        loaded = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
        expected = {
            split: [
                row for path in sorted(folder.glob(f"{split}/*")) for row in rows_of_shard(path)
            ]
            for split in ("train", "validation", "test")
        }
        assert {split: rows.to_list() for split, rows in loaded.items()} == expected
    assert all(expected.values())
    streamed = datasets.load_dataset(str(out), split="test", streaming=True)
    assert list(streamed) == expected["test"]


def test_datasets_maps_a_packed_shard_in_place(packed):
    path = packed[0] / shards_of(packed[0])[0]
    mapped = datasets.Dataset.from_file(str(path))
    assert [each["filename"] for each in mapped.cache_files] == [str(path)]
    assert mapped.to_list() == rows_of_shard(path)


# --- Whole or not at all. -------------------------------------------------------------------------


def test_the_same_command_gives_the_same_bytes_anywhere(packed, pack, prepared):
    out, _ = packed
    again = pack("--context", SMALL, out="elsewhere")
    assert tree(again) == tree(out)
    for path in out.rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        assert os.fsencode(out) not in data
        assert os.fsencode(prepared) not in data


KILLED = """
import os, signal, sys

def watch(event, arguments):
    if event == sys.argv[1] and os.fsdecode(arguments[0]).endswith(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(watch)
from jobs.cli import main
main(sys.argv[3:])
"""
"""Runs a command that is killed when it opens (or renames) what has a name that ends so."""


@pytest.mark.parametrize(
    ("event", "ending"), [("open", "shard"), ("open", "packing.json"), ("os.rename", ".out.tmp")]
)
def test_a_killed_run_leaves_nothing_and_the_same_command_completes_it(
    packed, prepared, tmp_path, event, ending
):
    out = tmp_path / "out"
    if ending == "shard":
        ending = shards_of(packed[0])[-1]
    argv = ["pack", prepared, "--out", out, "--context", SMALL]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, event, ending, *map(str, argv)], check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert not out.exists()
    assert list(tmp_path.glob(".out.tmp/train/*.arrow"))
    ran = duologue(*argv)
    assert ran.code == 0, ran.err
    assert tree(tmp_path) == {f"out/{name}": sha256 for name, sha256 in tree(packed[0]).items()}


def test_a_full_disk_is_told_and_leaves_nothing(prepared, tmp_path):
    argv = command("pack", prepared, "--out", "out")
    # Files of at most 4 KiB stand for a full disk.
    limited = ["bash", "-c", 'ulimit -f 4; exec "$@"', "-", *argv]
    done = subprocess.run(limited, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        "duologue: cannot write out: File too large; make room or give write permission, then run "
        "the same command again\n"
    )
    assert list(tmp_path.iterdir()) == []


# --- Refusals. ------------------------------------------------------------------------------------


def refused(*argv, code=1, cwd=None):
    """What a command says that fails, on one line."""
    ran = duologue("pack", *argv, cwd=cwd)
    assert (ran.code, ran.out) == (code, "")
    if code == 1:
        assert len(ran.err.splitlines()) == 1
        assert ran.err.startswith("duologue: ")
    return ran.said


@pytest.mark.parametrize("out", ["full", "file", "file/out"])
def test_what_is_in_the_way_is_not_touched(prepared, tmp_path, out):
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    before = tree(tmp_path)
    says = {
        "full": "full exists and is not empty: choose another --out",
        "file": "file is a file: choose a folder for --out",
        "file/out": f"cannot write to file/out, {tmp_path}/file is a file: choose another --out",
    }
    assert says[out] in refused(prepared, "--out", out, cwd=tmp_path)
    assert tree(tmp_path) == before


def test_an_empty_folder_will_do(pack, tmp_path):
    (tmp_path / "out").mkdir()
    assert shards_of(pack())


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        ("--context 4", 1, "--context 4 is too small: expected at least 5"),
        ("--config rows", 2, "'rows' is not one of 'documents', 'episodes'"),
        ("--objective both", 2, "'both' is not one of 'all', 'player-one', 'player-two'"),
        ("--context many", 2, "unable to parse string as an integer"),
    ],
)
def test_options_out_of_range_are_refused(prepared, tmp_path, options, code, says):
    assert says in refused(prepared, "--out", tmp_path / "out", *options.split(), code=code)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_finished_output_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    assert "gone does not exist" in refused("gone", "--out", "out", cwd=tmp_path)
    assert "it is no output of duologue prepare" in refused("empty", "--out", "out", cwd=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_a_config_that_is_not_there_is_refused_with_those_that_are(copied, tmp_path):
    manifest = manifest_of(copied)
    manifest["shards"] = [each for each in manifest["shards"] if each["config"] == "documents"]
    (copied / "manifest.json").write_text(json.dumps(manifest))
    said = refused(copied, "--out", tmp_path / "out", "--config", "episodes")
    assert "shards has no rows of config episodes; there are rows of documents" in said
    manifest["shards"] = []
    (copied / "manifest.json").write_text(json.dumps(manifest))
    assert "there are rows of none" in refused(copied, "--out", tmp_path / "out")


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda path: path.unlink(), "it is missing"),
        (lambda path: path.write_bytes(path.read_bytes()[:-9]), "its sha256 is not the manifest's"),
    ],
)
def test_a_damaged_shard_is_named(copied, tmp_path, damage, says):
    # The last one, when the others have been packed.
    name = [s["path"] for s in manifest_of(copied)["shards"] if s["config"] == "documents"][-1]
    damage(copied / name)
    said = refused(copied, "--out", tmp_path / "out")
    assert f"the shard {copied / name} can't be used, {says}" in said
    assert "prepare" in said
    assert said.endswith("--repair")
    assert [path.name for path in tmp_path.iterdir()] == ["shards"]


def test_another_tokenizer_is_refused(copied, tmp_path):
    text = (copied / "tokenizer.json").read_text()
    (copied / "tokenizer.json").write_text(text + "\n")
    said = refused(copied, "--out", tmp_path / "out")
    assert "tokenizer.json is not the one that the shards were made with: put it back" in said


def test_nothing_to_train_is_told_with_the_objective(prepared, tmp_path):
    said = refused(
        *(prepared, "--out", tmp_path / "out", "--context", 5),
        *("--config", "episodes", "--objective", "player-two"),
    )
    n_rows = len(list(rows_of(prepared, "episodes")))
    assert f"none of the {n_rows} rows of config episodes" in said
    assert f"objective player-two trains; {n_rows} episodes do not fit into --context 5" in said
    assert "choose another --objective or a larger --context" in said
    assert list(tmp_path.iterdir()) == []
