"""Commits: whole or not at all, in any order, and nothing left over that nobody names."""

import dataclasses
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.atomic import atomic_file
from pipeline.commit import (
    add_counts,
    commit_piece,
    committed,
    drop_chunk,
    locked,
    read_record,
    record_path,
    records,
    remove_temporary,
)
from schemas.errors import UserError
from schemas.manifest import ChunkRecord, ShardRecord
from tests.pipeline.making import sweep
from tests.running import tree

SHARD = ShardRecord(
    path="documents/train/a-00000.arrow",
    config="documents",
    split="train",
    rows=2,
    tokens=3,
    tokens_by_player=[1, 1, 1],
    size_bytes=4,
    sha256="5",
)

COUNTS = {
    **dict.fromkeys(("bytes", "documents_rejected"), 0),
    **{name: {} for name in ("bytes_by_game", "bytes_by_kind", "episodes_by_game", "configs")},
}


def record(number, *, is_last=True):
    shard = dataclasses.replace(SHARD, path=f"documents/train/a-{number:05d}.arrow")
    return ChunkRecord(
        shards=[shard],
        rejected=[{"path": f"rejected/a-{number:05d}.jsonl", "rows": 1, "sha256": "6"}],
        counts=COUNTS | {"documents": 10**number, "rejected": {f"why {number % 2}": 1}},
        damaged=[],
        n_bytes=number,
        blake2b=f"hash up to {number}",
        is_last=is_last,
    )


def write_files(out, *, of):
    for path in of.paths:
        (out / path).parent.mkdir(parents=True, exist_ok=True)
        (out / path).touch()


def test_a_file_of_a_killed_process_is_no_shard(tmp_path):
    """Readers take *.arrow; what is not whole must not look like one."""
    with (
        pytest.raises(KeyboardInterrupt),
        atomic_file(tmp_path / "documents/train/a.arrow"),
    ):
        raise KeyboardInterrupt
    assert list(tmp_path.rglob("*.arrow")) == []
    sweep(tmp_path)
    assert tree(tmp_path) == {}


@settings(max_examples=30)
@given(st.permutations(range(5)), st.integers(0, 4))
def test_pieces_commit_once_all_are_there_in_any_order(tmp_path_factory, order, again):
    out = tmp_path_factory.mktemp("out")
    pieces = [record(i, is_last=i == 4) for i in range(5)]
    # A retried piece is noted twice.
    order = [*order[: again + 1], *order[again:]]
    done = [commit_piece(out, "a", piece, pieces[piece]) for piece in order]
    assert done == [False] * (len(order) - 1) + [True] or (again == 4 and done[-2:] == [True] * 2)
    joined = read_record(record_path(out, "a"))
    assert [shard.path for shard in joined.shards] == [each.shards[0].path for each in pieces]
    assert len(joined.rejected) == 5
    sums = {"documents": 11111, "rejected": {"why 0": 3, "why 1": 2}}
    assert joined.counts == COUNTS | sums
    # Of the whole chunk: what the last piece saw.
    assert (joined.n_bytes, joined.blake2b) == (4, "hash up to 4")


def test_a_chunk_of_one_piece_commits_at_once(tmp_path):
    assert commit_piece(tmp_path, "a", 0, record(0))
    assert list(records(tmp_path)) == [("a", record(0))]
    assert not (tmp_path / "_run").exists()


@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.integers(0, 9))))
def test_sums_do_not_depend_on_grouping(each):
    left, right = {}, {}
    for value in each:
        add_counts(left, {"inner": value, "n": 1})
    for value in reversed(each):
        pair = {"inner": {**value}, "n": 1}
        add_counts(pair, right)
        right = pair
    assert left == right
    assert left.get("n", 0) == len(each)


def test_what_killed_writers_left_can_go_while_chunks_are_missing(tmp_path):
    write_files(tmp_path, of=record(0))
    left = [".README.md.1-1.tmp", "documents/train/.b.arrow.1-1.tmp", "rejected/.b.jsonl.1-1.tmp"]
    for name in left:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    remove_temporary(tmp_path)
    assert tree(tmp_path).keys() == {*record(0).paths}


def test_sweeping_removes_only_what_no_record_names(tmp_path):
    kept, lost = record(0), record(1)
    for each in (kept, lost):
        write_files(tmp_path, of=each)
    commit_piece(tmp_path, "a", 0, kept)
    commit_piece(tmp_path, "b", 0, record(1, is_last=False))
    beside = ["manifest.json", "README.md", "model/step-1/weights.bin", "packed/train/a.arrow"]
    temporary = [
        ".README.md.1-1.tmp",
        "_chunks/.a.json.1-1.tmp",
        "documents/train/.a.arrow.1-1.tmp",
        "rejected/.a.jsonl.1-1.tmp",
    ]
    # A packed copy that is being written, or was when its process was killed.
    beside.append(".packed.tmp/train/a.arrow")
    for name in (*beside, *temporary):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    sweep(tmp_path)
    assert tree(tmp_path).keys() == {*kept.paths, *beside, "_chunks/a.json"}
    assert not list(tmp_path.glob("_run/pieces/*/*"))


@pytest.mark.parametrize("is_damaged", [False, True])
def test_a_dropped_chunk_is_not_committed(tmp_path, is_damaged):
    write_files(tmp_path, of=record(0))
    commit_piece(tmp_path, "a", 0, record(0))
    if is_damaged:
        record_path(tmp_path, "a").write_text('{"shards": [')
    drop_chunk(tmp_path, "a")
    assert "a" not in committed(tmp_path)
    sweep(tmp_path)
    assert tree(tmp_path) == {}


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", json.dumps({"shards": [{}]})])
def test_a_damaged_record_is_refused_with_the_mend(tmp_path, text):
    record_path(tmp_path, "a").parent.mkdir()
    record_path(tmp_path, "a").write_text(text)
    with pytest.raises(UserError, match="--repair"):
        list(records(tmp_path))


def test_no_byte_of_a_record_can_differ(tmp_path):
    commit_piece(tmp_path, "a", 0, record(0))
    path = record_path(tmp_path, "a")
    data = path.read_bytes()
    for at, byte in enumerate(data):
        path.write_bytes(data[:at] + bytes([byte ^ 1]) + data[at + 1 :])
        with pytest.raises(UserError, match="--repair"):
            read_record(path)


def test_a_record_of_another_chunk_is_refused(tmp_path):
    commit_piece(tmp_path, "a", 0, record(0))
    record_path(tmp_path, "a").rename(record_path(tmp_path, "b"))
    with pytest.raises(UserError, match="names files of another chunk"):
        list(records(tmp_path))


def test_one_job_or_several_slices_hold_an_output(tmp_path):
    refused = pytest.raises(UserError, match="another job is writing")
    with locked(tmp_path), refused:
        locked(tmp_path, is_slice=True).__enter__()
    with locked(tmp_path, is_slice=True), locked(tmp_path, is_slice=True), refused:
        locked(tmp_path).__enter__()
    with locked(tmp_path):
        assert (tmp_path / "_run/lock").exists()
