"""Killed, or without power, at any step: the same command goes on to the same bytes."""

import random
import shutil
from dataclasses import replace

import pytest

from tests.faults.fault import CUT_POWER, KILL_COMMAND, KILL_WRITER, Fault
from tests.faults.steps import CHANGES_OF_A_RUN, STEPS, UPDATE_STEPS
from tests.faults.trials import (
    EDITED,
    WHOLE,
    can_mount,
    edit,
    failing,
    make_home,
    met,
    outcome,
    prepare,
    prepare_failing,
)
from tests.running import tree

pytestmark = pytest.mark.skipif(not can_mount(), reason="needs fuse3 and /dev/fuse")

MOMENTS = 4
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
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("what", [KILL_COMMAND, KILL_WRITER, CUT_POWER])
def test_whenever_it_crashes_the_same_command_gives_the_same_bytes(home, undisturbed, what, seed):
    rng = random.Random(f"{what} {seed}")
    for _ in range(MOMENTS):
        crash = Fault(nth=rng.randint(1, CHANGES_OF_A_RUN), what=what)
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
    home = tmp_path_factory.mktemp("updated")
    make_home(home)
    edit(home)
    assert prepare(home, "--workers", 1).code == 3
    assert outcome(home / "out", undisturbed / "out") != WHOLE
    return home


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
