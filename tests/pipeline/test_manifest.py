"""Manifest and card: from the records alone, the same in whatever order they came."""

import random

import pytest
import yaml

from pipeline.commit import RUN, record_path
from pipeline.manifest import write_manifest
from pipeline.output import begin
from pipeline.plan import write_plan
from schemas.errors import UserError
from tests.pipeline.making import CONFIG, TOKENIZER, make_chunk, make_output, plan_of, put
from tests.running import exchange, jsonl, manifest_of, tree

FILES = {
    **{f"{i:02d}.txt": exchange(i) for i in range(12)},
    "talk.jsonl": jsonl([exchange(100 + i) for i in range(100)]) + b"{\n",
    "latin.txt": b"caf\xe9",
    "empty.txt": "",
    "photo.png": "",
    "cut.txt.gz": b"\x1f\x8b",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return put(tmp_path_factory.mktemp("in"), FILES)


@pytest.fixture(scope="module")
def out(tmp_path_factory, folder):
    out = tmp_path_factory.mktemp("made") / "out"
    write_manifest(out, make_output(out, folder), CONFIG, TOKENIZER)
    return out


def front_matter(out):
    _, front, _ = (out / "README.md").read_text().split("---\n", 2)
    return yaml.safe_load(front)


def test_the_order_in_which_chunks_were_made_does_not_show(out, folder, tmp_path):
    plan = plan_of(folder)
    begin(tmp_path, CONFIG)
    TOKENIZER.save(tmp_path)
    write_plan(plan, tmp_path / RUN)
    for chunk in random.Random(1).sample([*plan.chunks], len(plan.chunks)):
        make_chunk(tmp_path, chunk)
    write_manifest(tmp_path, plan, CONFIG, TOKENIZER)
    assert tree(tmp_path) == tree(out)


def test_the_manifest_says_what_was_read_left_out_and_lost(out):
    manifest = manifest_of(out)
    assert [each["path"] for each in manifest["inputs"]] == sorted(FILES.keys() - {"photo.png"})
    assert manifest["skipped_inputs"] == {".png": 1}
    assert manifest["damaged_inputs"] == [
        {"source": "cut.txt.gz", "byte_offset": 0, "reason": "truncated gzip stream"}
    ]
    assert manifest["rejected"] == {"damaged input": 1, "invalid JSON": 1, "invalid UTF-8": 1}
    assert manifest["drops"]["documents"] == {"empty": 1}
    assert manifest["counts"]["documents"] == 12 + 100 + 1 + 3
    assert manifest["tokenizer"] == {
        **{"eos": "<eos>", "bos": "<eos>", "pad": "<pad>"},
        "is_lossless": True,
    }
    assert manifest["config"] == CONFIG.to_json()


def test_the_card_counts_what_the_shards_hold(out):
    shards = manifest_of(out)["shards"]
    front = front_matter(out)
    assert [each["config_name"] for each in front["configs"]] == ["documents", "episodes"]
    assert [each.get("default", False) for each in front["configs"]] == [True, False]
    for info in front["dataset_info"]:
        for split in info["splits"]:
            of = [
                s
                for s in shards
                if (s["config"], s["split"]) == (info["config_name"], split["name"])
            ]
            assert split["num_examples"] == sum(each["rows"] for each in of) > 0
            assert split["num_bytes"] == sum(each["size_bytes"] for each in of)


def test_other_shards_give_another_description(out, tmp_path):
    """For the cache of `datasets` tells folders of one name apart by their cards alone."""
    folder = put(tmp_path / "in", FILES | {"00.txt": exchange(0).swapcase()})
    made = tmp_path / "out"
    write_manifest(made, make_output(made, folder), CONFIG, TOKENIZER)
    one, two = (
        {each["config_name"]: each["description"] for each in front_matter(path)["configs"]}
        for path in (out, made)
    )
    assert one["documents"] != two["documents"]


def test_empty_configs_and_splits_are_left_out_of_the_card(tmp_path):
    folder = put(tmp_path / "in", {"a.txt": "Prose alone.\n"})
    write_manifest(tmp_path / "out", make_output(tmp_path / "out", folder), CONFIG, TOKENIZER)
    [config] = front_matter(tmp_path / "out")["configs"]
    assert config["config_name"] == "documents"
    assert len(config["data_files"]) == 1


def test_a_corpus_without_a_usable_document_still_has_a_manifest(tmp_path):
    folder = put(tmp_path / "in", {"a.txt": b"caf\xe9"})
    manifest = write_manifest(
        tmp_path / "out", make_output(tmp_path / "out", folder), CONFIG, TOKENIZER
    )
    assert manifest["shards"] == []
    assert front_matter(tmp_path / "out") == {"configs": [], "dataset_info": []}


def test_missing_and_foreign_chunks_are_refused(folder, tmp_path):
    plan = make_output(tmp_path, folder)
    record = record_path(tmp_path, plan.chunks[0].digest)
    data = record.read_bytes()
    record.unlink()
    with pytest.raises(UserError, match=rf"1 of \d+ chunks .* such as {plan.chunks[0].digest}"):
        write_manifest(tmp_path, plan, CONFIG, TOKENIZER)
    record.write_bytes(data)
    make_chunk(tmp_path, plan_of(put(tmp_path / "other", {"a.txt": "Prose.\n"})).chunks[0])
    with pytest.raises(UserError, match="holds chunks of other inputs"):
        write_manifest(tmp_path, plan, CONFIG, TOKENIZER)
    assert not (tmp_path / "manifest.json").exists()
