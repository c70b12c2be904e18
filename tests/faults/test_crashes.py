"""Killed, or without power, at any step: the same command goes on to the same bytes."""

import random
import shutil
from dataclasses import replace

import pytest

from tests.faults.filesystem import CUT_POWER, KILL_COMMAND, KILL_WRITER, Fault
from tests.faults.trials import (
    WHOLE,
    can_mount,
    failing,
    make_home,
    met,
    outcome,
    prepare,
    prepare_failing,
)
from tests.running import tree

pytestmark = pytest.mark.skipif(not can_mount(), reason="needs fuse3 and /dev/fuse")

STEPS = {
    "the tokenizer is written and has no name": Fault(op="rename", path="out/tokenizer.json"),
    "its config is": Fault(op="rename", path="out/tokenizer_config.json"),
    "the output's config is": Fault(op="rename", path="out/_run/config.json"),
    "the plan is": Fault(op="rename", path="out/_run/plan.jsonl"),
    "the notes of the inputs are": Fault(op="rename", path="out/_run/inputs.json"),
    "a shard is half written": Fault(op="write", path="out/documents/*", nth=3),
    "a shard is written and has no name": Fault(op="rename", path="out/documents/*"),
    "a shard has a name that is not synced": Fault(op="fsync", path="out/episodes/train"),
    "what is rejected is written and has no name": Fault(op="rename", path="out/rejected/*"),
    "a piece is written and not noted": Fault(op="create", path="out/_run/pieces/*"),
    "the notes of a piece are written and have no name": Fault(
        op="rename", path="out/_run/pieces/*", nth=2
    ),
    "shards are there and have no record": Fault(op="create", path="out/_chunks/*"),
    "the record is written and has no name": Fault(op="rename", path="out/_chunks/*"),
    "the record has a name that is not synced": Fault(op="fsync", path="out/_chunks"),
    "all records are there, and notes of pieces": Fault(op="unlink", path="out/_run/pieces/*"),
    "all records are there and no card is": Fault(op="create", path="out/.README.md.*", nth=2),
    "the card is written and has no name": Fault(op="rename", path="out/README.md", nth=2),
    "the card is there and no manifest is": Fault(op="create", path="out/.manifest.json.*"),
    "the manifest is written and has no name": Fault(op="rename", path="out/manifest.json"),
}
"""The steps of the protocol, in order: at which a crash comes."""


MOMENTS = 4
"""Crashes of a test, one after the other."""

CHANGES_OF_A_RUN = 338
"""About so many steps has a run with one worker, from its first folder to the manifest."""


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


UPDATE_STEPS = {
    "the old manifest is there": Fault(op="unlink", path="out/manifest.json"),
    "the card says that it is not finished": Fault(op="fsync", path="out", nth=2),
    "a record is there": Fault(op="unlink", path="out/_chunks/*"),
    "the record is gone and its shards are there": Fault(op="unlink", path="out/documents/*"),
    "the shards are gone and the notes of the inputs are old": Fault(
        op="rename", path="out/_run/inputs.json"
    ),
    "the notes are new and the record is not there": Fault(op="rename", path="out/_chunks/*"),
}
"""What an update takes back and makes again, in order."""


EDITED = "corpus/notes/3.txt"


@pytest.fixture(scope="module")
def updated(undisturbed, tmp_path_factory):
    """A home with an edited corpus and its output from scratch."""
    home = tmp_path_factory.mktemp("updated")
    make_home(home)
    # Other bytes, of the same size and as many tokens: only a hash tells.
    edited = home / EDITED
    edited.write_text(edited.read_text().replace(">>> 7", ">>> 8"))
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
