"""A file system that fails on schedule: `python -m tests.faults.filesystem ROOT MOUNT PLAN LOG`.

What is below MOUNT is what is below ROOT, until a step comes that the plan names. PLAN is a JSON
list of faults; LOG gets a line for every step that changes something, and for every fault met.
Once the power was cut, nothing below MOUNT works any more. "mounted" is said on stdout, and "held"
where a step is held, until stdin ends.
"""

import dataclasses
import errno
import json
import os
import shutil
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import mfusepy
import psutil

from tests.faults.fault import (
    CHANGES,
    CRASHES,
    CUT_POWER,
    HOLD,
    KILL_WRITER,
    SHORT,
    Fault,
)


@dataclasses.dataclass
class Node:
    """A file or folder as it is, and as it would be after a power cut.

    POSIX promises no more than this: a file's bytes last once it was synced, its name once the
    folder was.
    """

    entries: "dict[str, Node] | None"
    durable_entries: "dict[str, Node]" = dataclasses.field(default_factory=dict)
    durable_bytes: bytes = b""
    durable_time_ns: int = 0

    @classmethod
    def of(cls, path: Path) -> "Node":
        """What is there at mounting, all of it durable."""
        if not path.is_dir():
            node = cls(entries=None)
            node.sync(path)
            return node
        entries = {each.name: cls.of(each) for each in path.iterdir()}
        return cls(entries=entries, durable_entries=dict(entries))

    def sync(self, path: Path) -> None:
        """Make what a file holds durable."""
        self.durable_bytes = path.read_bytes()
        self.durable_time_ns = path.stat().st_mtime_ns

    def restore(self, path: Path) -> None:
        """Write what is durable."""
        if self.entries is None:
            path.write_bytes(self.durable_bytes)
            os.utime(path, ns=(self.durable_time_ns, self.durable_time_ns))
            return
        path.mkdir()
        for name, node in self.durable_entries.items():
            node.restore(path / name)


