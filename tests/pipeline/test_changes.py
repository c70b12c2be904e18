"""What changed since an output was begun: found by name, and by bytes where times alone differ."""

import dataclasses
import os
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.changes import drop_damaged, refuse_changes, stale_chunks
from pipeline.commit import is_committed, record_path, sweep
from schemas.errors import UserError
from tests.pipeline.making import CONFIG, make_chunk, make_output, plan_of, put
from tests.running import exchange, tree

FILES = {f"{i:02d}.txt": exchange(i) for i in range(30)}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("made")
    make_output(root / "out", put(root / "in", FILES))
    return root


@pytest.fixture
def root(made, tmp_path):
    """Copies of inputs and output, times kept."""
    return shutil.copytree(made, tmp_path / "copy")


def edit(folder):
    path = folder / "03.txt"
    path.write_text(path.read_text().swapcase())


def touch(folder):
    os.utime(folder / "03.txt", (1, 1))


def rewind(folder):
    """Edit, with the old time stamp: what no listing can tell."""
    stat = (folder / "03.txt").stat()
    (folder / "03.txt").write_text(exchange(3) + "more")
    os.utime(folder / "03.txt", (stat.st_atime, stat.st_mtime))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda folder: (folder / "03.txt").unlink(), "03.txt (gone)"),
        (lambda folder: (folder / "new.txt").write_text("x"), "new.txt (new)"),
        (lambda folder: (folder / "03.txt").write_text("x"), "03.txt (resized)"),
        # Same size, other bytes.
        (edit, "03.txt (edited)"),
        (rewind, "03.txt (resized)"),
        (lambda folder: (folder / "03.txt").rename(folder / "x.txt"), "03.txt (gone), x.txt (new)"),
    ],
)
def test_a_change_is_refused_by_name(root, change, says):
    change(root / "in")
    with pytest.raises(UserError) as refused:
        refuse_changes(root / "out", plan_of(root / "in"), CONFIG)
    assert f"was begun: {says}; run with --update" in str(refused.value)


@pytest.mark.parametrize("change", [lambda _: None, touch], ids=["nothing", "touch"])
def test_the_same_bytes_are_no_change(root, change):
    change(root / "in")
    plan = plan_of(root / "in")
    refuse_changes(root / "out", plan, CONFIG)
    assert stale_chunks(root / "out", plan, CONFIG) == []


def test_many_changes_are_named_in_part(root):
    for i in range(8):
        (root / f"in/{i:02d}.txt").unlink()
    with pytest.raises(UserError, match=r"04\.txt \(gone\) and 3 more; run with --update"):
        refuse_changes(root / "out", plan_of(root / "in"), CONFIG)


def test_an_edited_file_makes_its_chunk_stale_and_no_other(root):
    edit(root / "in")
    plan = plan_of(root / "in")
    stale = stale_chunks(root / "out", plan, CONFIG)
    [chunk] = [each for each in plan.chunks if any(p.relative == "03.txt" for p in each.ranges)]
    assert stale == [chunk.digest]
    assert len(plan.chunks) > 5


def test_a_file_that_went_makes_its_chunk_stale(root):
    (root / "in/03.txt").unlink()
    plan = plan_of(root / "in")
    stale = stale_chunks(root / "out", plan, CONFIG)
    planned = {chunk.digest for chunk in plan.chunks}
    assert len(stale) >= 1
    assert not set(stale) & planned


def test_without_notes_of_times_bytes_decide(root):
    shutil.rmtree(root / "out/_run")
    plan = plan_of(root / "in")
    refuse_changes(root / "out", plan, CONFIG)
    edit(root / "in")
    with pytest.raises(UserError, match=r"03\.txt"):
        refuse_changes(root / "out", plan_of(root / "in"), CONFIG)


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    "damage",
    [
        flip,
        lambda path: path.unlink(),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
    ],
    ids=["flip", "delete", "cut"],
)
def test_a_damaged_shard_takes_its_chunk_back_and_made_again_it_is_the_same(root, damage):
    out = root / "out"
    before = tree(out)
    shard = sorted(out.glob("documents/*/*.arrow"))[1]
    damage(shard)
    [digest] = drop_damaged(out)
    assert digest == shard.name.partition("-")[0]
    assert not is_committed(out, digest)
    sweep(out)
    [chunk] = [each for each in plan_of(root / "in").chunks if each.digest == digest]
    make_chunk(out, chunk)
    assert tree(out) == before


def test_a_damaged_record_takes_its_chunk_back(root):
    chunk = plan_of(root / "in").chunks[0]
    record_path(root / "out", chunk.digest).write_text("{")
    assert drop_damaged(root / "out") == [chunk.digest]
    assert drop_damaged(root / "out") == []


def parquet_rows(folder, texts):
    pq.write_table(pa.table({"text": texts}), folder / "rows.parquet")


def jsonl_lines(folder, texts):
    (folder / "lines.jsonl").write_text("".join(f'{{"text": "{text}"}}\n' for text in texts))


@pytest.mark.parametrize("write", [parquet_rows, jsonl_lines])
def test_an_edit_inside_a_file_that_is_cut_is_found_when_its_size_changes(tmp_path, write):
    # Row groups, and every range but the last, keep their chunk's name when the file grows.
    config = dataclasses.replace(CONFIG, chunk_bytes=4000)
    folder = put(tmp_path / "in", {})
    folder.mkdir(exist_ok=True)
    texts = [f"text {i} " * 8 for i in range(200)]
    write(folder, texts)
    plan = make_output(tmp_path / "out", folder, config)
    first = plan.chunks[0].digest
    write(folder, [texts[0].replace("text", "TEXT"), *texts[1:], "and one more"])
    changed = plan_of(folder, config)
    assert first in {chunk.digest for chunk in changed.chunks}
    assert first in stale_chunks(tmp_path / "out", changed, config)
