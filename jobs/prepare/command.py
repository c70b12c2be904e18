"""`duologue prepare`: raw text in, tokenised two-player episodes out."""

from itertools import islice
from typing import Any

from rich.console import Console

from jobs.prepare.inputs import list_files
from jobs.prepare.options import PrepareOptions
from jobs.prepare.progress import commits_counted, looking, shown_progress
from jobs.prepare.settle import settle
from jobs.prepare.stragglers import stragglers_named
from jobs.view import say
from pipeline.changes import NAMED, incomplete_chunks, take_back
from pipeline.commit import RUN, committed, forget_pieces, locked
from pipeline.engine import engine_words, forget_engine
from pipeline.manifest import write_manifest
from pipeline.output import check_free, read_config, unfinish
from pipeline.plan import WHOLE, Plan, noted_counts, plan_path, read_plan
from pipeline.remote import Place, check_stores
from pipeline.supervise import n_cores, run_driver, write_options
from pipeline.tape import Tape
from pipeline.tokenizer import load_output_tokenizer
from schemas.config import PrepareConfig
from schemas.errors import UserError
from schemas.words import counted


def prepare(
    inputs: list[str],
    out: Place,
    config: PrepareConfig,
    options: PrepareOptions,
    *,
    console: Console,
) -> dict[str, Any] | None:
    """Prepare a corpus, or go on where a run of the same command was interrupted.

    Args:
      inputs: files, folders, globs or URLs.
      out: the output folder; made if need be.
      config: what to make; its tokenizer fields are filled in here.
      options: how to run.
      console: for progress and notes.

    Returns:
      The manifest; None for a slice, which leaves that to `finish`.

    Raises:
      UserError: for anything that the person can mend; what is committed is kept.
    """
    check_stores([*inputs, str(out)])
    files, left_out = list_files(inputs, out, config, console)
    check_free(out)
    with locked(out, is_slice=options.which is not None) as lock:
        plan, tokenizer, config = settle(
            files, left_out, out, config, options, lock=lock, console=console
        )
        _run(out, plan, options, lock, console)
        if options.which:
            return None
        return write_manifest(out, plan, config, tokenizer)


def finish(out: Place) -> dict[str, Any]:
    """Write manifest and card of an output whose slices are all done; returns the manifest.

    Raises:
      UserError: if it is no output, or chunks are missing.
    """
    config = read_config(out)
    with locked(out):
        plan = read_plan(out / RUN)
        _refuse_missing(out, plan)
        for lost in incomplete_chunks(out, (chunk.digest for chunk in plan.chunks)).values():
            msg = f"{out / lost[0]} is gone or cut short: run prepare again with the same options"
            raise UserError(msg)
        return write_manifest(out, plan, config, load_output_tokenizer(out))


def _refuse_missing(out: Place, plan: Plan) -> None:
    """Refuse to finish while chunks are missing, naming the slices that are to be run.

    Raises:
      UserError: if any is.
    """
    done = committed(out)
    is_missing = bytes(chunk.digest not in done for chunk in plan.chunks)
    counts = noted_counts(out / RUN)
    if not any(is_missing) or len(counts) != 1:
        return  # Slices of several counts: write_manifest names a chunk.
    [count] = counts
    lacking = [index for index in range(count) if any(is_missing[index::count])]
    # Typed from 1 to N: 0 is another name of the Nth.
    names = [f"{index or count}/{count}" for index in lacking[:NAMED]]
    names += [f"{len(lacking) - NAMED} more"] * (len(lacking) > NAMED)
    which = f"--slice {' and '.join(names)}" if count > 1 else "the same options"
    msg = (
        f"{out} is not whole: of {counted(len(is_missing), 'chunk')} {sum(is_missing)} are not "
        f"committed; run prepare again with {which}, then finish"
    )
    raise UserError(msg)


def _run(out: Place, plan: Plan, options: PrepareOptions, lock: int, console: Console) -> None:
    which = options.which or WHOLE
    mine = Tape(chunk.digest for chunk in islice(plan.chunks, which[0], None, which[1]))
    _take_back_incomplete(out, mine, console)
    done = committed(out)
    before = sum(digest in done for digest in mine)
    # The pieces of a chunk are to be of one reading.
    forget_pieces(out, (digest for digest in mine if digest not in done))
    del done  # There may be millions.
    if before < len(mine):
        unfinish(out)
    if not mine:
        say(console, "no chunk falls to this slice")
        return
    if before == len(mine):
        console.print(
            f"committed already: {counted(len(mine), 'chunk')}, all there are "
            "(duologue verify looks at their bytes)",
            highlight=False,
        )
        return
    if before:
        console.print(
            f"resuming: {before} of {counted(len(mine), 'chunk')} committed", highlight=False
        )
    workers = options.workers or n_cores()
    write_options(out, {"workers": workers, "options": options.noted()})
    forget_engine(out)
    n_done = commits_counted(out, mine, is_whole=which == WHOLE)
    with shown_progress(n_done, len(mine), console) as tick:
        words: str | None = None
        name_stragglers = stragglers_named(
            out, plan, which, n_done, lambda line: say(console, line)
        )

        def look() -> None:
            nonlocal words
            tick()
            name_stragglers()
            if words is None and (words := engine_words(out)):
                say(console, words)

        with looking(out, look) as seldom:
            run_driver(
                out,
                which,
                list(options.beam),
                workers=workers,
                lock=lock,
                tick=seldom,
                say=lambda line: say(console, line),
            )
    _refuse_left(out, mine, which)


def _take_back_incomplete(out: Place, mine: Tape[str], console: Console) -> None:
    """Take back the commits of chunks whose files are not all there, and say so."""
    if incomplete := incomplete_chunks(out, mine):
        take_back(out, incomplete)
        lost = [path for paths in incomplete.values() for path in paths]
        more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
        say(console, f"gone or cut short: {lost[0]}{more}; made again")


def _refuse_left(out: Place, mine: Tape[str], which: tuple[int, int]) -> None:
    """Refuse a job that ended without all of its chunks.

    An engine gave them to nobody, or what is written is not the plan that this command made.

    Raises:
      UserError: if any is not committed.
    """
    if left := len(mine) - len(committed(out).intersection(mine)):
        n_left = f"{left} of {counted(len(mine), 'chunk')}"
        msg = (
            f"{out}: the job ended, and {n_left} are not committed: run the same command again, "
            f"and if {plan_path(out / RUN, which)} is damaged, with --update"
        )
        raise UserError(msg)
