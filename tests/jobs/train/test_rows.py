"""Rows of a prepared corpus as they are learned from, and shards that are not as they were."""

import os
import shutil

import pytest

from jobs.train.rows import load_rows
from pipeline.tokenizer import load_output_tokenizer
from schemas.errors import UserError
from tests.running import manifest_of, rows_of

DOCUMENTS = {"config": "documents", "split": "train"}


def load(out, context, **options):
    chosen = DOCUMENTS | options
    return load_rows(out, load_output_tokenizer(out).segment_tokenizer(), context=context, **chosen)


def test_rows_that_fit_are_as_they_were_written(prepared):
    table = load(prepared, None).table
    found = {row["id"]: row for row in table.to_pylist()}
    assert found == {row["id"]: row for row in rows_of(prepared, "documents", "train")}
    longest = max(len(row["input_ids"]) for row in found.values())
    assert load(prepared, longest + 1).table.equals(table)


def test_over_long_rows_are_split_and_no_token_is_lost(prepared):
    whole, split = load(prepared, None), load(prepared, 256)
    assert len(split.table) > len(whole.table)
    assert max(map(len, split.table["input_ids"].to_pylist())) < 256
    assert split.episodes_dropped == 0
    for column in ("input_ids", "player"):
        one, two = (each.table[column].combine_chunks().flatten() for each in (whole, split))
        assert one.equals(two)


def test_episodes_that_do_not_fit_are_counted_over_all_shards(prepared):
    shards = [each for each in manifest_of(prepared)["shards"] if each["config"] == "episodes"]
    n_train = sum(each["rows"] for each in shards if each["split"] == "train")
    loaded = load(prepared, 32, config="episodes")
    assert loaded.episodes_dropped > 1
    kept = {row["id"] for row in rows_of(prepared, "episodes", "train")} & set(
        loaded.table["id"].to_pylist()
    )
    assert len(kept) == n_train - loaded.episodes_dropped


def test_columns_and_context_do_not_change_which_rows_they_are(prepared):
    narrow = load(prepared, 64, columns=("input_ids", "player"))
    wide = load(prepared, 64)
    assert narrow.table.equals(wide.table.select(["input_ids", "player"]))
    assert narrow.digest == wide.digest
    names = {load(prepared, *each).digest for each in [(64,), (65,), (None,)]}
    others = {load(prepared, 64, split="test").digest, load(prepared, 64, config="episodes").digest}
    assert len(names | others) == 5


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda path: path.unlink(), "can't be read"),
        (lambda path: os.truncate(path, 100), "has 100 bytes, its manifest says"),
        (lambda path: path.write_bytes(bytes(path.stat().st_size)), "the sha256 of"),
    ],
)
def test_a_damaged_shard_is_named(prepared, tmp_path, damage, says):
    out = tmp_path / "out"
    shutil.copytree(prepared, out)
    shards = manifest_of(out)["shards"]
    shard = next(each["path"] for each in shards if each["path"].startswith("documents/train"))
    damage(out / shard)
    with pytest.raises(UserError) as caught:
        load(out, 64)
    assert f"{out / shard}" in str(caught.value)
    assert says in str(caught.value)
    assert "--repair" in str(caught.value)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"config": "rows"}, "has no rows of config rows; there are rows of documents, episodes"),
        ({"split": "dev"}, "has no dev split of documents, only test, train, validation"),
    ],
)
def test_rows_that_are_not_there_are_named_beside_those_that_are(prepared, options, says):
    with pytest.raises(UserError, match=says):
        load(prepared, 64, **options)
