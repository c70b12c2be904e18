"""Disks that fill up, fail, or give less than was asked for."""

import random
import shutil

import pytest

from tests.faults.fault import SHORT, Fault
from tests.faults.trials import (
    WHOLE,
    can_mount,
    met,
    outcome,
    prepare,
    prepare_argv,
    prepare_failing,
)
from tests.running import duologue

needs_mount = pytest.mark.skipif(not can_mount(), reason="needs fuse3 and /dev/fuse")

ALWAYS = 10**9


@pytest.mark.parametrize("seed", range(4))
def test_a_full_disk_ends_the_run_and_room_completes_it(small_disk, home, undisturbed, seed):
    used = sum(path.stat().st_blocks // 2 for path in (undisturbed / "out").rglob("*.*"))
    disk = small_disk(random.Random(seed).randint(4, used * 9 // 10))
    argv = prepare_argv(home, disk / "out", "--workers", 1)
    full = duologue(*argv)
    assert full.code == 1
    assert "No space left on device; make room" in full.last_line
    assert full.last_line.endswith("run the same command again: what is committed is kept")
    small_disk(64_000)
    ran = duologue(*argv)
    assert ran.code == 3, ran.err
    assert outcome(disk / "out", undisturbed / "out") == WHOLE


@needs_mount
@pytest.mark.parametrize("seed", range(2))
def test_a_disk_that_fails_once_ends_the_run_and_it_goes_on(
    home, undisturbed, changes_of_a_run, seed
):
    rng = random.Random(seed)
    for _ in range(6):
        failing = Fault(path="out*", nth=rng.randint(2, changes_of_a_run), what="EIO")
        ran = prepare_failing(home, [failing], "--workers", 1)
        if ran.code == 1 and met(home):
            assert ran.last_line.startswith(("duologue: cannot ", "duologue: the job failed "))
            assert "Input/output error" in ran.last_line
            # It has its name when the last sync fails, and all that it names is there.
            is_finished = (home / "out/manifest.json").exists()
            assert not is_finished or outcome(home / "out", undisturbed / "out") == WHOLE
            continue
        # What only tells of the run may be lost, or there was less left to do.
        assert ran.code == 3, ran.err
        assert outcome(home / "out", undisturbed / "out") == WHOLE
        shutil.rmtree(home / "out")
    assert prepare(home, "--workers", 1).code == 3
    assert outcome(home / "out", undisturbed / "out") == WHOLE


@needs_mount
@pytest.mark.parametrize("op", ["read", "write"])
def test_reading_and_writing_by_halves_changes_nothing(home, undisturbed, op):
    ran = prepare_failing(home, [Fault(op=op, what=SHORT, times=ALWAYS)], "--workers", 1)
    assert ran.code == 3, ran.err
    assert len(met(home)) > 100
    assert outcome(home / "out", undisturbed / "out") == WHOLE


READS = [
    # A whole file; a part of one; a piece of one.
    *[("notes/2.txt", 1), ("talk.jsonl", 3), ("pieces.jsonl.zst", 2)],
    # When it is cut, and when it is read.
    *[("rows.parquet", nth) for nth in (2, 3, 4)],
]


@needs_mount
@pytest.mark.parametrize(("name", "nth"), READS)
def test_an_input_that_fails_once_is_named_and_nothing_of_it_is_lost(home, undisturbed, name, nth):
    once = Fault(op="read", path=f"corpus/{name}", nth=nth, what="EIO")
    ran = prepare_failing(home, [once], "--workers", 1)
    assert met(home)
    if ran.code != 3:
        assert f"corpus/{name}: Input/output error; mend it or take it out" in ran.last_line
        assert ran.last_line.endswith("run the same command again: what is committed is kept")
        assert prepare(home, "--workers", 1).code == 3
    # Else it was only looked at, for its columns.
    assert outcome(home / "out", undisturbed / "out") == WHOLE
