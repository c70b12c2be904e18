"""The audit of finds, on a package made up of small files."""

import gzip
import shutil
from dataclasses import replace

import pytest

from benchmarks.segmentation.audit import (
    Find,
    draw,
    finds_in,
    read_finds,
    shown,
    table,
    texts_of,
    unpacked,
    write_finds,
)
from benchmarks.segmentation.packages import Packages

PAIR = "Intro.\n\nQ: Why so?\nA: Because.\n\nQ: And then?\nA: Nothing.\n"


def find(package: str, path: str, start: int, **kwargs) -> Find:
    values = {"sha256": "0", "end": start + 1, "family": "label", **kwargs}
    return Find(package=package, path=path, start=start, **values)


def test_documents_are_utf8_texts_decompressed(tmp_path):
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "b.gz").write_bytes(gzip.compress(b"b"))
    (tmp_path / "c.html").write_text("<p>c")
    (tmp_path / "d").write_bytes(b"\xff")
    (tmp_path / "e").write_bytes(b"x\0y")
    assert list(texts_of(tmp_path)) == [("a.txt", b"a"), ("b.gz", b"b")]


@pytest.mark.skipif(shutil.which("man") is None, reason="man is not installed")
def test_man_pages_are_read_as_they_are_shown(tmp_path):
    page = tmp_path / "man" / "man1" / "lister.1.gz"
    page.parent.mkdir(parents=True)
    page.write_bytes(gzip.compress(b".TH LISTER 1\n.SH NAME\nlister \\- lists\n"))
    ((path, text),) = texts_of(tmp_path)
    assert path == "man/man1/lister.1.gz"
    assert "NAME\n       lister - lists\n" in text.decode()


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("mutt", "debian/mutt"),
        ("src:git", "debian-source/git"),
        ("sympy==1.14.0", "pypi/sympy==1.14.0"),
    ],
)
def test_a_package_is_named_with_its_registry(tmp_path, name, folder):
    root = tmp_path / folder / "root"
    root.mkdir(parents=True)
    assert unpacked(Packages(tmp_path, offline=True), name) == root


def test_finds_are_episodes_with_their_families(tmp_path):
    (tmp_path / "faq").write_text(PAIR)
    found = finds_in("made", tmp_path)
    said = [PAIR[f.start : f.end].strip() for f in found]
    assert said == ["Q: Why so?\nA: Because.", "Q: And then?\nA: Nothing."]
    assert {(f.package, f.path, f.family) for f in found} == {("made", "faq", "label")}
    assert ">>>>> Q: Why so?\nA: Because.\n<<<<< " in shown(found[0], PAIR.encode())
    assert "another document" in shown(found[0], b"other")


def test_a_draw_is_repeatable_and_packages_take_turns():
    many = [find("big", "a", i) for i in range(50)] + [find("small", "b", 1), find("small", "c", 1)]
    drawn = draw(many, 6, seed=1)
    assert drawn == draw(reversed(many), 6, seed=1)
    assert [f.package for f in drawn] == ["big", "small", "big", "small", "big", "big"]
    assert len(draw(many, 100, seed=1)) == len(set(draw(many, 100, seed=2))) == 52


def test_rows_are_kept_and_the_table_counts_them(tmp_path):
    finds = [
        find("a", "x", 1, verdict="right"),
        find("b", "x", 2, verdict="wrong", reason="a menu"),
        find("b", "y", 3, verdict="unclear", reason="a menu"),
        find("b", "z", 4),
    ]
    write_finds(tmp_path / "label.jsonl", finds)
    assert read_finds(tmp_path / "label.jsonl") == finds
    assert read_finds(tmp_path / "none.jsonl") == []
    finds.append(replace(finds[0], family="other", reason=""))
    assert table(finds).splitlines()[2:] == [
        "| label | 3 | 2 | 1 | 0.33 | a menu (2) |",
        "| other | 1 | 1 | 1 | 1.00 |  |",
    ]
