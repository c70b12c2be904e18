"""Shards: what the transforms gave, as files that others can map, with counts that add up."""

import base64
import dataclasses

import numpy as np
import pyarrow as pa
import pytest

from pipeline.commit import records
from pipeline.piece import read_pieces
from schemas.episode import row_schema
from schemas.keys import split_of
from tests.pipeline.making import CONFIG, SEGMENT_TOKENIZER, make_output, plan_of, put, tokenized
from tests.running import exchange, jsonl, rejected_of, rows_of, tree
from transforms.rows import RowConfig, document_rows, episode_rows

FILES = {
    **{f"{i:02d}.txt": exchange(i) for i in range(20)},
    "talk.jsonl": jsonl([exchange(100 + i) for i in range(150)]),
    "empty.txt": "",
    "prose.txt": "It rained. ",
    "latin.txt": b"caf\xe9",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return put(tmp_path_factory.mktemp("in"), FILES)


@pytest.fixture(scope="module")
def out(tmp_path_factory, folder):
    out = tmp_path_factory.mktemp("made") / "out"
    make_output(out, folder)
    return out


def test_shards_hold_what_the_transforms_give(out, folder):
    made = {"documents": [], "episodes": []}
    for chunk in plan_of(folder).chunks:
        for piece in read_pieces(chunk, CONFIG):
            table = tokenized(piece).table
            made["documents"] += document_rows(
                table, SEGMENT_TOKENIZER, RowConfig()
            ).table.to_pylist()
            made["episodes"] += episode_rows(
                table, SEGMENT_TOKENIZER, RowConfig()
            ).table.to_pylist()
    for config, rows in made.items():
        found = {row["id"]: row for row in rows_of(out, config)}
        assert found == {row["id"]: row for row in rows}
        assert len(rows) == len(found) > 50


def test_shards_are_uncompressed_streams_of_the_declared_schema(out):
    for path in out.glob("*/*/*.arrow"):
        with pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as reader:
            table = reader.read_all()
        assert table.schema == row_schema(pa.uint16())
        # In place: no buffer was copied out of the map.
        ids = table["input_ids"].chunk(0).flatten().buffers()[1]
        assert not ids.is_mutable
        assert np.frombuffer(ids, np.uint16).tobytes() in path.read_bytes()


def test_each_source_is_in_its_split(out):
    for config in CONFIG.configs:
        for split in ("train", "validation", "test"):
            sources = {row["source"] for row in rows_of(out, config, split)}
            assert sources
            assert {split_of(source, CONFIG.holdout) for source in sources} == {split}


def test_records_name_all_files_with_hash_size_and_counts(out):
    files = tree(out)
    named = {}
    for _, record in records(out):
        named |= {each["path"]: each["sha256"] for each in record.rejected}
        for shard in record.shards:
            named[shard.path] = shard.sha256
            with pa.OSFile(str(out / shard.path)) as file, pa.ipc.open_stream(file) as reader:
                table = reader.read_all()
            players = np.bincount(table["player"].combine_chunks().flatten(), minlength=3)
            assert (out / shard.path).stat().st_size == shard.size_bytes
            assert len(table) == shard.rows > 0
            assert players.tolist() == shard.tokens_by_player
            assert sum(players) == shard.tokens
    written = {name for name in files if name.startswith(("documents/", "episodes/", "rejected/"))}
    assert named == {name: files[name] for name in written}


def test_counts_account_for_every_document_and_byte(out):
    documents = rejected = n_bytes = by_game = by_kind = 0
    rows = dict.fromkeys(CONFIG.configs, 0)
    dropped = dict.fromkeys(CONFIG.configs, 0)
    for _, record in records(out):
        counts = record.counts
        documents += counts["documents"]
        rejected += counts["documents_rejected"]
        n_bytes += counts["bytes"]
        by_game += sum(counts["bytes_by_game"].values())
        by_kind += sum(counts["bytes_by_kind"].values())
        for config, each in counts["configs"].items():
            rows[config] += each["rows"]
            dropped[config] += sum(each["documents_dropped"].values())
    texts = [exchange(100 + i) for i in range(150)]
    texts += [each for each in FILES.values() if isinstance(each, str)]
    assert documents == len(texts) + 1
    assert n_bytes == by_game == by_kind == sum(len(text.encode()) for text in texts)
    assert rejected == 1
    assert rows == {config: len(list(rows_of(out, config))) for config in CONFIG.configs}
    for config in CONFIG.configs:
        with_row = len({row["source"] for row in rows_of(out, config)})
        assert with_row + dropped[config] + rejected == documents


def test_what_is_rejected_keeps_its_bytes(out):
    assert rejected_of(out).keys() == {"latin.txt"}
    each = rejected_of(out)["latin.txt"]
    assert base64.b64decode(each.pop("bytes")) == b"caf\xe9"
    assert each.pop("id")
    assert each == {
        "source": "latin.txt",
        "byte_offset": 0,
        "reason": "invalid UTF-8: at byte 3",
    }


def test_writing_again_gives_the_same_bytes(out, folder, tmp_path):
    make_output(tmp_path, folder)
    make_output(tmp_path, folder)
    assert tree(tmp_path) == tree(out)


def test_only_the_chosen_configs_are_written(folder, tmp_path):
    config = dataclasses.replace(CONFIG, configs=("episodes",))
    make_output(tmp_path, folder, config)
    assert not (tmp_path / "documents").exists()
    assert list(rows_of(tmp_path, "episodes"))


def test_no_holdout_makes_one_split(folder, tmp_path):
    make_output(tmp_path, folder, dataclasses.replace(CONFIG, holdout=0.0))
    assert {path.parent.name for path in tmp_path.glob("*/*/*.arrow")} == {"train"}
