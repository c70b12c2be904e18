"""A chunk is read as it was planned, or not at all: what changes in between ends the run."""

import gzip
import io
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apache_beam.io.filesystem import BeamIOError, FileMetadata
from apache_beam.io.localfilesystem import LocalFileSystem
from backports import zstd

from pipeline.changes import refuse_changes
from pipeline.inputs import list_inputs
from pipeline.output import begin
from pipeline.piece import read_pieces
from pipeline.plan import make_plan, usable_files, write_plan
from pipeline.tokenizer import trained_tokenizer
from schemas.errors import UserError
from tests.pipeline.making import CONFIG, make_chunk, make_output, plan_of, put, update
from tests.running import exchange, jsonl

LINES = jsonl([exchange(i) for i in range(20)])


def rows(texts):
    sink = io.BytesIO()
    pq.write_table(pa.table({"text": texts}), sink, row_group_size=2)
    return sink.getvalue()


FILES = {
    "a.txt": exchange(1).encode(),
    "a.txt.zst": zstd.compress(exchange(1).encode()),
    "a.jsonl": LINES,
    "a.jsonl.gz": gzip.compress(LINES),
    "a.parquet": rows([exchange(i) for i in range(20)]),
}


def append(path):
    with path.open("ab") as file:
        file.write(b'{"text": "more"}\n')


def cut(path):
    os.truncate(path, path.stat().st_size // 2)


def overwrite(path):
    """With bytes of the same size."""
    path.write_bytes(bytes(path.stat().st_size))


def fold(path):
    path.unlink()
    path.mkdir()


def pipe(path):
    """Of which a reader would wait for its writer."""
    path.unlink()
    os.mkfifo(path)


CHANGES = {
    append: "bytes then, of",
    cut: "bytes then, of",
    overwrite: "edited or touched",
    lambda path: path.write_bytes(b""): "bytes then, of 0 now",
    # What has fewer row groups, or none.
    lambda path: path.write_bytes(rows(["x"])): "bytes then, of",
    lambda path: path.unlink(): "gone",
    fold: "gone",
    pipe: "gone",
}


@pytest.fixture(params=FILES)
def path(request, tmp_path):
    """A file of each reader, alone in its folder, and not of this moment."""
    path = put(tmp_path / "in", {request.param: FILES[request.param]}) / request.param
    os.utime(path, (1e9, 1e9))
    return path


@pytest.mark.parametrize(("change", "says"), CHANGES.items())
def test_a_file_that_changes_after_the_plan_is_not_read(path, change, says):
    chunks = plan_of(path.parent).chunks
    change(path)
    for chunk in chunks:
        with pytest.raises(UserError) as refused:
            list(read_pieces(chunk, CONFIG))
        assert f"{path.name} changed since the inputs were listed (" in str(refused.value)
        assert says in str(refused.value)
        assert "run again with --update" in str(refused.value)


def test_a_name_of_two_lines_is_named_on_one(tmp_path):
    folder = put(tmp_path, {"a\nb.txt": "Prose."})
    [chunk] = plan_of(folder).chunks
    append(folder / "a\nb.txt")
    with pytest.raises(UserError, match=r"^a b\.txt changed since .* is kept$"):
        list(read_pieces(chunk, CONFIG))


@pytest.mark.parametrize("change", [append, overwrite])
def test_no_tokenizer_is_trained_on_what_changed(path, change):
    plan = plan_of(path.parent)
    change(path)
    with pytest.raises(UserError, match=r"changed since the inputs were listed"):
        trained_tokenizer(list(plan.files), CONFIG, 300, eos=None)


def test_a_file_that_changes_between_its_pieces_commits_none_of_them(tmp_path):
    folder = put(tmp_path / "in", {"a.jsonl.gz": FILES["a.jsonl.gz"]})
    pieces = read_pieces(plan_of(folder).chunks[0], CONFIG)
    assert not next(pieces).is_last
    append(folder / "a.jsonl.gz")
    with pytest.raises(UserError, match=r"a\.jsonl\.gz changed"):
        next(pieces)


@pytest.mark.parametrize("change", [append, overwrite])
def test_what_is_committed_is_kept_and_update_takes_the_files_as_they_are(tmp_path, change):
    others = {f"{i}.txt": exchange(i).encode() for i in range(9)}
    folder, out = put(tmp_path / "in", FILES | others), tmp_path / "out"
    for name in FILES:
        os.utime(folder / name, (1e9, 1e9))
    plan = plan_of(folder)
    begin(out, CONFIG)
    write_plan(plan, out / "_run")
    for name in FILES:
        change(folder / name)
    for chunk in plan.chunks:
        if any(part.relative in FILES for part in chunk.ranges):
            with pytest.raises(UserError, match="changed since"):
                make_chunk(out, chunk)
        else:
            make_chunk(out, chunk)
    committed = {path: path.stat().st_ino for path in (out / "_chunks").iterdir()}
    assert 0 < len(committed) < len(plan.chunks)
    changed = update(out, folder)
    assert changed == update(tmp_path / "fresh", folder)
    assert committed.items() <= {(p, p.stat().st_ino) for p in (out / "_chunks").iterdir()}
    # Put back, they are the files that they were.
    put(folder, FILES)
    assert update(out, folder) == update(tmp_path / "first", folder) != changed


def test_a_file_that_changes_after_its_commit_is_a_change_for_the_next_run(path, tmp_path):
    out = tmp_path / "out"
    plan = plan_of(path.parent)
    make_output(out, path.parent)
    overwrite(path)
    # The run notes what it listed, not what is there when it ends.
    write_plan(plan, out / "_run")
    with pytest.raises(UserError, match=r"\((edited|cut .*)\); run with --update"):
        refuse_changes(out, plan_of(path.parent), CONFIG)


class Elsewhere(LocalFileSystem):
    """Objects behind URLs, as Beam sees a store of them; what they hold lies in local files."""

    @classmethod
    def scheme(cls):
        return "elsewhere"

    def has_dirs(self):
        return False

    def _list(self, prefix):
        for path in sorted(Path(prefix.removeprefix("elsewhere://")).rglob("*")):
            yield self.metadata(f"elsewhere://{path}")

    def exists(self, path):
        return Path(path.removeprefix("elsewhere://")).is_file()

    def metadata(self, path):
        if not self.exists(path):
            msg = "no such object"
            raise BeamIOError(msg, {path: None})
        stat = Path(path.removeprefix("elsewhere://")).stat()
        return FileMetadata(path, stat.st_size, stat.st_mtime)

    def open(self, path, *options, **more):
        return super().open(path.removeprefix("elsewhere://"), *options, **more)


@pytest.mark.parametrize(
    ("change", "says"), [(append, "bytes then, of"), (overwrite, "edited"), (Path.unlink, "gone")]
)
def test_a_file_behind_a_url_that_changes_is_not_read(path, change, says):
    files = list_inputs([f"elsewhere://{path.parent}"])
    chunks = make_plan(*usable_files(files, reader=None), CONFIG).chunks
    for chunk in chunks:
        assert list(read_pieces(chunk, CONFIG))[-1].is_last
    change(path)
    for chunk in chunks:
        with pytest.raises(UserError, match=f"{path.name} changed since .*{says}"):
            list(read_pieces(chunk, CONFIG))
