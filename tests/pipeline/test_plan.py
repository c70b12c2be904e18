"""The plan: every byte once, names by content, and few chunks that a new file changes."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.inputs import InputFile
from pipeline.plan import (
    Chunk,
    by_suffix,
    forget_plans,
    left_out_words,
    make_plan,
    noted_counts,
    plan_path,
    planned_chunks,
    read_chunk,
    read_plan,
    usable_files,
    write_plan,
)
from pipeline.remote import RemotePath
from pipeline.tape import Tape
from schemas.errors import UserError
from tests.pipeline.making import CONFIG, plan_of, put

BIG = dataclasses.replace(CONFIG, chunk_bytes=1 << 20)


def file(name, size_bytes, root="/somewhere"):
    return InputFile(path=f"{root}/{name}", relative=name, size_bytes=size_bytes, modified=0.0)


def files_of(sizes, root="/somewhere"):
    return Tape(file(name, size, root) for name, size in sorted(sizes.items()))


def ranges_of(plan):
    return [part for chunk in plan.chunks for part in chunk.ranges]


listings = st.dictionaries(
    st.from_regex(r"[a-z]{1,8}(/[a-z]{1,4})?\.(txt|jsonl|jsonl\.gz|txt\.zst)", fullmatch=True),
    st.integers(0, 5 << 20),
)


@settings(max_examples=30)
@given(listings)
def test_every_byte_of_every_file_is_planned_once(sizes):
    seen = {}
    for part in ranges_of(make_plan(files_of(sizes), (), BIG)):
        # In order, each range begins where the one before it ended.
        assert part.start == seen.get(part.relative, 0)
        seen[part.relative] = part.end
    assert seen == sizes


@settings(max_examples=30)
@given(listings)
def test_chunk_names_are_unique_and_the_same_wherever_the_files_lie(sizes):
    plans = [make_plan(files_of(sizes, root), (), BIG) for root in ("/a", "s3://b/c")]
    here, there = ([chunk.digest for chunk in plan.chunks] for plan in plans)
    assert here == there
    assert len(set(here)) == len(here)


@settings(max_examples=30)
@given(listings.filter(bool))
def test_another_config_names_all_chunks_anew(sizes):
    other = dataclasses.replace(BIG, delimiters="tags")
    one, two = (make_plan(files_of(sizes), (), config) for config in (BIG, other))
    assert not {chunk.digest for chunk in one.chunks} & {chunk.digest for chunk in two.chunks}


@settings(max_examples=30)
@given(listings)
def test_a_chunk_is_about_as_large_as_asked(sizes):
    for chunk in make_plan(files_of(sizes), (), BIG).chunks:
        whole = [part.end - part.start for part in chunk.ranges]
        assert len(whole) == 1 or sum(whole) <= BIG.chunk_bytes
        if not chunk.ranges[0].relative.endswith((".txt", ".gz", ".zst")):
            assert sum(whole) <= BIG.chunk_bytes


MANY = {f"{i // 100:02d}/{i:04d}.txt": 500 + 37 * i % 4000 for i in range(600)}


@settings(max_examples=15)
@given(st.from_regex(r"0[0-5]/[0-9]{4}[a-z]?\.txt", fullmatch=True), st.integers(0, 20_000))
def test_a_file_that_comes_or_goes_changes_few_chunks(name, size_bytes):
    config = dataclasses.replace(CONFIG, chunk_bytes=32 << 10)
    without = {each: size for each, size in MANY.items() if each != name}
    before = {chunk.digest for chunk in make_plan(files_of(without), (), config).chunks}
    after = {
        chunk.digest
        for chunk in make_plan(files_of({**without, name: size_bytes}), (), config).chunks
    }
    assert len(before) > 60
    assert 1 <= len(after - before) <= 6
    assert len(before - after) <= 6


def test_a_written_plan_is_read_back(tmp_path):
    put(tmp_path / "in", {"a.txt": "x", "b.jsonl": '{"text": "y"}\n' * 3000, "c.png": "z"})
    plan = plan_of(tmp_path / "in")
    assert len(plan.chunks) > 3
    write_plan(plan, tmp_path)
    read = read_plan(tmp_path)
    assert ([*read.files], [*read.chunks]) == ([*plan.files], [*plan.chunks])
    assert (read.skipped, read.seal) == (plan.skipped, plan.seal)
    found = [
        (noted.digest, noted.cost, read_chunk(tmp_path / "plan.jsonl", noted.offset))
        for noted in planned_chunks(tmp_path / "plan.jsonl")
    ]
    assert found == [(chunk.digest, chunk.cost, chunk) for chunk in plan.chunks]
    assert isinstance(found[0][2], Chunk)
    assert isinstance(read.files[0], InputFile)


def test_half_a_plan_is_refused(tmp_path):
    with pytest.raises(UserError, match="run prepare again"):
        read_plan(tmp_path)


def test_unknown_suffixes_are_counted_and_left_out():
    files = files_of({"a.txt": 1, "b.PNG": 1, "c.png": 1, "d": 1, "e.parquet.gz": 1})
    usable, left_out = usable_files(files, reader=None)
    assert [each.relative for each in usable] == ["a.txt"]
    assert by_suffix(left_out) == {".PNG": 1, ".png": 1, "(no suffix)": 1, ".gz": 1}


def test_a_named_reader_takes_every_file():
    usable, left_out = usable_files(files_of({"a.dat": 1, "b": 1}), reader="text")
    assert (len(usable), len(left_out)) == (2, 0)


def test_very_many_files_left_out_are_one_line():
    files = files_of({f"{i:04d}.{i % 9}": 1 for i in range(3000)})
    words = left_out_words(by_suffix(files), (each.relative for each in files))
    assert words == (
        "left out: 3000 files that no reader takes (334 .0, 334 .1, 334 .2, ...), "
        "such as 0000.0, 0001.1, 0002.2: --format text reads every input as text"
    )


def test_small_chunks_are_filled_with_small_files():
    sizes = {f"{i:03d}.txt": 500 for i in range(400)}
    config = dataclasses.replace(CONFIG, chunk_bytes=20_000)
    plan = make_plan(files_of(sizes), (), config)
    # Half a chunk is what the cuts by hash leave, about.
    assert len(plan.chunks) < 400 * 500 / 20_000 * 4


@pytest.mark.parametrize(
    ("sizes", "says"),
    [
        ({}, "no usable file: found no files"),
        ({"a.png": 1, "b.png": 1}, "found 2 files that no reader takes, such as a.png, b.png"),
        # Alone it was meant: the mend is another.
        ({"a.png": 1}, "no reader for a.png"),
        ({"a.txt": 0, "b.txt": 0}, "all 2 are empty, such as a.txt"),
    ],
)
def test_nothing_usable_is_refused(sizes, says):
    with pytest.raises(UserError, match=says):
        usable_files(files_of(sizes), reader=None)


def test_big_inputs_that_cannot_be_cut_are_named():
    plan = make_plan(files_of({"a.txt": 9 << 20, "b.jsonl.gz": 9 << 20, "c.txt": 5}), (), BIG)
    assert [*plan.uncut] == ["a.txt", "b.jsonl.gz"]


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_every_chunk_is_of_one_slice(tmp_path, count):
    write_plan(make_plan(files_of({f"{i}.jsonl": 3 << 20 for i in range(4)}), (), BIG), tmp_path)
    path = tmp_path / "plan.jsonl"
    chunks = [*planned_chunks(path)]
    assert len(chunks) > count
    for index in range(count):
        assert [*planned_chunks(path, (index, count))] == chunks[index::count]


def test_slices_that_see_the_same_inputs_share_a_plan(tmp_path):
    here, there = (make_plan(files_of(MANY, root), (), BIG) for root in ("/a", "/b"))
    for which in ((1, 3), (0, 3)):
        write_plan(here, tmp_path, which)
    assert {path.name for path in tmp_path.iterdir()} == {"plan-3.jsonl", "inputs-3.jsonl"}
    # Its machine sees them elsewhere.
    write_plan(there, tmp_path, (2, 3))
    roots = [
        read_chunk(plan_path(tmp_path, (index, 3)), 0).ranges[0].path[:2] for index in range(3)
    ]
    assert roots == ["/a", "/a", "/b"]
    assert noted_counts(tmp_path) == {3}
    # And does not any more.
    write_plan(here, tmp_path, (2, 3))
    assert {path.name for path in tmp_path.iterdir()} == {"plan-3.jsonl", "inputs-3.jsonl"}


def test_a_slice_that_writes_the_plan_anew_has_no_other(tmp_path):
    here, there = (make_plan(files_of(MANY, root), (), BIG) for root in ("/a", "/b"))
    write_plan(here, tmp_path, (0, 2))
    write_plan(there, tmp_path, (1, 2))
    more = make_plan(files_of({**MANY, "zz.txt": 5}, "/b"), (), BIG)
    write_plan(more, tmp_path, (1, 2), anew=True)
    forget_plans(tmp_path, (1, 2))
    assert {path.name for path in tmp_path.iterdir()} == {"plan-2.jsonl", "inputs-2.jsonl"}
    assert [*read_plan(tmp_path).chunks] == [*more.chunks]


def test_a_plan_that_is_not_the_noted_one_is_refused(tmp_path):
    write_plan(make_plan(files_of(MANY), (), BIG), tmp_path)
    path = tmp_path / "plan.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    with pytest.raises(UserError, match=r"not the plan that was noted.*--update"):
        read_plan(tmp_path)


def test_slices_in_an_object_store_share_no_plan():
    """They do not take turns there, and the later one would write over the other's."""
    folder = RemotePath("s3://bucket/out/_run")
    names = [plan_path(folder, which).name for which in ((0, 2), (1, 2), (0, 1))]
    assert names == ["plan-0-2.jsonl", "plan-1-2.jsonl", "plan.jsonl"]
