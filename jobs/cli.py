"""The entry of the command line: runs one of `jobs.commands` and says how it ended.

Nothing heavy is imported before a Ctrl-C has its answer.
"""

import contextlib
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any, NoReturn

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141
EXIT_TERMINATED = 143

ENDS = {
    signal.SIGINT: ("interrupted", EXIT_INTERRUPTED),
    signal.SIGTERM: ("terminated", EXIT_TERMINATED),
}
"""What is said of a signal, and the exit code."""

RESUMED = ("prepare", "train", "compare")
"""Commands that go on where they stopped."""

WITH_BEAM = ("prepare", "finish", "verify", "inspect")
"""Commands that take Beam's options: where an object store is, and who may use it."""

GRACE_SECONDS = 5.0
"""For a command to end by itself after a signal."""


def main(argv: list[str] | None = None) -> Any:  # noqa: ANN401 never returns
    """Run the command that argv names and exit.

    Exit codes: 0 done; 1 failed, one line says why; 2 argv is not understood; 3 done, but inputs
    were damaged or documents rejected; 130 interrupted, 143 terminated.
    """
    argv = sys.argv[1:] if argv is None else argv
    _open_streams()
    with _interruptible(argv[0] if argv else ""):
        _run(argv)


def _open_streams() -> None:
    """Make standard streams what the commands take them for."""
    # In order: the system gives the lowest number that is free, and workers inherit it.
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:  # Whoever started us has closed it.
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
            os.set_inheritable(number, True)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))
    if isinstance(sys.stdout.buffer, io.RawIOBase):
        # PYTHONUNBUFFERED: what cannot be written would be lost, and why it cannot.
        buffer = io.BufferedWriter(sys.stdout.buffer)
        sys.stdout = io.TextIOWrapper(buffer, sys.stdout.encoding, line_buffering=True)
    # Names of files need not be text; what cannot be printed is spelled.
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")
    sys.stderr = _Notes(sys.stderr)


class _Notes:
    """Standard error. That nobody reads it, or its disk is full, ends no job."""

    def __init__(self, stream: Any) -> None:  # noqa: ANN401 a text stream
        self._stream = stream

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 the stream's
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.flush()


def _run(argv: list[str]) -> None:
    from jobs.commands import app, beam_argv
    from schemas.errors import UserError

    has_beam_options = argv[:1] in [[each] for each in WITH_BEAM] and "--" in argv
    at = argv.index("--") if has_beam_options else len(argv)
    beam_argv[:] = argv[at + 1 :]
    try:
        try:
            app(argv[:at], prog_name="duologue")
        except SystemExit:
            # Here a full disk can be told; at the exit the interpreter would only warn.
            sys.stdout.flush()
            raise
    except ModuleNotFoundError as error:
        # Workers of a cluster do without what only train, compare and report need.
        print(
            f"duologue: {argv[0]} needs the package {error.name}: pip install '.[train]'",
            file=sys.stderr,
        )
        sys.exit(EXIT_FAILED)
    except BrokenPipeError:
        # Whoever read the output has enough.
        _close_stdout()
        sys.exit(EXIT_BROKEN_PIPE)
    except (UserError, OSError) as error:
        from jobs.view import escape

        words, unwritten = str(error), _stdout_failure()
        if isinstance(error, OSError) and error.filename:
            words = f"cannot use {os.fsdecode(error.filename)}: {error.strerror}"
        elif isinstance(error, OSError) and unwritten:
            words = f"cannot write to standard output: {unwritten}"
        # Names of files come from outside, and a message is one line.
        print(f"duologue: {escape(' '.join(words.split()))}", file=sys.stderr)
        sys.exit(EXIT_FAILED)


def _stdout_failure() -> str | None:
    """Why standard output can't be written, None if it can: the system does not name it."""
    try:
        # What could not be written is still in the buffer.
        sys.stdout.flush()
    except OSError as error:
        _close_stdout()
        return error.strerror
    return None


def _close_stdout() -> None:
    """Nothing more can be said there, at the exit neither."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _say_end(number: int, command: str) -> int:
    """Says which signal ended a command; returns the exit code."""
    words, code = ENDS[signal.Signals(number)]
    goes_on = "; the same command goes on where it stopped" if command in RESUMED else ""
    after_echo = "\n" if sys.stderr.isatty() else ""
    print(f"{after_echo}duologue: {words}{goes_on}", file=sys.stderr, flush=True)
    return code


@contextlib.contextmanager
def _interruptible(command: str) -> Iterator[None]:
    """Answers Ctrl-C and SIGTERM with one line and an exit code of their own.

    A second one ends the process at once.
    """
    heard: list[int] = []

    def end() -> NoReturn:
        os._exit(_say_end(heard[0], command))

    # Libraries swallow exceptions in places, most of all while they are imported.
    timer = threading.Timer(GRACE_SECONDS, end)
    timer.daemon = True

    def interrupt(number: int, _: object) -> None:
        heard.append(number)
        for each in taken:
            signal.signal(each, signal.SIG_DFL)
        sys.unraisablehook = lambda _: None
        timer.start()
        raise KeyboardInterrupt

    # Else whoever started us wants no answer.
    ordinary = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    taken = {each: known for each, known in ordinary.items() if signal.getsignal(each) == known}
    for each in taken:
        signal.signal(each, interrupt)
    try:
        yield
    except BaseException as error:
        # Typer makes an exit of it, and a library being imported an error of its own.
        is_exit = isinstance(error, SystemExit) and error.code == EXIT_INTERRUPTED
        if not (heard or is_exit or isinstance(error, KeyboardInterrupt)):
            raise
        sys.exit(_say_end(heard[0] if heard else signal.SIGINT, command))
    finally:
        timer.cancel()
        for each, known in taken.items():
            signal.signal(each, known)


if __name__ == "__main__":
    main()
