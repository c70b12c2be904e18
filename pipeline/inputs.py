"""What the user named, as a sorted list of files."""

import dataclasses
import functools
import os
from collections.abc import Callable, Hashable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path, PurePosixPath
from stat import S_ISFIFO, S_ISREG, S_ISSOCK
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pipeline.remote import Place, failures_named, filesystems
from pipeline.tape import Tape
from schemas.errors import UserError
from schemas.words import counted

if TYPE_CHECKING:
    from apache_beam.io.filesystem import FileMetadata

_MAGIC = frozenset("*?[")

# What prepare (also without its _run), pack, train and compare leave.
_MARKS = (
    ("_run/config.json",),
    ("manifest.json", "_chunks"),
    ("packing.json", "tokenizer.json"),
    ("train.json", "metrics.jsonl"),
    ("design.json", "_run/lock"),
)


class InputFile(NamedTuple):
    """One file of the corpus.

    Attributes:
      path: how to open it: an absolute path or a URL.
      relative: its name in the output: relative to the input given, valid UTF-8.
      size_bytes: as listed.
      modified: seconds since the epoch, as listed; to notice a change, never in the output.
      is_readable: False for a link that leads nowhere or a file without permission; its size and
        time are then 0, so that its mend is a change.
    """

    path: str
    relative: str
    size_bytes: int
    modified: float
    is_readable: bool = True


def list_inputs(
    inputs: Iterable[str],
    *,
    exclude: Place | None = None,
    say: Callable[[str], None] = lambda _: None,
    is_read: Callable[[str], bool] = lambda _: True,
) -> Tape[InputFile]:
    """All files of the inputs (files, folders, globs, URLs), sorted by relative path.

    With several inputs each relative path begins with its input's name. What duologue wrote below
    a folder is no input. Links are followed, also out of a folder.

    Args:
      inputs: as typed.
      exclude: a folder to leave out (the output, when it lies inside an input).
      say: called with lines for the person: on what is left out, and what is read twice.
      is_read: whether a file of that path is read; of others none is said to be read twice.

    Raises:
      UserError: no such input, or two inputs of one name.
    """
    inputs = list(inputs)
    names: dict[str, str] = {}
    if "" in inputs:
        msg = "an input is empty: give a file, a folder, a glob in quotes, or a URL"
        raise UserError(msg)
    files: Tape[InputFile] = Tape()
    walk = _Walk(exclude=exclude, say=say, is_read=is_read)
    for given in inputs:
        name = _name(given)
        if name in names:
            msg = (
                f"two inputs are called {name!r} ({names[name]} and {given}): their documents "
                "would get the same sources; rename one, or give the folder that holds both"
            )
            raise UserError(msg)
        names[name] = given
        for file in _list_one(given, name, f"{name}/" if len(inputs) > 1 else "", walk):
            files.append(file)
    files = _sorted(files)
    _refuse_doubles(files)
    walk.say_found()
    return files


def _sorted(files: Tape[InputFile]) -> Tape[InputFile]:
    """By relative path, which a folder's files are already."""
    if all(one.relative <= two.relative for one, two in pairwise(files)):
        return files
    return Tape(sorted(files, key=lambda file: file.relative))


def _list_one(given: str, name: str, prefix: str, walk: "_Walk") -> Iterator[InputFile]:
    found = _list_url(given, walk.exclude) if "://" in given else _list_local(given, walk)
    # A file that is an input itself is already called by its name.
    is_file = given.rstrip("/").endswith(name) and not Path(given).is_dir()
    for file in found:
        is_named = not prefix or (is_file and file.relative == name)
        yield file if is_named else file._replace(relative=prefix + file.relative)


def _refuse_doubles(files: Tape[InputFile]) -> None:
    for one, two in pairwise(files):
        # A name that is no UTF-8 is spelled, as another may be called.
        if one.relative == two.relative:
            msg = (
                f"{one.path!r} and {two.path!r} would both be {one.relative!r}: "
                "their documents would get the same sources; rename one"
            )
            raise UserError(msg)
    suspects = _shared(file.path for file in files)
    first: dict[str, str] = {}
    for file in files if suspects else ():
        if file.path in first:
            msg = (
                f"{file.path} is in two inputs, as {first[file.path]} and as {file.relative}: "
                "its documents would be there twice; name each once"
            )
            raise UserError(msg)
        if hash(file.path) in suspects:
            first[file.path] = file.relative


