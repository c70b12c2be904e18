"""How often the same command gives the same bytes after a fault.

Faults come at seeded steps of a run, of all that it does to files (made, written, synced, renamed,
removed), or at named ones; each in an output of its own. Then the same command is run without any,
and what is there is compared with an undisturbed run. Prints a Markdown table; fails where a row
is not whole.
"""

import dataclasses
import random
import shutil
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from tests.faults.fault import CUT_POWER, KILL_COMMAND, KILL_WRITER, SHORT, Fault
from tests.faults.steps import STEPS, UPDATE_STEPS
from tests.faults.trials import (
    Outcome,
    damage,
    edit,
    make_home,
    met,
    n_changes,
    outcome,
    prepare,
    prepare_failing,
)

MOMENTS = 50
ALWAYS = 10**9
AT_ONCE = 2

CRASHES = {
    KILL_COMMAND: "kill -9 of the command",
    KILL_WRITER: "kill -9 of the process that writes",
    CUT_POWER: "power cut",
}


class Case(NamedTuple):
    """A row of the table.

    Attributes:
      title: what happens.
      faults: one a trial.
      amid: "--update" of a finished output, after an edit, or "--repair", after damage; None is
        a new output.
    """

    title: str
    faults: Sequence[Fault]
    amid: str | None = None


class Trial(NamedTuple):
    """A fault, and what became of it.

    Attributes:
      is_met: whether it came before the run was done.
      is_done: whether the command, run again, ended as it should.
      outcome: what is there then.
    """

    is_met: bool
    is_done: bool
    outcome: Outcome


def cases(n_of_run: int, n_of_update: int) -> list[Case]:
    """All rows, for a run and an update that change files so often."""

    def moments(what: str, most: int) -> list[Fault]:
        rng = random.Random(what)
        return [Fault(nth=rng.randint(1, most), what=what) for _ in range(MOMENTS)]

    def named(what: str, steps: dict[str, Fault]) -> list[Fault]:
        return [dataclasses.replace(step, what=what) for step in steps.values()]

    full = [
        dataclasses.replace(fault, op="write", nth=max(1, fault.nth // 4), times=ALWAYS)
        for fault in moments("ENOSPC", n_of_run)
    ]
    halves = [Fault(op=op, what=SHORT, times=ALWAYS) for op in ("read", "write")]
    return [
        *(Case(f"{why}, seeded moments", moments(what, n_of_run)) for what, why in CRASHES.items()),
        *(Case(f"{why}, every named step", named(what, STEPS)) for what, why in CRASHES.items()),
        *(
            Case(
                f"{why}, amid `--update`",
                named(what, UPDATE_STEPS) + moments(what, n_of_update),
                amid="--update",
            )
            for what, why in CRASHES.items()
        ),
        *(
            Case(f"{why}, amid `--repair`", named(what, UPDATE_STEPS), amid="--repair")
            for what, why in CRASHES.items()
        ),
        Case("disk full from a moment on", full),
        Case("input/output error, once", moments("EIO", n_of_run)),
        Case("every read, or every write, by halves", halves),
    ]


def tried(case: Case, fault: Fault, finished: Path, updated: Path, home: Path) -> Trial:
    """Prepare or update in a new home, with the fault and then again without."""
    shutil.copytree(finished, home)
    change = {"--update": edit, "--repair": damage, None: lambda home: shutil.rmtree(home / "out")}
    change[case.amid](home)
    options = ["--workers", 1, *filter(None, [case.amid])]
    prepare_failing(home, [fault], *options)
    again = prepare(home, *options)
    expected = (updated if case.amid == "--update" else finished) / "out"
    found = Trial(bool(met(home)), again.code == 3, outcome(home / "out", expected))
    shutil.rmtree(home)
    return found


def row(title: str, trials: Sequence[Trial]) -> str:
    """A line of the table."""
    outcomes = [trial.outcome for trial in trials]
    figures = (
        sum(trial.is_met for trial in trials),
        sum(trial.is_done for trial in trials),
        sum(each.lost for each in outcomes),
        sum(each.doubled for each in outcomes),
        sum(each.is_same for each in outcomes),
    )
    return " | ".join(["", title, *map(str, (len(trials), *figures)), ""]).strip()


def main() -> None:
    """Run all cases and print the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        finished, updated = folder / "finished", folder / "updated"
        make_home(finished)
        n_of_run = _changes(finished)
        shutil.copytree(finished, updated)
        edit(updated)
        n_of_update = _changes(updated, "--update")
        print("| fault | runs | met | survived | lost | doubled | hashes equal |")
        print("|---|---|---|---|---|---|---|", flush=True)
        is_whole = True
        for case in cases(n_of_run, n_of_update):
            homes = [folder / f"home-{number}" for number in range(len(case.faults))]
            with ThreadPoolExecutor(AT_ONCE) as pool:
                trials = list(
                    pool.map(
                        lambda fault, home, case=case: tried(case, fault, finished, updated, home),
                        case.faults,
                        homes,
                    )
                )
            print(row(case.title, trials), flush=True)
            is_whole &= all(trial.is_done and trial.outcome.is_same for trial in trials)
    sys.exit(not is_whole)


def _changes(home: Path, *options: object) -> int:
    """How often a run changes files, and that run."""
    ran = prepare_failing(home, [], "--workers", 1, *options)
    if ran.code != 3:
        sys.exit(f"the undisturbed run failed: {ran.err}")
    return n_changes(home)


if __name__ == "__main__":
    main()
