"""`--update`: whatever changed, and wherever it was stopped, the output of a run from scratch.

Files of every reader are put, edited, moved and dropped, several times in a row, with time stamps
of any age; what they hold is a list of numbers, a record each.
"""

import gzip
import io
import os
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pipeline.making import put, steps, update
from tests.running import exchange, jsonl

GROUP_ROWS = 3
NAMES = (
    *("a.txt", "b.txt", "deep/a.txt", "c.txt.zst"),
    # A folder where a file may be.
    *("b.txt/a.txt", "talk.jsonl/a.txt"),
    *("talk.jsonl", "deep/talk.jsonl", "old.jsonl.gz", "rows.parquet", "deep/rows.parquet"),
)
FIRST = {
    "a.txt": [1],
    "b.txt": [2, 3],
    "talk.jsonl": [*range(10, 17)],
    "old.jsonl.gz": [*range(30, 36)],
    "rows.parquet": [*range(50, 57)],
}
TIMES = (-1e9, 0.0, 1.0, 1.7e9, 4e9, 1e10)
"""Time stamps before the epoch, of now and of far ahead: a clock may have been wrong."""


def text_of(number):
    """A record; a negative number's has the size of the positive one's, and other bytes."""
    return exchange(number) if number >= 0 else exchange(-number).swapcase()


def data_of(name, numbers):
    """The bytes of a file that holds some records."""
    texts = [text_of(number) for number in numbers]
    if name.endswith(".parquet"):
        sink = io.BytesIO()
        table = pa.table({"text": pa.array(texts, pa.string())})
        pq.write_table(table, sink, row_group_size=GROUP_ROWS)
        return sink.getvalue()
    data = jsonl(texts) if ".jsonl" in Path(name).name else "".join(texts).encode()
    if name.endswith(".gz"):
        return gzip.compress(data, mtime=0)
    return zstd.compress(data) if name.endswith(".zst") else data


class Inputs:
    """A folder of files, edited by name."""

    def __init__(self, folder):
        self.folder = put(folder, {name: data_of(name, of) for name, of in FIRST.items()})
        self.held = dict(FIRST)
        self.n_edits = 0

    def edit(self, what, name, number, time):
        """Do one thing to a file, if it is there; its time stamp is another afterwards."""
        held = self.held.get(name)
        if what == "put":
            self._write(name, [number, number + 1, number + 2], time)
        elif held is None:
            return
        elif what == "drop" and len(self.held) > 1:
            self._remove(name)
        elif what == "move":
            self._remove(name)
            self._write(NAMES[number % len(NAMES)], held, time)
        else:
            at = number % (len(held) or 1)
            edited = {
                "append": [*held, number],
                "insert": [*held[:at], number, *held[at:]],
                "cut": held[:at],
                "swap": [*held[:at], *(-each for each in held[at : at + 1]), *held[at + 1 :]],
                "turn": [*held[at:], *held[:at]],
            }.get(what, held)
            self._write(name, edited, time)

    def _remove(self, name):
        (self.folder / name).unlink()
        del self.held[name]

    def _write(self, name, numbers, time):
        path = self.folder / name
        for other in list(self.held):
            if other.startswith(f"{name}/") or name.startswith(f"{other}/"):
                self._remove(other)
        if path.is_dir():
            path.rmdir()
        put(self.folder, {name: data_of(name, numbers)})
        # Never a time stamp that it had: an edit of the same size could not be told.
        self.n_edits += 1
        os.utime(path, (time, time + self.n_edits))
        self.held[name] = numbers


def shards_of(out):
    """(inode, time stamp) of every shard and rejected file."""
    paths = [*out.glob("*/*/*.arrow"), *out.glob("rejected/*")]
    stats = ((path, path.stat()) for path in paths)
    return {
        path.relative_to(out).as_posix(): (stat.st_ino, stat.st_mtime_ns) for path, stat in stats
    }


def record_of(path):
    """The record that a shard or rejected file is in, by name."""
    return f"_chunks/{Path(path).name.partition('-')[0]}.json"


EDITS = st.lists(
    st.tuples(
        st.sampled_from(
            ("put", "drop", "move", "append", "insert", "cut", "swap", "turn", "touch")
        ),
        st.sampled_from(NAMES),
        st.integers(1, 60),
        st.sampled_from(TIMES),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=15)
@given(st.lists(st.tuples(EDITS, st.integers(0, 40)), min_size=1, max_size=3))
def test_an_update_gives_what_a_run_from_scratch_does(tmp_path_factory, rounds):
    root = tmp_path_factory.mktemp("update")
    inputs, out = Inputs(root / "in"), root / "out"
    before = update(out, inputs.folder)
    for number, (edits, stopped_after) in enumerate(rounds):
        for edit in edits:
            inputs.edit(*edit)
        untouched = shards_of(out)
        # A kill, somewhere; or none.
        for _ in islice(steps(out, inputs.folder), stopped_after):
            continue
        after = update(out, inputs.folder)
        assert after == update(root / f"fresh {number}", inputs.folder)
        # Nothing is written again that is of the same inputs.
        same = {name for name, sha256 in before.items() if after.get(name) == sha256}
        kept = {name for name in untouched if record_of(name) in same}
        now = shards_of(out)
        assert {name: now[name] for name in kept} == {name: untouched[name] for name in kept}
        before = after
