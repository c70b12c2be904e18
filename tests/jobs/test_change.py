"""Inputs that change, and a clock that jumps, while the command runs."""

import os

import pytest

from pipeline.output import read_config
from tests.pipeline.making import TOKENIZER, put, update
from tests.running import duologue, exchange, jsonl, tree

FILES = {
    **{f"{i}.txt": exchange(i) for i in range(6)},
    "talk.jsonl": jsonl([exchange(100 + i) for i in range(30)]),
}
COMMON = ("--workers", 1, "--chunk-bytes", 2_000, "--holdout", 0.2)

# In every process: a clock of another time. In that which reads: a file grows as it is opened.
SITE = """
import os, sys, time

real, offset = time.time, float(os.environ["CLOCK_OFFSET"])
time.time = lambda: real() + offset
grows = os.environ.get("GROWS")

def grow(event, args):
    global grows
    if event == "open" and grows and os.path.basename(str(args[0])) == grows:
        grows, path = None, args[0]
        with open(path, "ab") as file:
            file.write(b'{"text": "more"}\\n')

if "pipeline.driver" in sys.orig_argv:
    sys.addaudithook(grow)
"""


@pytest.fixture
def prepare(tmp_path, tokenizer_file):
    """A function that prepares FILES, with more options, under a clock, as a file grows."""
    put(tmp_path, {"site/sitecustomize.py": SITE})
    folder = put(tmp_path / "in", FILES)
    argv = ["prepare", folder, "--out", tmp_path / "out", "--tokenizer", tokenizer_file, *COMMON]

    def run(*more, offset, grows=""):
        above = [str(tmp_path / "site"), os.environ.get("PYTHONPATH", "")]
        changed = {"PYTHONPATH": os.pathsep.join(above), "GROWS": grows}
        return duologue(*argv, *more, env={**changed, "CLOCK_OFFSET": str(offset)})

    return run


def test_a_file_that_grows_as_it_is_read_ends_the_run_and_update_takes_it(prepare, tmp_path):
    out = tmp_path / "out"
    ran = prepare(offset=1e9, grows="talk.jsonl")
    assert ran.code == 1
    size = len(FILES["talk.jsonl"])
    assert ran.last_line == (
        f"duologue: talk.jsonl changed since the inputs were listed (of {size} bytes then, of "
        f"{size + 17} now): put it back, or run again with --update to take the inputs as they "
        "are; what is committed is kept"
    )
    assert not (out / "manifest.json").exists()
    committed = {path: path.stat().st_ino for path in (out / "_chunks").iterdir()}
    again = prepare(offset=0)
    assert again.code == 1
    assert "talk.jsonl (resized); run with --update" in again.last_line
    # The clock goes back, to long before what was written under it.
    updated = prepare("--update", offset=-1e9)
    assert updated.code == 0, updated.err
    assert all(path.stat().st_ino == inode for path, inode in committed.items())
    assert TOKENIZER.sha256 == read_config(out).tokenizer_sha256
    assert tree(out) == update(tmp_path / "fresh", tmp_path / "in", read_config(out))
