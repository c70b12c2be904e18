"""What changed since an output was begun: found by name, and by bytes where times alone differ."""

import dataclasses
import gzip
import os
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.changes import damaged_chunks, refuse_changes, stale_chunks, take_back
from pipeline.commit import committed, forget_pieces, record_path
from pipeline.output import begin
from pipeline.piece import read_pieces
from pipeline.plan import forget_plans, noted_inputs, read_plan, write_plan
from pipeline.write_shards import write_piece
from schemas.errors import UserError
from tests.pipeline.making import (
    CONFIG,
    SEGMENT_TOKENIZER,
    make_chunk,
    make_output,
    plan_of,
    put,
    sweep,
    tokenized,
    update,
)
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
    [digest] = damaged_chunks(out)
    take_back(out, [digest])
    assert digest == shard.name.partition("-")[0]
    assert digest not in committed(out)
    sweep(out)
    [chunk] = [each for each in plan_of(root / "in").chunks if each.digest == digest]
    make_chunk(out, chunk)
    assert tree(out) == before


def test_a_damaged_record_takes_its_chunk_back(root):
    chunk = plan_of(root / "in").chunks[0]
    record_path(root / "out", chunk.digest).write_text("{")
    assert damaged_chunks(root / "out") == [chunk.digest]
    take_back(root / "out", [chunk.digest])
    assert damaged_chunks(root / "out") == []


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


def lines_moved(path):
    """The first record gives a byte to the last: those between are the same, but elsewhere."""
    first, *rest, last = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([first.replace(b"!", b""), *rest, last.replace(b"?", b"??")]))


def rows_moved(path):
    """A row goes from the first group to the last."""
    texts = pq.read_table(path)["text"].to_pylist()
    with pq.ParquetWriter(path, pa.schema([("text", pa.string())])) as writer:
        for group in (texts[1:20], texts[20:40], texts[40:60], [texts[0], *texts[60:]]):
            writer.write_table(pa.table({"text": group}))


@pytest.mark.parametrize(
    ("name", "edit"), [("lines.jsonl", lines_moved), ("rows.parquet", rows_moved)]
)
def test_records_that_stand_elsewhere_have_other_sources(tmp_path, name, edit):
    texts = ["first!", *(f"text {i} " * 20 for i in range(78)), "last?"]
    path = tmp_path / "in" / name
    path.parent.mkdir()
    if name.endswith(".jsonl"):
        jsonl_lines(path.parent, texts)
    else:
        pq.write_table(pa.table({"text": texts}), path, row_group_size=20)
    before = update(tmp_path / "out", path.parent)
    edit(path)
    os.utime(path, (1, 1))
    after = update(tmp_path / "out", path.parent)
    assert after == update(tmp_path / "fresh", path.parent) != before


def test_another_damage_is_a_change(tmp_path):
    folder = put(tmp_path / "in", {"a.parquet": b"no parquet", "b.txt": "Prose."})
    before = update(tmp_path / "out", folder)
    put(folder, {"a.parquet": b"PAR1 no parquet either PAR1"})
    after = update(tmp_path / "out", folder)
    assert after == update(tmp_path / "fresh", folder) != before


def test_each_slice_notes_the_inputs_that_it_saw(root):
    """So an edit is found of a file that one slice read before it, and another listed after it."""
    out, folder = root / "out", root / "in"
    (out / "_run/plan.jsonl").unlink()
    (out / "_run/inputs.jsonl").unlink()
    write_plan(plan_of(folder), out / "_run", (0, 2))
    edit(folder)
    write_plan(plan_of(folder), out / "_run", (1, 2))
    with pytest.raises(UserError, match=r"03\.txt \(edited\)"):
        refuse_changes(out, plan_of(folder), CONFIG)


def test_slices_that_saw_different_inputs_are_not_finished(root):
    out, folder = root / "out", root / "in"
    write_plan(plan_of(folder), out / "_run", (0, 2))
    put(folder, {"new.txt": "x"})
    write_plan(plan_of(folder), out / "_run", (1, 2))
    with pytest.raises(UserError, match="saw different inputs: run prepare with --update"):
        read_plan(out / "_run")
    # Which forgets what others saw, and leaves alone who saw the same.
    write_plan(plan_of(folder), out / "_run", (2, 3))
    forget_plans(out / "_run", (1, 2))
    assert {path.name for path in out.glob("_run/plan*")} == {"plan-1-2.jsonl", "plan-3.jsonl"}
    assert len(noted_inputs(out / "_run")) == 2
    assert [*read_plan(out / "_run").chunks] == [*plan_of(folder).chunks]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}\n{}\n", "[]\n{}\n", None])
def test_damaged_notes_are_no_notes(root, text):
    note = root / "out/_run/inputs.jsonl"
    # A whole note, which its seal does not seal.
    note.write_text(note.read_text().replace("04.txt", "4.txt") if text is None else text)
    refuse_changes(root / "out", plan_of(root / "in"), CONFIG)
    edit(root / "in")
    with pytest.raises(UserError, match=r"03\.txt"):
        refuse_changes(root / "out", plan_of(root / "in"), CONFIG)


def test_a_record_of_another_chunk_takes_back_its_own_alone(root):
    out = root / "out"
    before = tree(out)
    one, two, *_ = sorted((out / "_chunks").iterdir())
    shutil.copy(two, one)
    assert damaged_chunks(out) == [one.stem]
    take_back(out, [one.stem])
    assert tree(out).keys() == before.keys() - {f"_chunks/{one.name}"}
    sweep(out)
    assert not list(out.glob(f"*/*/{one.stem}-*"))
    assert list(out.glob(f"*/*/{two.stem}-*"))


def test_pieces_of_a_chunk_that_was_not_committed_are_forgotten(tmp_path):
    """Else pieces of a file as it was could be joined to those of the file as it is."""
    lines = "".join(f'{{"text": "{i} {exchange(i)!r}"}}\n' for i in range(30)).replace("\\n", " ")
    folder = put(tmp_path / "in", {"a.jsonl.gz": gzip.compress(lines.encode())})
    plan = plan_of(folder)
    begin(tmp_path / "out", CONFIG)
    _, second, *_ = read_pieces(plan.chunks[0], CONFIG)
    write_piece(tmp_path / "out", tokenized(second), SEGMENT_TOKENIZER, CONFIG)
    assert list(tmp_path.glob("out/_run/pieces/*/*"))
    forget_pieces(tmp_path / "out", [plan.chunks[0].digest])
    assert not list(tmp_path.glob("out/_run/pieces/*/*"))
