"""Several jobs on one output: one writes, or slices of one plan do; never a mix."""

import subprocess

import pytest

from tests.faults.fault import Fault
from tests.faults.trials import WHOLE, can_mount, holding, outcome, prepare, prepare_argv
from tests.running import command, duologue, once

OTHER = ("--delimiters", "tags")
"""Another config."""


def argv(home, out, *more):
    return prepare_argv(home, out, "--workers", 1, *more)


def at_once(*commands):
    """Run commands at the same time; their exit codes and errors."""
    running = [
        subprocess.Popen(
            command(*each),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for each in commands
    ]
    said = [each.communicate()[1].decode() for each in running]
    return [(each.returncode, errors) for each, errors in zip(running, said, strict=True)]


@pytest.fixture(scope="module")
def expected(undisturbed, tmp_path_factory):
    """The outputs of both configs, by their options."""

    def make(other):
        assert duologue(*argv(undisturbed, other, *OTHER)).code == 3

    other = once(tmp_path_factory.getbasetemp(), "other-config", make)
    return {(): undisturbed / "out", OTHER: other}


def test_of_jobs_at_once_one_writes_and_the_others_are_refused(expected, undisturbed, tmp_path):
    out = tmp_path / "out"
    more = [(), OTHER, (), OTHER]
    ended = at_once(*(argv(undisturbed, out, *each) for each in more))
    done = {options for options, (code, _) in zip(more, ended, strict=True) if code == 3}
    assert len(done) == 1
    for code, said in ended:
        is_refused = "another job is writing to" in said or "prepared with other options" in said
        assert code == 3 or (code == 1 and is_refused), said
    assert outcome(out, expected[done.pop()]) == WHOLE


def test_slices_begun_at_once_with_other_options_are_never_mixed(expected, undisturbed, tmp_path):
    out = tmp_path / "out"
    slices = {(): ("--slice", "0/2"), OTHER: ("--slice", "1/2")}
    ended = at_once(*(argv(undisturbed, out, *more, *each) for more, each in slices.items()))
    [won] = [more for more, (code, _) in zip(slices, ended, strict=True) if code == 0]
    [said] = [said for code, said in ended if code == 1]
    assert "was prepared with other options" in said
    for each in slices.values():
        ran = duologue(*argv(undisturbed, out, *won, *each))
        assert ran.code == 0, ran.err
    assert duologue("finish", out).code == 3
    assert outcome(out, expected[won]) == WHOLE


@pytest.mark.skipif(not can_mount(), reason="needs fuse3 and /dev/fuse")
def test_the_lock_outlives_a_killed_command_as_long_as_a_worker_does(home, undisturbed):
    # The workers alone read it. They end when the command is gone, but not amid a reading.
    step = Fault(op="read", path="corpus/notes/2.txt")
    with holding(home, step) as (mounted, held):
        first = subprocess.Popen(command(*prepare_argv(mounted, mounted / "out", "--workers", 2)))
        held.wait()
        first.kill()
        first.wait()
        refused = prepare(mounted, "--workers", 2)
        assert refused.code == 1
        assert "another job is writing to" in refused.last_line
        held.end()
        ran = prepare(mounted, "--workers", 2)
    assert ran.code == 3, ran.err
    assert outcome(home / "out", undisturbed / "out") == WHOLE