class FailingFilesystem(mfusepy.Operations):
    """Passes everything on to ROOT, but for the faults."""

    use_ns = True

    def __init__(self, root: Path, faults: list[Fault], log: Path) -> None:
        self._root = root
        self._faults = faults
        self._met = [0] * len(faults)
        self._log = log.open("w", buffering=1)
        self._top = Node.of(root)
        self._is_dead = False

    def _fault(self, op: str, path: str) -> str | None:
        """Log a step; returns what is planned for it."""
        if self._is_dead:
            raise mfusepy.FuseOSError(errno.EIO)
        relative = path.lstrip("/")
        if op in CHANGES:
            self._log.write(f"{op} {relative}\n")
        found = None
        for number, fault in enumerate(self._faults):
            is_meant = op in CHANGES if fault.op is None else op == fault.op
            if is_meant and fnmatchcase(relative, fault.path):
                self._met[number] += 1
                if fault.nth <= self._met[number] < fault.nth + fault.times:
                    self._log.write(f"# {fault.what} at {op} {relative}\n")
                    found = fault.what
        return found

    def _step(self, op: str, path: str) -> None:
        """Do what is planned before a step that is done whole or not at all."""
        if what := self._fault(op, path):
            self._fail(what)

    def _fail(self, what: str) -> None:
        if what not in CRASHES:
            raise mfusepy.FuseOSError(getattr(errno, what))
        writer = psutil.Process(_process_of(mfusepy.fuse_get_context()[2]))
        if what == KILL_WRITER:
            writer.kill()
            raise mfusepy.FuseOSError(errno.EIO)
        above = (*reversed(writer.parents()), writer)
        commands = [each for each in above if "jobs.cli" in each.cmdline()][:1]
        below = [child for each in commands for child in each.children(recursive=True)]
        self._is_dead = what == CUT_POWER
        for each in (*commands, *below * self._is_dead):
            each.kill()
        if self._is_dead or writer in commands:
            raise mfusepy.FuseOSError(errno.EIO)

    def init(self, path: str) -> None:  # noqa: ARG002 FUSE's signature
        """Tell who started us that files are there now."""
        print("mounted", flush=True)

    def destroy(self, path: str) -> None:  # noqa: ARG002
        """At unmounting: after a power cut only what is durable is left."""
        if self._is_dead:
            shutil.rmtree(self._root)
            self._top.restore(self._root)

    def _path(self, path: str) -> Path:
        return self._root / path.lstrip("/")

    def _node(self, path: str) -> Node:
        node = self._top
        for name in Path(path).parts[1:]:
            node = node.entries[name]
        return node

    def _entries(self, path: str) -> dict[str, Node]:
        """Of the folder that a path is in."""
        return self._node(str(Path(path).parent)).entries

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        stat = self._path(path).lstat() if fh is None else os.fstat(fh)
        same = ("st_mode", "st_nlink", "st_size", "st_uid", "st_gid")
        times = ("st_atime", "st_mtime", "st_ctime")
        return {name: getattr(stat, name) for name in same} | {
            name: getattr(stat, f"{name}_ns") for name in times
        }

    def readdir(self, path: str, fh: int) -> Iterator[str]:  # noqa: ARG002
        return iter([".", "..", *(each.name for each in self._path(path).iterdir())])

    def open(self, path: str, flags: int) -> int:
        self._step("open", path)
        # Writable or not, it is read back when it is synced; appending has its offsets already.
        return os.open(self._path(path), flags & ~(os.O_WRONLY | os.O_APPEND) | os.O_RDWR)

    def create(self, path: str, mode: int, fi: object = None) -> int:  # noqa: ARG002
        self._step("create", path)
        handle = os.open(self._path(path), os.O_RDWR | os.O_CREAT | os.O_TRUNC, mode)
        self._entries(path)[Path(path).name] = Node(entries=None)
        return handle

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        what = self._fault("read", path)
        if what == HOLD:
            print("held", flush=True)
            sys.stdin.read()
        elif what not in (None, SHORT):
            self._fail(what)
        return os.pread(fh, max(1, size // 2) if what == SHORT else size, offset)

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        what = self._fault("write", path)
        if what is None:
            return os.pwrite(fh, data, offset)
        if what == SHORT or what in CRASHES:
            done = os.pwrite(fh, data[: max(1, len(data) // 2)], offset)
            if what == SHORT:
                return done
        self._fail(what)
        return os.pwrite(fh, data, offset)  # Only the command was killed.

    def truncate(self, path: str, length: int, fh: int | None = None) -> None:  # noqa: ARG002
        self._step("truncate", path)
        os.truncate(self._path(path), length)

    def fsync(self, path: str, datasync: int, fh: int) -> None:  # noqa: ARG002
        self._step("fsync", path)
        self._node(path).sync(self._path(path))

    def fsyncdir(self, path: str, datasync: int, fh: int) -> None:  # noqa: ARG002
        self._step("fsync", path)
        node = self._node(path)
        node.durable_entries = dict(node.entries)

    def release(self, path: str, fh: int) -> None:  # noqa: ARG002
        os.close(fh)

    def rename(self, old: str, new: str) -> None:
        self._step("rename", new)
        self._path(old).rename(self._path(new))
        self._entries(new)[Path(new).name] = self._entries(old).pop(Path(old).name)

    def unlink(self, path: str) -> None:
        self._step("unlink", path)
        self._path(path).unlink()
        del self._entries(path)[Path(path).name]

    def mkdir(self, path: str, mode: int) -> None:
        self._step("mkdir", path)
        self._path(path).mkdir(mode)
        self._entries(path)[Path(path).name] = Node(entries={})

    def rmdir(self, path: str) -> None:
        self._step("rmdir", path)
        self._path(path).rmdir()
        del self._entries(path)[Path(path).name]


def _process_of(thread: int) -> int:
    """FUSE names the thread that asks."""
    status = Path(f"/proc/{thread}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("Tgid:")))


def main() -> None:
    """Serve until it is unmounted."""
    root, mount, plan, log = sys.argv[1:]
    faults = [Fault(**each) for each in json.loads(Path(plan).read_bytes())]
    filesystem = FailingFilesystem(Path(root), faults, Path(log))
    # One step after the other, so that they can be counted, unless all would wait for one.
    nothreads = all(fault.what != HOLD for fault in faults)
    # No cache, so that short reads show.
    mfusepy.FUSE(
        filesystem,
        mount,
        foreground=True,
        nothreads=nothreads,
        direct_io=True,
        default_permissions=True,
    )


if __name__ == "__main__":
    main()
