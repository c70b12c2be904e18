"""Ctrl-C and SIGTERM: one line, an exit code, no traceback, and the same command goes on."""

import contextlib
import fcntl
import os
import pty
import signal
import subprocess
import sys
import time

import pytest

from tests.running import COMMON, command, duologue, tree

WATCH_SECONDS = 300

SWALLOWS = """
import signal, threading
from jobs import cli

cli.GRACE_SECONDS = 0.1
with cli._interruptible("compare"):
    try:
        signal.raise_signal(signal.SIGINT)
    except BaseException:
        pass
    threading.Event().wait()
"""

CONVERTS = """
import signal
from jobs import cli

with cli._interruptible("export"):
    try:
        signal.raise_signal(signal.SIGINT)
    except BaseException as error:
        raise ImportError("multiarray failed to import") from error
"""


def heard(argv, **options):
    """A process that hears Ctrl-C, even where the tests themselves run in the background."""
    return subprocess.Popen(
        list(map(os.fspath, argv)),
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        **options,
    )


def interrupted(argv, when, number=signal.SIGINT):
    """(exit code, errors) of a command that gets a signal as soon as when()."""
    with heard(command(*argv), stdout=subprocess.DEVNULL) as running:
        end = time.monotonic() + WATCH_SECONDS
        while not when():
            assert running.poll() is None, running.stderr.read()
            assert time.monotonic() < end
            with contextlib.suppress(subprocess.TimeoutExpired):
                running.wait(0.005)
        running.send_signal(number)
        _, err = running.communicate(timeout=WATCH_SECONDS)
    return running.returncode, err


@pytest.mark.parametrize(
    ("number", "words", "exit_code"),
    [(signal.SIGINT, "interrupted", 130), (signal.SIGTERM, "terminated", 143)],
)
def test_an_interrupted_prepare_says_so_and_goes_on(
    corpus, prepared, tokenizer_file, tmp_path, number, words, exit_code
):
    out = tmp_path / "out"
    argv = ["prepare", corpus, "--out", out, "--tokenizer", tokenizer_file, *COMMON]
    code, err = interrupted(argv, lambda: list(out.glob("_chunks/*.json")), number)
    assert code == exit_code
    left_out, said = err.splitlines()
    assert left_out.startswith("left out: 1 file")
    assert said == f"duologue: {words}; the same command goes on where it stopped"
    # No worker outlives it: they would hold the lock.
    with (out / "_run/lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert "Traceback" not in (out / "_run/driver.log").read_text()
    assert duologue(*argv).code == 0
    assert tree(out) == tree(prepared)


@pytest.mark.parametrize(("script", "goes_on"), [(SWALLOWS, True), (CONVERTS, False)])
def test_libraries_that_swallow_or_convert_it_do_not_matter(script, goes_on):
    with heard([sys.executable, "-c", script]) as running:
        _, err = running.communicate(timeout=WATCH_SECONDS)
    assert running.returncode == 130
    assert err.startswith("duologue: interrupted")
    assert err.count("\n") == 1
    assert ("goes on where it stopped" in err) == goes_on


def test_ctrl_c_at_a_terminal_is_one_line_and_the_same_command_goes_on(
    corpus, prepared, tokenizer_file, tmp_path
):
    """Typed, so that the terminal gives the signal to every process in its foreground."""
    out = tmp_path / "out"
    argv = ["prepare", corpus, "--out", out, "--tokenizer", tokenizer_file, *COMMON]
    child, terminal = pty.fork()
    if not child:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.execv(sys.executable, list(map(os.fspath, command(*argv))))
    shown = b""
    with contextlib.suppress(OSError):  # How a terminal says that all have left it.
        while data := os.read(terminal, 1 << 16):
            # The bar is up: its chunks are being worked on.
            if b"chunks" in data and b"chunks" not in shown:
                os.write(terminal, b"\x03")
            shown += data
    os.close(terminal)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 130
    said = shown.decode().splitlines()
    assert said[-1] == "duologue: interrupted; the same command goes on where it stopped"
    assert b"Traceback" not in shown
    assert duologue(*argv).code == 0
    assert tree(out) == tree(prepared)
