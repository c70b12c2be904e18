"""What the tests of faults compare with."""

import pytest

from tests.faults.trials import can_mount, make_home, n_changes, prepare, prepare_failing
from tests.running import once


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """A home with the output of one undisturbed run; read it, or copy it before you change it."""

    def make(home):
        make_home(home)
        # Mounted, the steps of the run are counted.
        options = ("--workers", 1)
        ran = prepare_failing(home, [], *options) if can_mount() else prepare(home, *options)
        assert ran.code == 3, ran.err

    return once(tmp_path_factory.getbasetemp(), "undisturbed", make)


@pytest.fixture(scope="session")
def changes_of_a_run(undisturbed):
    """So many steps has a run with one worker, from its first folder to the manifest."""
    counted = n_changes(undisturbed)
    assert counted > 300
    return counted


@pytest.fixture
def home(tmp_path):
    """A home without output."""
    make_home(tmp_path / "home")
    return tmp_path / "home"
