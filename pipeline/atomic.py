"""Files and folders that are there whole or not at all: temporary names, synced, then renamed.

An object store has neither folders nor names to change: an object is put there whole.
"""

import contextlib
import fcntl
import hashlib
import io
import json
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from stat import S_ISREG
from typing import Any, BinaryIO

from pipeline.remote import Place, RemotePath, delete
from schemas.errors import UserError

_URL = re.compile(r"[a-z][a-z0-9+.-]+:/", re.IGNORECASE)

TEMPORARY_SUFFIX = ".tmp"


class HashingFile:
    """A binary file for writing that counts and hashes what goes through it (sha256)."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._state = hashlib.sha256()
        self.n_bytes = 0
        self.closed = False

    def write(self, data: bytes | memoryview) -> int:
        """Write all of it."""
        view = memoryview(data)
        self._state.update(view)
        self.n_bytes += view.nbytes
        self._file.write(view)
        return view.nbytes

    def flush(self) -> None:
        """Pass on to the file below."""
        self._file.flush()

    @property
    def sha256(self) -> str:
        """Hex digest of all that was written."""
        return self._state.hexdigest()


def atomic_file(path: Place) -> AbstractContextManager[HashingFile]:
    """Write a file that is there whole or not at all: temporary name, sync, rename, sync folder.

    Raises:
      UserError: if it can't be written (disk full, no permission); the temporary file is removed.
    """
    return _put(path) if isinstance(path, RemotePath) else _renamed(path)


@contextlib.contextmanager
def _put(path: RemotePath) -> Iterator[HashingFile]:
    data = io.BytesIO()
    yield HashingFile(data)
    path.write_bytes(data.getbuffer())


@contextlib.contextmanager
def _renamed(path: Path) -> Iterator[HashingFile]:
    # Two processes may write the same chunk after a retry: each has a temporary file of its own.
    unique = f"{os.getpid()}-{threading.get_ident()}"
    temporary = path.with_name(f".{path.name}.{unique}{TEMPORARY_SUFFIX}")
    try:
        make_folder(path.parent)
        with temporary.open("wb") as file:
            hashing = HashingFile(file)
            yield hashing
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        msg = (
            f"cannot write {path}: {error.strerror or error}; make room or give write permission, "
            "then run the same command again: what is committed is kept"
        )
        raise UserError(msg) from error


def has_sha256(path: Place, expected: str) -> bool:
    """Whether a file is there and has this hash."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == expected


def make_folder(path: Place) -> None:
    """Make a folder and those above it that are missing, each on disk before this returns.

    An object store has none.

    A file that is synced is still lost with the power where the name of a folder above it was not.

    Raises:
      OSError: if it can't be made, or a file is in its place.
    """
    if isinstance(path, RemotePath) or path.is_dir():
        return
    make_folder(path.parent)
    path.mkdir(exist_ok=True)
    _sync(path.parent)


def remove(paths: Iterable[Place]) -> None:
    """Remove files, those that are there; none is back after a power cut.

    What has taken a file's place, a link or a folder, goes too.

    Raises:
      OSError: if one can't be removed.
      UserError: if an object can't be.
    """
    folders, objects = set(), []
    for path in paths:
        if isinstance(path, RemotePath):
            objects.append(path)
        elif path.exists() or path.is_symlink():
            _clear(path)
            folders.add(path.parent)
    for folder in sorted(folders):
        _sync(folder)
    delete(objects)


def is_folder(path: Place) -> bool:
    """Whether a folder has a file's place; in an object store both may have one name."""
    return isinstance(path, Path) and path.is_dir()


def temporary_files(out: Place, folders: Iterable[str]) -> Iterator[Path]:
    """What writers that were killed left in an output; objects that were not written are not there.

    A folder of such a name is what a packed copy is being written into.

    Args:
      out: is looked through itself, not what is below it but for names that begin with "_".
      folders: of it that are looked through too.
    """
    if isinstance(out, Path):
        for folder in ("", "_*/**/", *(f"{each}/" for each in folders)):
            pattern = f"{folder}.*{TEMPORARY_SUFFIX}"
            yield from (path for path in out.glob(pattern) if not path.is_dir())


