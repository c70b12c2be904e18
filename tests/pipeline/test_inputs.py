"""What the user named, as files with the names that the output gives them."""

import os
import socket
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.segment import segment_files
from pipeline.inputs import list_inputs
from schemas.errors import UserError
from tests.pipeline.making import put


def names(*inputs, **options):
    return [file.relative for file in list_inputs(map(str, inputs), **options)]


@pytest.fixture
def corpus(tmp_path):
    files = ("b.txt", "a/z.txt", "a/y.md", "a/deep/x.txt", ".git/config.txt", "a/.hidden.txt")
    return put(tmp_path / "corpus", dict.fromkeys(files, "text"))


def test_a_folder_gives_its_files_sorted_hidden_ones_left_out(corpus):
    assert names(corpus) == ["a/deep/x.txt", "a/y.md", "a/z.txt", "b.txt"]


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        # A file is called by its name.
        (["b.txt"], ["b.txt"]),
        # With several inputs, the input's name comes first.
        (["b.txt", "a/deep"], ["b.txt", "deep/x.txt"]),
        # A glob's names are relative to what stands before its first wildcard.
        (["a/*.txt"], ["z.txt"]),
        (["**/*.txt"], ["a/deep/x.txt", "a/z.txt", "b.txt"]),
        # Folders that a glob matches are walked.
        (["a/d*"], ["deep/x.txt"]),
        (["a/../b.txt"], ["b.txt"]),
    ],
)
def test_names_are_relative_to_the_input(corpus, monkeypatch, inputs, expected):
    monkeypatch.chdir(corpus)
    assert [name for name in names(*inputs) if "/." not in f"/{name}"] == expected


def test_names_do_not_depend_on_where_the_corpus_lies(corpus, tmp_path):
    corpus.rename(tmp_path / "moved")
    assert names(tmp_path / "moved") == ["a/deep/x.txt", "a/y.md", "a/z.txt", "b.txt"]


def test_a_file_named_like_a_pattern_is_that_file(tmp_path):
    put(tmp_path, {"a[1].txt": "x", "a1.txt": "y"})
    assert names(tmp_path / "a[1].txt") == ["a[1].txt"]


def test_the_output_is_left_out_under_any_name(corpus, monkeypatch):
    put(corpus, {"out/README.md": "ours"})
    monkeypatch.chdir(corpus)
    (corpus / "link").symlink_to(corpus / "out")
    for out in ("out", "./out", "a/../out", corpus / "out", "link"):
        assert "out/README.md" not in names(".", exclude=Path(out))
    assert "out/README.md" in names(".")


def test_two_inputs_of_one_name_are_refused(tmp_path):
    put(tmp_path, {"a/x/1.txt": "", "b/x/2.txt": ""})
    with pytest.raises(UserError, match=r"two inputs are called 'x'.*rename one"):
        names(tmp_path / "a/x", tmp_path / "b/x")


@pytest.mark.parametrize("given", ["nowhere", "nowhere/*", "no*where.txt"])
def test_no_such_input_is_refused_by_name(tmp_path, given):
    with pytest.raises(UserError, match="no such input"):
        names(tmp_path / given)


def test_a_link_that_leads_nowhere_is_listed_as_unreadable(corpus):
    (corpus / "a/gone.txt").symlink_to(corpus / "nothing")
    listed = list_inputs([str(corpus)])
    assert [file.relative for file in listed if not file.is_readable] == ["a/gone.txt"]
    (corpus / "nothing").write_text("x")
    [mended] = [file for file in list_inputs([str(corpus)]) if file.relative == "a/gone.txt"]
    assert mended.is_readable
    assert mended.size_bytes == 1


@pytest.mark.parametrize(
    "marks",
    [
        ["_run/config.json"],  # prepare, begun
        ["manifest.json", "_chunks/x.json"],  # prepare, copied without _run
        ["packing.json", "tokenizer.json"],
        ["train.json", "metrics.jsonl"],
        ["design.json", "_run/lock"],  # compare
    ],
)
@pytest.mark.parametrize("given", [".", "*", "**/*"])
def test_what_duologue_wrote_is_left_out_and_named(corpus, monkeypatch, marks, given):
    put(corpus, {f"a/ours/{name}": "{}" for name in [*marks, "README.md", "deep/x.txt"]})
    monkeypatch.chdir(corpus)
    found = []
    [*rest] = names(given, say=found.append)
    assert [name for name in rest if not name.startswith(".")] == [
        "a/deep/x.txt",
        "a/y.md",
        "a/z.txt",
        "b.txt",
    ]
    assert {*found} == {f"left out: {corpus}/a/ours, which duologue wrote"}
    # Named itself it is read.
    assert "README.md" in names("a/ours")


def test_one_of_those_files_alone_marks_nothing(corpus):
    put(corpus, {"a/train.json": "{}", "a/manifest.json": "{}", "a/design.json": "{}"})
    assert "a/y.md" in names(corpus)


