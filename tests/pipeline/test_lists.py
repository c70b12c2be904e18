"""Long lists of a manifest: beside it as Parquet, and no reader can tell."""

import json

import pytest

from pipeline import lists
from pipeline.manifest import write_manifest
from pipeline.output import read_manifest
from pipeline.plan import read_plan
from pipeline.read_shards import shards_of
from schemas.config import CONFIGS
from schemas.errors import UserError
from tests.pipeline.making import CONFIG, TOKENIZER, make_output, put
from tests.running import exchange, jsonl, manifest_of

FILES = {
    "talk.jsonl": jsonl([exchange(100 + i) for i in range(100)]),
    "latin.txt": b"caf\xe9",
    "cut.txt.gz": b"\x1f\x8b",
}


@pytest.fixture
def out(tmp_path):
    out = tmp_path / "out"
    write_manifest(out, make_output(out, put(tmp_path / "in", FILES)), CONFIG, TOKENIZER)
    return out


def finish(out):
    return write_manifest(out, read_plan(out / "_run"), CONFIG, TOKENIZER)


def test_readers_find_the_same_wherever_a_list_stands(out, monkeypatch):
    short, card = read_manifest(out), (out / "README.md").read_bytes()
    files = {lists.list_file(name) for name in lists.LISTS}
    assert not files & {path.name for path in out.iterdir()}
    monkeypatch.setattr(lists, "INLINE_ROWS", 0)
    written = finish(out)
    assert files <= {path.name for path in out.iterdir()}
    long, stored = read_manifest(out), manifest_of(out)
    assert [*written["shards"]] == [*long["shards"]] == short["shards"]
    for config in CONFIGS:
        of_config = [[*shards_of(out, each, config)] for each in (short, long)]
        assert of_config[0] == of_config[1] != []
    for name in lists.LISTS:
        assert stored[name]["rows"] == len(short[name]) > 0
        assert [*lists.read_list(out, name, stored[name])] == short[name]
    assert {**stored, **dict.fromkeys(lists.LISTS)} == {**short, **dict.fromkeys(lists.LISTS)}
    assert (out / "README.md").read_bytes() == card


def test_what_is_short_again_stands_in_the_manifest_again(out, monkeypatch):
    before = (out / "manifest.json").read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr(lists, "INLINE_ROWS", 0)
        finish(out)
    finish(out)
    assert (out / "manifest.json").read_bytes() == before
    assert not [*out.glob("*.parquet")]


@pytest.mark.parametrize("damage", ["lose", "other rows", "other name"])
def test_a_list_that_is_not_the_named_one_is_refused(out, monkeypatch, damage):
    monkeypatch.setattr(lists, "INLINE_ROWS", 0)
    finish(out)
    manifest = manifest_of(out)
    if damage == "lose":
        (out / "shards.parquet").unlink()
    elif damage == "other rows":
        manifest["shards"]["rows"] += 1
    else:
        manifest["shards"]["path"] = "../shards.parquet"
    (out / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError, match=r"shards\.parquet is missing, or not the one"):
        read_manifest(out)
