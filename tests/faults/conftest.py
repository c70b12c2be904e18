"""What the tests of faults compare with."""

import pytest

from tests.faults.trials import make_home, prepare
from tests.running import once


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """A home with the output of one undisturbed run; read it, or copy it before you change it."""

    def make(home):
        make_home(home)
        ran = prepare(home, "--workers", 1)
        assert ran.code == 3, ran.err

    return once(tmp_path_factory.getbasetemp(), "undisturbed", make)


@pytest.fixture
def home(tmp_path):
    """A home without output."""
    make_home(tmp_path / "home")
    return tmp_path / "home"