def _shared(keys: Iterable[Hashable]) -> set[int]:
    """Hashes that stand for more than one of the keys; eight bytes a key.

    Whose hash is not among them is there once; the others are to be looked at.
    """
    hashes = np.sort(np.fromiter(map(hash, keys), np.int64))
    return set(hashes[1:][hashes[1:] == hashes[:-1]].tolist())


def _name(given: str) -> str:
    return printable(given.rstrip("/").rsplit("/", 1)[-1] or given)


def printable(path: str) -> str:
    """A name as text: names need not be UTF-8, Arrow strings and JSON must be."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


@dataclasses.dataclass(kw_only=True, slots=True)
class _Walk:
    """What is not walked into, and what is found on the way that a person may not expect."""

    exclude: Place | None
    say: Callable[[str], None]
    is_read: Callable[[str], bool]
    special: list[str] = dataclasses.field(default_factory=list)
    # (path, device and number) of what is read.
    inodes: Tape[tuple[str, tuple[int, int]]] = dataclasses.field(default_factory=Tape)

    def leaves_out(self, folder: Path) -> bool:
        if isinstance(self.exclude, Path) and _is_same(folder, self.exclude.resolve()):
            return True
        may_look = os.access(folder, os.X_OK)  # Else listing it says what is wrong.
        is_ours = may_look and any(
            all((folder / name).exists() for name in names) for names in _MARKS
        )
        if is_ours:
            self.say(f"left out: {folder}, which duologue wrote")
        return is_ours

    def note(self, path: str, stat: os.stat_result) -> None:
        """Take in a file that is there."""
        # Some file systems do not number their files.
        if stat.st_ino and self.is_read(path):
            self.inodes.append((path, (stat.st_dev, stat.st_ino)))

    def twice(self) -> list[tuple[str, str]]:
        """(path, an earlier path of the same file) for all that will be read again."""
        suspects = _shared(inode for _, inode in self.inodes)
        first: dict[tuple[int, int], str] = {}
        again = []
        for path, inode in self.inodes if suspects else ():
            if inode in first:
                again.append((path, first[inode]))
            elif hash(inode) in suspects:
                first[inode] = path
        return again

    def say_found(self) -> None:
        """Say what was found, a line for each kind."""
        if self.special:
            n_files = counted(len(self.special), "special file")
            self.say(f"left out: {n_files} (pipe, socket or device), such as {self.special[0]}")
        if twice := self.twice():
            n_files = counted(len(twice), "file")
            link, file = twice[0]
            self.say(
                f"read twice: {n_files}, by links to what is read anyway, such as {link} and {file}"
            )


def check_file(given: str) -> None:
    """Refuse what is there but is no file to read.

    Raises:
      UserError: if it is a pipe, a socket or a device, or a file that is named as a folder.
    """
    mode = Path(given).stat().st_mode
    if not S_ISREG(mode):
        kind = "a pipe" if S_ISFIFO(mode) else "a socket" if S_ISSOCK(mode) else "a device"
        msg = f"{given} is {kind}, and is not read: write what it gives to a file, and name that"
        raise UserError(msg)
    if given.endswith("/"):
        msg = f"{given} is a file, not a folder: leave out the last /"
        raise UserError(msg)


def _list_local(given: str, walk: _Walk) -> Iterator[InputFile]:
    path = Path(given).absolute()
    if path.is_dir():
        return _local_files(path, _walked(path, walk), walk)
    if path.exists():
        check_file(given)
        return _local_files(path.parent, [str(path)], walk)
    if _MAGIC & set(given):
        # The part without wildcards is what the rest is relative to.
        fixed = Path(*_take_plain(path.parts))
        # A set: ** matches folders and what is in them.
        found = sorted(set(_expand(fixed, path.relative_to(fixed), walk)))
        if found:
            return _local_files(fixed, found, walk)
    msg = f"no such input: {given}; give a file, a folder, a glob in quotes, or a URL"
    raise UserError(msg)


def _take_plain(parts: Iterable[str]) -> Iterator[str]:
    for part in parts:
        if _MAGIC & set(part):
            return
        yield part


def _expand(fixed: Path, pattern: Path, walk: _Walk) -> Iterator[str]:
    leaves_out = functools.cache(walk.leaves_out)
    for path in fixed.glob(str(pattern)):
        *above, _ = (fixed / parent for parent in path.relative_to(fixed).parents)
        is_hidden = any(part[0] == "." for part in path.relative_to(fixed).parts)
        is_folder = path.is_dir()
        if is_hidden or any(leaves_out(each) for each in (*above, *[path] * is_folder)):
            continue
        if is_folder:
            yield from _walked(path, walk)
        else:
            yield str(path)


def _walked(folder: Path, walk: _Walk, seen: set[Path] | None = None) -> Iterator[str]:
    """Files below a folder in the order of their paths; hidden ones and outputs left out."""
    seen = set() if seen is None else seen  # A link may lead back to a folder above it.
    seen.add(folder.resolve())
    _, folders, names = next(os.walk(folder, onerror=_refuse_unreadable, followlinks=True))
    below = [
        f"{name}/"
        for name in sorted(folders)
        if name[0] != "."
        and (folder / name).resolve() not in seen
        and not walk.leaves_out(folder / name)
    ]
    # With its slash a folder stands where the paths of its files do. The order also decides which
    # of two ways to a folder is gone.
    for name in sorted((*below, *(name for name in names if name[0] != ".")), key=printable):
        if name[-1] == "/":
            yield from _walked(folder / name, walk, seen)
        else:
            yield os.path.join(folder, name)  # noqa: PTH118 a path object a file takes longer


def _refuse_unreadable(error: OSError) -> None:
    msg = f"cannot list {error.filename}: {error.strerror}; mend or remove it"
    raise UserError(msg) from error


def _is_same(folder: Path, other: Path) -> bool:
    return folder.name == other.name and folder.resolve() == other


def _local_files(base: Path, paths: Iterable[str], walk: _Walk) -> Iterator[InputFile]:
    above = os.path.join(base, "")  # noqa: PTH118 ends in a slash, also that of /
    for path in paths:
        relative = printable(path.removeprefix(above))
        try:
            stat = os.stat(path)  # noqa: PTH116 likewise: half of the time that a listing takes
        except OSError:
            stat = None
        if stat is not None and not S_ISREG(stat.st_mode):
            walk.special.append(path)
            continue  # A pipe or a socket would be waited for, not read.
        if stat is None or not os.access(path, os.R_OK):
            yield InputFile(path, relative, size_bytes=0, modified=0.0, is_readable=False)
            continue
        walk.note(path, stat)
        yield InputFile(path, relative, size_bytes=stat.st_size, modified=stat.st_mtime)


def state_of(path: str) -> tuple[int, float] | None:
    """(size in bytes, time of the last change) of a file as it is now; None where there is none.

    Args:
      path: of an `InputFile`; its `size_bytes` and `modified` are what this gives while it stays.
    """
    if "://" in path:
        return _state_of_url(path)
    try:
        stat = Path(path).stat()
    except OSError:
        return None
    return (stat.st_size, stat.st_mtime) if S_ISREG(stat.st_mode) else None


def _list_url(given: str, exclude: Place | None) -> Iterator[InputFile]:
    pattern = given.rstrip("/")
    listed = _match(pattern) or _match(f"{pattern}/**")
    found = [file for file in listed if not file.path.startswith(f"{exclude}/")]
    if not found:
        msg = f"no such input: {given} (asked the filesystem of {given.split('://')[0]}://)"
        raise UserError(msg)
    plain = "/".join(_take_plain(pattern.split("/")))
    base = plain.rsplit("/", 1)[0] if [file.path for file in found] == [pattern] else plain
    for file in found:
        yield InputFile(
            path=file.path,
            relative=printable(str(PurePosixPath(file.path.removeprefix(base).lstrip("/")))),
            size_bytes=file.size_in_bytes,
            modified=_whole_seconds(file),
        )


def _whole_seconds(file: "FileMetadata") -> float:
    """When a file was changed: a listing may know it more exactly than a look at the file."""
    return float(int(file.last_updated_in_seconds))


def _state_of_url(url: str) -> tuple[int, float] | None:
    from apache_beam.io.filesystem import BeamIOError

    try:
        file = filesystems().get_filesystem(url).metadata(url)
    except BeamIOError:
        if filesystems().exists(url):
            raise  # It could not be asked.
        return None
    return file.size_in_bytes, _whole_seconds(file)


def _match(pattern: str) -> list["FileMetadata"]:
    with failures_named(pattern):
        return list(filesystems().match([pattern])[0].metadata_list)