@pytest.mark.parametrize(
    ("raw", "printed"),
    [
        # Not UTF-8: spelled.
        (b"caf\xe9.txt", "caf\\xe9.txt"),
        # Control characters are UTF-8, and kept: only printing them needs care.
        (b"new\nline.txt", "new\nline.txt"),
        ("naïve 潮.txt".encode(), "naïve 潮.txt"),
    ],
)
def test_any_name_becomes_text_and_still_opens(tmp_path, raw, printed):
    Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), raw))).write_text("x")  # noqa: PTH118
    [file] = list_inputs([str(tmp_path)])
    assert file.relative == printed
    assert file.relative.encode()
    assert Path(file.path).read_text() == "x"


@given(
    st.lists(
        st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1)
        .filter(lambda name: name[0] != "." and len(name.encode()) < 200)
        .map(lambda name: f"{name}.txt"),
        unique=True,
    )
)
def test_every_file_is_listed_once_in_one_order(tmp_path_factory, chosen):
    folder = put(tmp_path_factory.mktemp("any"), dict.fromkeys(chosen, "x"))
    assert names(folder) == sorted(chosen)


def test_size_and_time_are_as_listed(corpus):
    os.utime(corpus / "b.txt", (5, 5))
    [file] = list_inputs([str(corpus / "b.txt")])
    assert (file.size_bytes, file.modified) == (4, 5)


def test_a_recursive_glob_gives_each_file_once_hidden_ones_left_out(tmp_path, monkeypatch):
    put(tmp_path, {"a/b/x.txt": "x", "a/y.txt": "y", "z.txt": "z", ".git/h.txt": "h"})
    monkeypatch.chdir(tmp_path)
    assert names("**/*") == ["a/b/x.txt", "a/y.txt", "z.txt"]


def test_a_file_in_two_inputs_is_refused(tmp_path):
    folder = put(tmp_path / "in", {"x.txt": "x"})
    with pytest.raises(UserError, match=r"is in two inputs, as in/x\.txt and as x\.txt"):
        names(str(folder), str(folder / "x.txt"))


def test_a_link_to_a_folder_above_it_is_followed_once(tmp_path):
    folder = put(tmp_path / "in", {"a/x.txt": "x"})
    (folder / "a/back").symlink_to(folder)
    found = []
    assert names(str(folder), say=found.append) == ["a/x.txt"]
    assert found == []


def test_links_are_followed_and_what_they_double_is_said(tmp_path):
    folder = put(tmp_path / "in", {"a/x.txt": "x", "a/y.txt": "x", "z.txt": "z"})
    put(tmp_path, {"outside/o.txt": "o"})
    (folder / "outside").symlink_to(tmp_path / "outside")
    found = []
    assert names(folder, say=found.append) == ["a/x.txt", "a/y.txt", "outside/o.txt", "z.txt"]
    assert found == []
    (folder / "also").symlink_to(folder / "a")
    (folder / "link.txt").symlink_to("z.txt")
    (folder / "hard.txt").hardlink_to(folder / "z.txt")
    found = []
    assert len(names(folder, say=found.append)) == 8
    [said] = found
    assert said.startswith("read twice: 4 files, by links to what is read anyway, such as ")
    # Of what is not read nothing is said.
    found = []
    assert len(names(folder, say=found.append, is_read=lambda path: "/a/" in path)) == 8
    assert found == []


def test_links_among_files_that_no_reader_takes_are_not_said_to_be_read(tmp_path, capsys):
    put(tmp_path, {"in/a.png": "x", "in/x.txt": "x"})
    (tmp_path / "in/b.png").symlink_to("a.png")
    for reader, is_said in ((None, False), ("text", True)):
        segment_files(
            [str(tmp_path / "in")],
            reader=reader,
            text_column="text",
            max_document_bytes=1 << 20,
            view=False,
            explain=False,
        )
        assert ("read twice: 1 file," in capsys.readouterr().err) == is_said


def test_what_is_kept_of_links_is_small(tmp_path):
    """The listing itself holds what is left: its paths and names."""
    n_files = 2_000
    folder = put(tmp_path / "in", {f"{i:04d}.txt": "x" for i in range(n_files)})
    listed = {}
    for is_noted in (False, False, True):  # Names stay interned after the first.
        tracemalloc.start()
        list_inputs([str(folder)], is_read=lambda _, is_noted=is_noted: is_noted)
        listed[is_noted] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert listed[True] - listed[False] < 100 * n_files


def test_what_would_be_waited_for_is_left_out_and_said(tmp_path):
    folder = put(tmp_path / "in", {"x.txt": "x"})
    os.mkfifo(folder / "pipe.txt")
    with socket.socket(socket.AF_UNIX) as heard:
        heard.bind(str(folder / "socket"))
        found = []
        assert names(folder, say=found.append) == ["x.txt"]
    [said] = found
    assert said.startswith("left out: 2 special files (pipe, socket or device), such as ")
    assert str(folder) in said


# (what is named, what is said of it)
@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("pipe", "pipe is a pipe, and is not read: write what it gives to a file"),
        ("/dev/null", "/dev/null is a device, and is not read"),
        ("x.txt/", "x.txt/ is a file, not a folder: leave out the last /"),
    ],
)
def test_an_input_that_is_no_file_to_read_is_refused(tmp_path, monkeypatch, given, says):
    put(tmp_path, {"x.txt": "x"})
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=says):
        names(given)
    with pytest.raises(UserError, match=says):
        segment_files(
            [given],
            reader=None,
            text_column="text",
            max_document_bytes=1 << 20,
            view=False,
            explain=False,
        )
