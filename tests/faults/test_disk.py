"""Disks that fill up, fail, or give less than was asked for."""

import random
import shutil
import subprocess

import pytest

from tests.faults.filesystem import SHORT, Fault
from tests.faults.trials import (
    WHOLE,
    can_mount,
    met,
    outcome,
    prepare,
    prepare_failing,
)
from tests.running import duologue

needs_mount = pytest.mark.skipif(not can_mount(), reason="needs fuse3 and /dev/fuse")

ALWAYS = 10**9


@pytest.fixture
def small_disk(tmp_path):
    """A function that makes a file system of a size, and changes the size of one that is there."""
    disk = tmp_path / "disk"
    disk.mkdir()

    def resize(size_kib):
        remount = ["-o", "remount"] if disk.is_mount() else []
        options = ["-t", "tmpfs", *remount, "-o", f"size={size_kib}k"]
        done = subprocess.run(["mount", *options, "tmpfs", disk], capture_output=True, check=False)
        if done.returncode:
            pytest.skip("mounting a small file system needs root")
        return disk

    yield resize
    if disk.is_mount():
        subprocess.run(["umount", "--lazy", disk], check=True)


@pytest.mark.parametrize("seed", range(4))
def test_a_full_disk_ends_the_run_and_room_completes_it(small_disk, home, undisturbed, seed):
    used = sum(path.stat().st_blocks // 2 for path in (undisturbed / "out").rglob("*.*"))
    disk = small_disk(random.Random(seed).randint(4, used * 9 // 10))
    argv = ["prepare", home / "corpus", "--out", disk / "out", "--tokenizer", home / "tok.json"]
    argv += ["--holdout", "0.2", "--chunk-bytes", 4096, "--workers", 1]
    full = duologue(*argv)
    assert full.code == 1
    assert "No space left on device; make room" in full.last_line
    assert full.last_line.endswith("run the same command again: what is committed is kept")
    small_disk(64_000)
    ran = duologue(*argv)
    assert ran.code == 3, ran.err
    assert outcome(disk / "out", undisturbed / "out") == WHOLE


@needs_mount
@pytest.mark.parametrize("seed", range(4))
def test_a_disk_that_fails_once_ends_the_run_and_it_goes_on(home, undisturbed, seed):
    rng = random.Random(seed)
    for _ in range(3):
        failing = Fault(path="out*", nth=rng.randint(2, 300), what="EIO")
        ran = prepare_failing(home, [failing], "--workers", 2)
        if ran.code == 1 and met(home):
            assert ran.last_line.startswith(("duologue: cannot ", "duologue: the job failed "))
            assert "Input/output error" in ran.last_line
            assert not (home / "out/manifest.json").exists()
            continue
        # What only tells of the run may be lost, or there was less left to do.
        assert ran.code == 3, ran.err
        assert outcome(home / "out", undisturbed / "out") == WHOLE
        shutil.rmtree(home / "out")
    assert prepare(home, "--workers", 2).code == 3
    assert outcome(home / "out", undisturbed / "out") == WHOLE


@needs_mount
@pytest.mark.parametrize("op", ["read", "write"])
def test_reading_and_writing_by_halves_changes_nothing(home, undisturbed, op):
    ran = prepare_failing(home, [Fault(op=op, what=SHORT, times=ALWAYS)], "--workers", 1)
    assert ran.code == 3, ran.err
    assert len(met(home)) > 100
    assert outcome(home / "out", undisturbed / "out") == WHOLE


@needs_mount
def test_an_input_that_cannot_be_read_to_its_end_is_named_and_what_is_committed_is_kept(
    home, undisturbed
):
    names = ["notes/2.txt", "talk.jsonl", "pieces.jsonl.zst", "rows.parquet"]
    for name in names:
        shutil.rmtree(home / "out", ignore_errors=True)
        # The first time it is only looked at: for its columns, or to be cut.
        nth = 1 if name.endswith(".txt") else 3
        bad = Fault(op="read", path=f"corpus/{name}", nth=nth, what="EIO", times=ALWAYS)
        ran = prepare_failing(home, [bad], "--workers", 1)
        assert ran.code == 1
        assert f"corpus/{name}: Input/output error; mend it or take it out" in ran.last_line
        assert ran.last_line.endswith("run the same command again: what is committed is kept")
    ran = prepare(home, "--workers", 1)
    assert ran.code == 3, ran.err
    assert outcome(home / "out", undisturbed / "out") == WHOLE
