"""Files and folders: whole or not at all, and nothing in anybody's way."""

import signal
import subprocess
import sys

import pytest

from pipeline.atomic import atomic_file, atomic_folder
from schemas.errors import UserError
from tests.running import tree


def names(folder):
    """What is in a folder, hidden things too."""
    return [path.name for path in folder.iterdir()]


def test_a_file_is_there_whole(tmp_path):
    with atomic_file(tmp_path / "a/b") as file:
        file.write(b"one")
        file.write(memoryview(b"two"))
        assert not (tmp_path / "a/b").exists()
    assert (tmp_path / "a/b").read_bytes() == b"onetwo"
    assert file.n_bytes == 6
    assert tree(tmp_path) == {"a/b": file.sha256}


def test_a_file_that_fails_leaves_what_was_there(tmp_path):
    (tmp_path / "a").write_text("old")
    message = r"cannot write .*/a: No space.*what is committed is kept"
    with pytest.raises(UserError, match=message), atomic_file(tmp_path / "a"):
        raise OSError(28, "No space left on device")
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a").read_text() == "old"


def test_a_folder_is_there_whole(tmp_path):
    with atomic_folder(tmp_path / "a/b") as folder:
        (folder / "train").mkdir()
        (folder / "train/x").write_bytes(b"one")
        assert not (tmp_path / "a/b").exists()
    assert tree(tmp_path).keys() == {"a/b/train/x"}
    assert names(tmp_path / "a") == ["b"]


@pytest.mark.parametrize("name", ["new", "old", "link", "../{}/new"])
def test_new_and_empty_folders_are_written_to_however_they_are_named(tmp_path, name):
    (tmp_path / "old").mkdir()
    (tmp_path / "link").symlink_to("old")
    path = tmp_path / name.format(tmp_path.name)
    with atomic_folder(path) as folder:
        (folder / "x").touch()
    assert names(path) == ["x"]
    assert set(names(tmp_path)) <= {"new", "old", "link"}


@pytest.mark.parametrize(
    ("made", "says"), [("a/x", "a exists and is not empty: choose another"), ("a", "a is a file")]
)
def test_what_is_there_is_not_touched(tmp_path, made, says):
    (tmp_path / made).parent.mkdir(exist_ok=True)
    (tmp_path / made).write_text("old")
    before = tree(tmp_path)
    with pytest.raises(UserError, match=says), atomic_folder(tmp_path / "a"):
        pytest.fail("nothing is to be written")
    assert tree(tmp_path) == before
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize(
    ("error", "raised", "says"),
    [
        (OSError(28, "No space left on device"), UserError, "cannot write .*/a: No space.*again"),
        # Not what is said of the lock.
        (BlockingIOError(11, "Try again"), UserError, "cannot write .*/a: Try again"),
        (UserError("no row"), UserError, "no row"),
        (KeyboardInterrupt(), KeyboardInterrupt, None),
    ],
)
def test_a_folder_that_fails_leaves_nothing(tmp_path, error, raised, says):
    def write():
        with atomic_folder(tmp_path / "a") as folder:
            (folder / "x").touch()
            raise error

    with pytest.raises(raised, match=says):
        write()
    assert names(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot write to .*/file/a, .*/file is a file"):
        atomic_folder(tmp_path / "file/a").__enter__()


def test_one_process_writes_a_folder(tmp_path):
    with atomic_folder(tmp_path / "a") as folder:
        (folder / "x").touch()
        with pytest.raises(UserError, match=r"another job is writing to .*/a: wait for it"):
            atomic_folder(tmp_path / "a").__enter__()
    assert tree(tmp_path).keys() == {"a/x"}


KILLED = """
import os, signal, sys
from pathlib import Path
from pipeline.atomic import atomic_folder

with atomic_folder(Path(sys.argv[1])) as folder:
    (folder / "train").mkdir()
    (folder / "train/half").touch()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_is_removed(tmp_path):
    done = subprocess.run([sys.executable, "-c", KILLED, tmp_path / "a"], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "a").exists()
    assert names(tmp_path) == [".a.tmp"]
    with atomic_folder(tmp_path / "a") as folder:
        (folder / "x").touch()
    assert tree(tmp_path).keys() == {"a/x"}
    assert names(tmp_path) == ["a"]
