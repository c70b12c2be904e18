"""Runs `duologue prepare` where files fail on schedule, and tells what became of every document."""

import contextlib
import ctypes.util
import dataclasses
import json
import os
import select
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from backports import zstd

from tests.faults.fault import CHANGES, HOLD, Fault
from tests.running import (
    Ran,
    duologue,
    exchange,
    jsonl,
    rejected_of,
    rows_of,
    tiny_tokenizer,
    tree,
)

UNMOUNT_SECONDS = 60
"""In which the processes of a command that was killed are gone."""

HELD_SECONDS = 60
"""In which a command comes to the step at which it is held."""


def can_mount() -> bool:
    """Whether this machine lets us make file systems of our own."""
    has_library = ctypes.util.find_library("fuse3") or ctypes.util.find_library("fuse")
    return bool(os.access("/dev/fuse", os.W_OK) and shutil.which("fusermount3") and has_library)


def make_home(home: Path) -> None:
    """A folder with `corpus`, of five chunks that take every path of the protocol, and `tok.json`.

    One chunk is a bundle and has what is rejected, two are parts of a file, one comes in pieces.
    """
    notes = home / "corpus/notes"
    notes.mkdir(parents=True)
    for i in range(4):
        (notes / f"{i}.txt").write_text(exchange(i))
    (notes / "damaged.txt").write_bytes(exchange(9).encode() + b"\xff")
    (home / "corpus/talk.jsonl").write_bytes(jsonl([exchange(400 + i) for i in range(20)]))
    pieces = jsonl([exchange(700 + i) for i in range(12)])
    (home / "corpus/pieces.jsonl.zst").write_bytes(zstd.compress(pieces))
    table = pa.table({"text": [exchange(1000 + i) for i in range(8)]})
    pq.write_table(table, home / "corpus/rows.parquet")
    (home / "tok.json").write_text(tiny_tokenizer())


EDITED = "corpus/notes/3.txt"


def edit(home: Path) -> None:
    """Give an input other bytes, of the same size and as many tokens: only a hash tells."""
    path = home / EDITED
    path.write_text(path.read_text().replace(">>> 7", ">>> 8"))


def damage(home: Path) -> None:
    """Flip a bit of a finished output's shard."""
    path = min(home.glob("out/documents/train/*"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def prepare_argv(home: Path, out: Path, *more: object) -> list[object]:
    """What prepares a home's corpus."""
    given = ["prepare", home / "corpus", "--out", out, "--tokenizer", home / "tok.json"]
    return [*given, "--holdout", "0.2", "--chunk-bytes", 4096, *more]


def prepare(home: Path, *more: object) -> Ran:
    """Prepare a home's corpus in it."""
    return duologue(*prepare_argv(home, home / "out", *more))


@contextlib.contextmanager
def failing(root: Path, faults: Sequence[Fault]) -> Iterator[Path]:
    """A mount of `root` that fails as planned.

    Once it is gone, so are all processes that had files in it open, and `root` holds what is left:
    all that its output's manifest and records name, if it was there before.
    """
    with _served(root, faults) as (mounted, _):
        yield mounted


@dataclasses.dataclass(frozen=True)
class Hold:
    """A step that is held, of what serves a mount."""

    _server: subprocess.Popen[bytes]

    def wait(self) -> None:
        """Until it has come."""
        assert select.select([self._server.stdout], [], [], HELD_SECONDS)[0]
        assert self._server.stdout.readline() == b"held\n"

    def end(self) -> None:
        """Let it go on."""
        self._server.stdin.close()


@contextlib.contextmanager
def holding(root: Path, step: Fault) -> Iterator[tuple[Path, Hold]]:
    """A mount of `root` in which a reading is held."""
    with _served(root, [dataclasses.replace(step, what=HOLD)]) as (mounted, server):
        yield mounted, Hold(server)


@contextlib.contextmanager
def _served(root: Path, faults: Sequence[Fault]) -> Iterator[tuple[Path, subprocess.Popen[bytes]]]:
    torn_before = torn(root / "out")
    beside = root.with_name(f"{root.name}-mounted")
    beside.mkdir(exist_ok=True)
    plan = root.with_name(f"{root.name}.plan")
    plan.write_text(json.dumps([dataclasses.asdict(fault) for fault in faults]))
    argv = ["-m", "tests.faults.filesystem", root, beside, plan, log_of(root)]
    with subprocess.Popen(
        [sys.executable, *argv], bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as server:
        assert server.stdout.readline() == b"mounted\n"
        try:
            yield beside, server
        finally:
            server.stdin.close()
            # It serves until the last of the processes that have files open is gone.
            subprocess.run(["fusermount3", "-u", "-z", beside], check=True)
            server.wait(UNMOUNT_SECONDS)
    newly = torn(root / "out") - torn_before
    assert not newly, newly


def n_changes(root: Path) -> int:
    """How often files were changed below the last mount of `root`."""
    lines = log_of(root).read_text().splitlines()
    return sum(line.split()[0] in CHANGES for line in lines)


def log_of(root: Path) -> Path:
    """Where the steps of the last mount of `root` are."""
    return root.with_name(f"{root.name}.log")


def met(root: Path) -> list[str]:
    """The faults that the last mount of `root` met, as "what at op path"."""
    lines = log_of(root).read_text().splitlines()
    return [line.removeprefix("# ") for line in lines if line.startswith("# ")]


def prepare_failing(home: Path, faults: Sequence[Fault], *more: object) -> Ran:
    """Prepare in a home that fails as planned."""
    with failing(home, faults) as mounted:
        return prepare(mounted, *more)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """What an output holds, beside what it should.

    Attributes:
      lost: documents that it lacks.
      doubled: documents that it has more than once.
      is_same: whether it is the same byte for byte.
    """

    lost: int
    doubled: int
    is_same: bool


WHOLE = Outcome(lost=0, doubled=0, is_same=True)


def torn(out: Path) -> set[str]:
    """Files of an output that are not as its manifest or a record says, where that is there."""
    named = set()
    for path in [*out.glob("manifest.json"), *out.glob("_chunks/*.json")]:
        names = json.loads(path.read_bytes())
        of_chunks = (*names["shards"], *names.get("rejected_files", names["rejected"]))
        named |= {(each["path"], each["sha256"]) for each in of_chunks}
        if path.name == "manifest.json":
            named.add(("tokenizer.json", names["tokenizer_sha256"]))
            # The card's hash stands nowhere; but a card that says so is not a finished output's.
            named |= {("README.md", "")} if _is_refused(out / "README.md") else set()
    found = tree(out)
    return {path for path, sha256 in named if found.get(path) != sha256}


def _is_refused(card: Path) -> bool:
    return not card.exists() or "NOT FINISHED" in card.read_text()


def outcome(out: Path, expected: Path) -> Outcome:
    """Compare an output with that of an undisturbed run."""
    found, wanted = _documents(out), _documents(expected)
    return Outcome(
        lost=(wanted - found).total(),
        doubled=(found - wanted).total(),
        is_same=tree(out) == tree(expected),
    )


def _documents(out: Path) -> Counter[str]:
    """How often each document is there, as rows or rejected."""
    return Counter([*(row["id"] for row in rows_of(out, "documents")), *rejected_of(out)])
