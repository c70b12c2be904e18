"""Killed, or without power, at any step: the same command goes on to the same bytes."""

import random
import shutil
from dataclasses import replace

import pytest

from tests.faults.fault import CUT_POWER, KILL_COMMAND, KILL_WRITER, Fault
from tests.faults.steps import FINISH_STEPS, STEPS, UPDATE_STEPS
from tests.faults.trials import (
    EDITED,
    WHOLE,
    can_mount,
    damage,
    edit,
    failing,
    make_home,
    met,
    outcome,
    prepare,
    prepare_failing,
)
from tests.running import duologue, once, tree

pytestmark = pytest.mark.skipif(not can_mount(), reason="needs fuse3 and /dev/fuse")

MOMENTS = 7
"""Crashes of a test, one after the other."""


@pytest.mark.parametrize("step", STEPS)
def test_without_power_at_a_step_of_the_protocol_nothing_is_lost(home, undisturbed, step):
    prepare_failing(home, [replace(STEPS[step], what=CUT_POWER)], "--workers", 1)
    assert len(met(home)) == 1
    assert not (home / "out/manifest.json").exists()
    ran = prepare(home, "--workers", 1)
    assert ran.code == 3, ran.err
    assert outcome(home / "out", undisturbed / "out") == WHOLE


def test_what_is_finished_lasts(undisturbed, tmp_path):
    home = shutil.copytree(undisturbed, tmp_path / "home")
    shutil.rmtree(home / "out")
    after = Fault(op="create", path="after", what=CUT_POWER)
    with failing(home, [after]) as mounted:
        assert prepare(mounted, "--workers", 1).code == 3
        with pytest.raises(OSError, match="Input/output error"):
            (mounted / "after").touch()
    assert outcome(home / "out", undisturbed / "out") == WHOLE
    # The last one: no other chunk is made anew, so nothing else syncs the folders of its shards.
    (home / "corpus/talk.jsonl").unlink()
    with failing(home, [after]) as mounted:
        assert prepare(mounted, "--workers", 1, "--update").code == 3
        updated = tree(mounted / "out")
        with pytest.raises(OSError, match="Input/output error"):
            (mounted / "after").touch()
    assert tree(home / "out") == updated


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("what", [KILL_COMMAND, KILL_WRITER, CUT_POWER])
def test_whenever_it_crashes_the_same_command_gives_the_same_bytes(
    home, undisturbed, changes_of_a_run, what, seed
):
    rng = random.Random(f"{what} {seed}")
    for _ in range(MOMENTS):
        crash = Fault(nth=rng.randint(1, changes_of_a_run), what=what)
        ran = prepare_failing(home, [crash], "--workers", 2)
        if not met(home):
            # What was left to do was less than that: it is done.
            assert ran.code == 3, ran.err
            assert outcome(home / "out", undisturbed / "out") == WHOLE
            shutil.rmtree(home / "out")
    ran = prepare(home, "--workers", 2)
    assert ran.code == 3, ran.err
    assert outcome(home / "out", undisturbed / "out") == WHOLE


@pytest.fixture(scope="module")
def updated(undisturbed, tmp_path_factory):
    """A home with an edited corpus and its output from scratch."""

    def make(home):
        make_home(home)
        edit(home)
        assert prepare(home, "--workers", 1).code == 3
        assert outcome(home / "out", undisturbed / "out") != WHOLE

    return once(tmp_path_factory.getbasetemp(), "updated", make)


@pytest.mark.parametrize("step", UPDATE_STEPS)
def test_without_power_amid_an_update_the_same_command_completes_it(
    undisturbed, updated, tmp_path, step
):
    home = shutil.copytree(undisturbed, tmp_path / "home")
    shutil.copy2(updated / EDITED, home / EDITED)
    crash = replace(UPDATE_STEPS[step], what=CUT_POWER)
    prepare_failing(home, [crash], "--workers", 1, "--update")
    assert len(met(home)) == 1
    ran = prepare(home, "--workers", 1, "--update")
    assert ran.code == 3, ran.err
    assert outcome(home / "out", updated / "out") == WHOLE


def crash_one_after_the_other(home, what, steps, run):
    """A crash at each step of a command, each of which it comes to after the one before."""
    for name, step in steps.items():
        with failing(home, [replace(step, what=what)]) as mounted:
            run(mounted)
        assert len(met(home)) == 1, name


def update_slice(home):
    return prepare(home, "--workers", 1, "--update", "--slice", "0/2")


def finish(home):
    return duologue("finish", home / "out")


@pytest.mark.parametrize("what", [KILL_COMMAND, CUT_POWER])
def test_crashes_amid_a_repair_are_mended_by_the_same_command(undisturbed, tmp_path, what):
    home = shutil.copytree(undisturbed, tmp_path / "home")
    damage(home)

    def repair(home):
        return prepare(home, "--workers", 1, "--repair")

    crash_one_after_the_other(home, what, UPDATE_STEPS, repair)
    ran = repair(home)
    assert ran.code == 3, ran.err
    assert outcome(home / "out", undisturbed / "out") == WHOLE


@pytest.mark.parametrize("what", [KILL_COMMAND, CUT_POWER])
def test_crashes_amid_the_update_of_a_slice_and_finish_are_mended_by_the_same_commands(
    undisturbed, updated, tmp_path, what
):
    home = shutil.copytree(undisturbed, tmp_path / "home")
    shutil.copy2(updated / EDITED, home / EDITED)
    crash_one_after_the_other(home, what, UPDATE_STEPS, update_slice)
    assert update_slice(home).code == 0
    assert prepare(home, "--workers", 1, "--slice", "1/2").code == 0
    crash_one_after_the_other(home, what, FINISH_STEPS, finish)
    ran = finish(home)
    assert ran.code == 3, ran.err
    assert outcome(home / "out", updated / "out") == WHOLE
