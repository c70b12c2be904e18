"""The entry of the command line: runs one of `jobs.commands` and says how it ended.

Nothing heavy is imported before a Ctrl-C has its answer.
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any, NoReturn

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141

RESUMED = ("prepare", "train", "compare")
"""Commands that go on where they stopped."""

GRACE_SECONDS = 5.0
"""For a command to end by itself after a Ctrl-C."""


def main(argv: list[str] | None = None) -> Any:  # noqa: ANN401 never returns
    """Run the command that argv names and exit.

    Exit codes: 0 done; 1 failed, one line says why; 2 argv is not understood; 3 done, but inputs
    were damaged or documents rejected; 130 interrupted.
    """
    argv = sys.argv[1:] if argv is None else argv
    with _interruptible(argv[0] if argv else ""):
        _run(argv)


def _run(argv: list[str]) -> None:
    from jobs.commands import app, beam_argv
    from schemas.errors import UserError

    # Names of files need not be text; what cannot be printed is spelled.
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")
    has_beam_options = argv[:1] == ["prepare"] and "--" in argv
    at = argv.index("--") if has_beam_options else len(argv)
    beam_argv[:] = argv[at + 1 :]
    try:
        app(argv[:at], prog_name="duologue")
    except ModuleNotFoundError as error:
        # Workers of a cluster do without what only train, compare and report need.
        print(
            f"duologue: {argv[0]} needs the package {error.name}: pip install '.[train]'",
            file=sys.stderr,
        )
        sys.exit(EXIT_FAILED)
    except BrokenPipeError:
        # Whoever read the output has enough; nothing more can be said there, at the exit neither.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(EXIT_BROKEN_PIPE)
    except (UserError, OSError) as error:
        from jobs.view import escape

        words = str(error)
        if isinstance(error, OSError) and error.filename:
            words = f"cannot use {os.fsdecode(error.filename)}: {error.strerror}"
        # Names of files come from outside, and a message is one line.
        print(f"duologue: {escape(' '.join(words.split()))}", file=sys.stderr)
        sys.exit(EXIT_FAILED)


@contextlib.contextmanager
def _interruptible(command: str) -> Iterator[None]:
    """Answers Ctrl-C with one line and exit 130; a second one ends the process at once."""
    was_interrupted = threading.Event()

    def say() -> None:
        goes_on = "; the same command goes on where it stopped" if command in RESUMED else ""
        after_echo = "\n" if sys.stderr.isatty() else ""
        print(f"{after_echo}duologue: interrupted{goes_on}", file=sys.stderr, flush=True)

    def end() -> NoReturn:
        say()
        os._exit(EXIT_INTERRUPTED)

    # Libraries swallow exceptions in places, most of all while they are imported.
    timer = threading.Timer(GRACE_SECONDS, end)
    timer.daemon = True

    def interrupt(*_: object) -> None:
        was_interrupted.set()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        sys.unraisablehook = lambda _: None
        timer.start()
        raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    if before == signal.default_int_handler:  # Else whoever started us wants no answer.
        signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    except BaseException as error:
        # Typer makes an exit of it, and a library being imported an error of its own.
        is_exit = isinstance(error, SystemExit) and error.code == EXIT_INTERRUPTED
        if not (was_interrupted.is_set() or is_exit or isinstance(error, KeyboardInterrupt)):
            raise
        say()
        sys.exit(EXIT_INTERRUPTED)
    finally:
        timer.cancel()
        signal.signal(signal.SIGINT, before)


if __name__ == "__main__":
    main()