def names_in(folder: Place) -> Iterator[str]:
    """What is in a folder, in any order; nothing if it is not there. There may be millions."""
    if not isinstance(folder, Path):
        yield from (path.name for path in folder.glob("*"))
    elif folder.is_dir():
        with os.scandir(folder) as found:
            yield from (each.name for each in found)


def sizes_in(out: Place) -> Callable[[str], int | None]:
    """Says how many bytes a file of a folder has, by its relative path; None where there is none.

    An object store is asked once for all of them.
    """
    if isinstance(out, RemotePath):
        return out.sizes().get

    def size(name: str) -> int | None:
        try:
            found = os.stat(f"{out}/{name}")  # noqa: PTH116 millions: a path object takes longer
        except OSError:
            return None
        return found.st_size if S_ISREG(found.st_mode) else None

    return size


def _sync(path: Path) -> None:
    """Wait until a file or folder is on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        # The system does not say which file it was.
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        os.close(handle)


@contextlib.contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Write a folder that is there whole or not at all; yields the one to write into.

    That is a hidden sibling, `.NAME.tmp`, locked as long as it is written to. In the end all its
    files are synced and it is renamed. What a killed process left in it is removed first, and after
    an error nothing is left.

    Raises:
      UserError: if path is there and is not an empty folder, if another process writes to it, or if
        it can't be written (disk full, no permission).
    """
    target = path.resolve()
    check_vacant(path)
    temporary = target.with_name(f".{target.name}{TEMPORARY_SUFFIX}")
    try:
        with _locked_folder(temporary, path):
            # Another process may have been done with it meanwhile.
            check_vacant(path)
            try:
                for left_over in temporary.iterdir():
                    _clear(left_over)
                yield temporary
                _sync_all(temporary)
                temporary.rename(target)
                _sync(target.parent)
            except BaseException:
                shutil.rmtree(temporary, ignore_errors=True)
                raise
    except OSError as error:
        msg = (
            f"cannot write {path}: {error.strerror or error}; make room or give write permission, "
            "then run the same command again"
        )
        raise UserError(msg) from error


def check_place(path: Path) -> None:
    """Refuse a place where no folder can be.

    Raises:
      UserError: if path, or what it is to be in, is a file or a link that leads nowhere, or path
        is a URL.
    """
    if url := typed_url(path):
        msg = f"{url} is a URL: only prepare writes to those; choose a folder for --out"
        raise UserError(msg)
    place = next(each for each in (path, *path.absolute().parents) if os.path.lexists(each))
    if place.is_dir():
        return
    what = "a file" if place.exists() else "a link that leads nowhere"
    if place == path:
        msg = f"{path} is {what}: choose a folder for --out"
    else:
        msg = f"cannot write to {path}, {place} is {what}: choose another --out"
    raise UserError(msg)


def typed_url(path: Path) -> str | None:
    """The URL that was typed where only a folder can be: as a path it lost one of its slashes."""
    return str(path).replace(":/", "://", 1) if _URL.match(str(path)) else None


def check_vacant(path: Path) -> None:
    """Refuse a place where something is already.

    Raises:
      UserError: if path is there and is not an empty folder, or can't be one.
    """
    check_place(path)
    if path.is_dir() and any(path.iterdir()):
        msg = f"{path} exists and is not empty: choose another --out"
        raise UserError(msg)
    if path.resolve() == Path.cwd():
        # It is made anew beside this one, in which the shell would then stand.
        msg = f"{path} is the folder you are in: name one inside it for --out"
        raise UserError(msg)


@contextlib.contextmanager
def _locked_folder(folder: Path, path: Path) -> Iterator[None]:
    """Hold a folder, which is made if need be; the system frees it when the process is gone."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            msg = f"another job is writing to {path}: wait for it or choose another --out"
            raise UserError(msg) from error
        yield
    finally:
        os.close(handle)


def _clear(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _sync_all(folder: Path) -> None:
    """Sync all files and folders of a folder, and it."""
    for path in (*folder.rglob("*"), folder):
        _sync(path)


def json_bytes(value: Any) -> bytes:  # noqa: ANN401 JSON holds anything
    """JSON with sorted keys, indented: the same bytes for the same value."""
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()


def write_json(path: Place, value: Any) -> None:  # noqa: ANN401 JSON holds anything
    """Write `json_bytes` atomically."""
    with atomic_file(path) as file:
        file.write(json_bytes(value))
