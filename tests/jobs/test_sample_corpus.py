import json
import shutil
import sysconfig
from pathlib import Path

import pytest

from jobs.sample_corpus import LISTING, Install, write_sample_corpus
from schemas.errors import UserError

STDLIB = Path(sysconfig.get_path("stdlib"))
LONG = "A sentence that makes the text long enough to be worth a file of its own. " * 4
MODULE = f'''"""The module.

    {LONG}
"""
raise SystemExit("a module that must not be imported")

if True:
    class Outer:
        """The class."""

        async def method(self):
            r"""The method.

            >>> 1 + 1
            2
            """
            def inner():
                """The inner function \\d."""
'''
METADATA = f"""Metadata-Version: 2.1
Name: Some-Package
Description-Content-Type: text/markdown; charset=UTF-8

# Größe

{LONG}
"""


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


@pytest.fixture
def install(tmp_path):
    """Some of the real standard library and a package made for what may go wrong."""
    stdlib, packages = tmp_path / "lib", tmp_path / "packages"
    (stdlib / "json").mkdir(parents=True)
    for name in ("statistics.py", "difflib.py", "textwrap.py", "json/decoder.py"):
        shutil.copy(STDLIB / name, stdlib / name)
    write(stdlib / "site-packages/other/__init__.py", MODULE)
    write(packages / "some/__init__.py", MODULE)
    write(packages / "some/copy.py", MODULE.replace("The", "Another"))
    write(packages / "some/same.txt", LONG)
    write(packages / "some/table.txt", "1 2 3\n" * 100)
    write(packages / "some/guide.md", "# Guide\n\n- a\n\n" + LONG)
    write(packages / "some/latin.md", LONG.encode() + b"\xe9")
    write(packages / "some/LICENSE.md", LONG)
    write(packages / "some/broken.py", '"""' + LONG + '"""\ndef (:')
    write(packages / "some/surrogate.py", '"""\\ud800' + LONG + '"""')
    write(packages / "some/escape.py", '"""\\d ' + LONG + '"""')
    write(packages / "some/tests/test_it.py", MODULE)
    write(packages / "some/_vendor/it.py", MODULE)
    write(packages / "some_package-1.0.dist-info/METADATA", METADATA)
    write(packages / "some_package-1.0.dist-info/licenses/notes.txt", LONG)
    write(packages / "latin-1.0.dist-info/METADATA", METADATA.encode("latin-1"))
    return Install(stdlib=stdlib, packages=packages)


def content_of(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_corpus_holds_the_prose_and_nothing_else(install, tmp_path):
    corpus = write_sample_corpus(tmp_path / "out", install=install)
    found = content_of(tmp_path / "out")
    listing = json.loads(found.pop(LISTING))
    assert {path for path in found if not path.startswith("pydoc/")} == {
        "docs/some/guide.md",
        "docs/some/same.txt",
        "docstrings/difflib.txt",
        "docstrings/json/decoder.txt",
        "docstrings/statistics.txt",
        "docstrings/some/__init__.txt",
        "docstrings/some/copy.txt",
        "docstrings/some/escape.txt",
        "docstrings/textwrap.txt",
        "readmes/some_package.md",
    }
    assert sum(path.startswith("pydoc/") for path in found) > 50
    assert listing["size_bytes"] == {path: len(data) for path, data in found.items()}
    assert sum(corpus.files.values()) == len(found)
    assert sum(corpus.size_bytes.values()) == sum(map(len, found.values()))
    assert str(tmp_path).encode() not in b"".join(found.values())


def test_docstrings_stand_in_source_order_under_their_names(install, tmp_path):
    write_sample_corpus(tmp_path / "out", install=install)
    text = (tmp_path / "out/docstrings/some/__init__.txt").read_text()
    assert text == (
        f"some\n----\n\nThe module.\n\n{LONG.strip()}\n"
        "\n\nsome.Outer\n----------\n\nThe class.\n"
        "\n\nsome.Outer.method\n-----------------\n\nThe method.\n\n>>> 1 + 1\n2\n"
        "\n\nsome.Outer.method.inner\n-----------------------\n\nThe inner function \\d.\n"
    )


def test_readme_is_the_long_description(install, tmp_path):
    write_sample_corpus(tmp_path / "out", install=install)
    text = (tmp_path / "out/readmes/some_package.md").read_text(encoding="utf-8")
    assert text == f"# Größe\n\n{LONG}\n"


def test_doctests_of_the_standard_library_are_kept(install, tmp_path):
    write_sample_corpus(tmp_path / "out", install=install)
    text = (tmp_path / "out/docstrings/statistics.txt").read_text()
    assert "\n>>> mean([-1.0, 2.5, 3.25, 5.75])\n2.625\n" in text


def test_a_second_run_gives_the_same_bytes(install, tmp_path):
    write_sample_corpus(tmp_path / "out", install=install)
    first = content_of(tmp_path / "out")
    write_sample_corpus(tmp_path / "out", install=install)
    assert content_of(tmp_path / "out") == first
    (tmp_path / "empty").mkdir()
    write_sample_corpus(tmp_path / "empty", install=install)
    assert content_of(tmp_path / "empty") == first


def test_a_run_over_an_older_one_leaves_nothing_of_it(install, tmp_path):
    write_sample_corpus(tmp_path / "out", install=install)
    (install.packages / "some/guide.md").unlink()
    write_sample_corpus(tmp_path / "out", install=install)
    write_sample_corpus(tmp_path / "fresh", install=install)
    assert not (tmp_path / "out/docs/some/guide.md").exists()
    assert content_of(tmp_path / "out") == content_of(tmp_path / "fresh")


def test_a_run_that_was_killed_can_be_run_again(install, tmp_path):
    write_sample_corpus(tmp_path / "out", install=install)
    whole = content_of(tmp_path / "out")
    (tmp_path / "out/docstrings/statistics.txt").unlink()
    (tmp_path / "out/docstrings/difflib.txt").write_text("half")
    write_sample_corpus(tmp_path / "out", install=install)
    assert content_of(tmp_path / "out") == whole


def test_a_package_larger_than_its_share_leaves_room_for_others(install, tmp_path):
    for number in range(40):
        prose = f"Sentence number {number} of this package. " * 2000
        write(install.packages / f"huge/part{number}.py", f'"""{prose}"""')
    write_sample_corpus(tmp_path / "out", install=install)
    huge = list((tmp_path / "out/docstrings/huge").iterdir())
    assert 10 <= len(huge) < 20
    assert (tmp_path / "out/docstrings/some/__init__.txt").exists()


def add_file(out):
    write(out / "mine.txt", "mine")


def add_file_to_a_corpus(out):
    write(out / LISTING, '{"format": "duologue sample corpus 1", "size_bytes": {}}')
    write(out / "docs/mine.txt", "mine")


def add_link(out):
    out.mkdir()
    (out / "docs").symlink_to(out.parent)


def be_a_file(out):
    write(out, "mine")


@pytest.mark.parametrize("fill", [add_file, add_file_to_a_corpus, add_link, be_a_file])
def test_what_is_not_ours_is_refused_and_left_alone(install, tmp_path, fill):
    out = tmp_path / "out"
    fill(out)
    before = content_of(tmp_path)
    with pytest.raises(UserError, match="new or empty") as error:
        write_sample_corpus(out, install=install)
    assert str(out) in str(error.value)
    assert content_of(tmp_path) == before


def test_the_running_install_is_found():
    install = Install.current()
    assert (install.stdlib / "statistics.py").is_file()
    assert list(install.packages.glob("rich-*.dist-info/METADATA"))
