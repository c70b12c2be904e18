"""What an output is to be, decided before any chunk is worked on.

Its tokenizer, its plan, and what of it stays.
"""

import dataclasses
from pathlib import Path

from rich.console import Console

from jobs.prepare.options import PrepareOptions
from jobs.view import say
from pipeline.atomic import remove
from pipeline.changes import damaged_chunks, refuse_changes, stale_chunks, take_back
from pipeline.commit import RUN, remove_temporary, settling
from pipeline.inputs import InputFile
from pipeline.output import (
    begin,
    check_places,
    check_same_config,
    is_output,
    known_configs,
    misplaced,
    unfinish,
)
from pipeline.plan import (
    WHOLE,
    Plan,
    forget_plans,
    is_as_noted,
    make_plan,
    noted_counts,
    write_plan,
)
from pipeline.remote import Place
from pipeline.tape import Tape
from pipeline.tokenizer import (
    OutputTokenizer,
    given_tokenizer,
    keep_trained,
    saved_tokenizer,
    trained_tokenizer,
)
from schemas.config import PrepareConfig
from schemas.delimiters import SCHEMES
from schemas.errors import UserError
from schemas.words import counted


def settle(
    files: Tape[InputFile],
    left_out: Tape[InputFile],
    out: Place,
    config: PrepareConfig,
    options: PrepareOptions,
    *,
    lock: int,
    console: Console,
) -> tuple[Plan, OutputTokenizer, PrepareConfig]:
    """Make a new output, or bring an old one to where the job can go on.

    Args:
      files: to be read, as `list_files` gives them.
      left_out: that no reader takes, likewise.
      out: held by `pipeline.commit.locked`.
      config: what to make, without what the tokenizer decides.
      options: how to run.
      lock: what `locked` yielded.
      console: for notes.

    Returns:
      The plan, the tokenizer, and the config with it.

    Raises:
      UserError: if the output is of another config, of other inputs, or can't be used; it is then
        as it was.
    """
    if not options.repair:
        check_places(out)

    def planned(
        tokenizer: OutputTokenizer,
    ) -> tuple[Plan, OutputTokenizer, PrepareConfig]:
        whole, settled = with_tokenizer(config, tokenizer, options)
        return make_plan(files, left_out, settled), whole, settled

    # Slices settle in turn, and a plan of millions of chunks takes a minute: before that, if the
    # tokenizer is there.
    found = found_tokenizer(out, options)
    made = planned(found) if found else None
    takes_back = options.update or options.repair
    with settling(out, lock, alone=takes_back and options.which is not None):
        if made is None:
            # It may have been trained meanwhile.
            found = found_tokenizer(out, options) or _trained(files, out, config, options, console)
            made = planned(found)
        plan, tokenizer, config = made
        if not is_output(out):
            tokenizer.save(out)
        _settle_output(out, plan, config, options, console)
        _settle_saved(out, tokenizer, config, console)
    return made


def _trained(
    files: Tape[InputFile],
    out: Place,
    config: PrepareConfig,
    options: PrepareOptions,
    console: Console,
) -> OutputTokenizer:
    entries = options.entries
    say(console, f"training a tokenizer of {entries} entries on the corpus")
    tokenizer = trained_tokenizer(files, config, entries, eos=options.eos)
    _refuse_another(out, tokenizer)
    if tokenizer.n_entries < entries:
        say(console, f"the corpus is too small for that: the tokenizer has {tokenizer.n_entries}")
    return tokenizer


def with_tokenizer(
    config: PrepareConfig, tokenizer: OutputTokenizer, options: PrepareOptions
) -> tuple[OutputTokenizer, PrepareConfig]:
    """The tokenizer for the config's delimiters, and the config with it."""
    tokenizer = tokenizer.for_delimiters(SCHEMES[config.delimiters], eos=options.eos)
    config = dataclasses.replace(
        config,
        tokenizer_sha256=tokenizer.sha256,
        tokenizer_entries=options.entries,
        eos=tokenizer.eos,
    )
    return tokenizer, config


def found_tokenizer(out: Place, options: PrepareOptions) -> OutputTokenizer | None:
    """The tokenizer that is given, or was trained for an output; None if it is to be trained."""
    if options.entries is None:
        return given_tokenizer(Path(options.tokenizer), eos=options.eos)
    if not is_output(out):
        return None
    try:
        known = {config.tokenizer_sha256 for config in known_configs(out)}
        return saved_tokenizer(out, known, eos=options.eos)
    except UserError:
        if options.repair:
            return None
        raise


def _refuse_another(out: Place, trained: OutputTokenizer) -> None:
    """Refuse a tokenizer that was trained to take the place of a lost one, if it is not the same.

    Raises:
      UserError: if the output's chunks were made with another.
    """
    known = {config.tokenizer_sha256 for config in known_configs(out)}
    if known and trained.sha256 not in known:
        msg = (
            f"the tokenizer that the shards of {out} were made with is lost, and the inputs as "
            f"they are now train another: put a copy of it at {out / 'tokenizer.json'}, or choose "
            "another --out"
        )
        raise UserError(msg)


def _settle_output(
    out: Place, plan: Plan, config: PrepareConfig, options: PrepareOptions, console: Console
) -> None:
    """Make a new output, or bring an old one to where the job can go on."""
    # Nothing is changed before the last of what may refuse.
    damaged, stale = chunks_to_take_back(out, plan, config, options)
    if options.repair:
        for path in misplaced(out):
            say(console, f"removed: {path}, a folder where a file belongs")
            remove([path])
    # Also when the output was copied without its notes: its config is in the manifest, which goes.
    begin(out, config)
    if options.repair:
        words = f"repair: {counted(len(damaged), 'damaged chunk')} to make again"
        say(console, words)
    if options.update:
        unfinish(out)
        say(console, f"update: {counted(len(stale), 'chunk')} out of date")
    take_back(out, [*damaged, *stale])
    if options.which is None:
        remove_temporary(out)
    which = options.which or WHOLE
    write_plan(plan, out / RUN, which, anew=options.update or options.repair)
    if options.update or which == WHOLE:
        forget_plans(out / RUN, which)


def chunks_to_take_back(
    out: Place, plan: Plan, config: PrepareConfig, options: PrepareOptions
) -> tuple[list[str], list[str]]:
    """(damaged, stale) digests of committed chunks, as the options ask for them.

    Raises:
      UserError: if the output is of another config, of other inputs, or in slices of another N.
    """
    if is_output(out):
        check_same_config(out, config, is_repair=options.repair)
    _refuse_other_slices(out, options)
    damaged = damaged_chunks(out) if options.repair else []
    if options.update:
        return damaged, stale_chunks(out, plan, config, damaged=damaged)
    # Slices take turns, and are to be short: of millions of chunks only the seals are compared.
    if options.which is None or not is_as_noted(out / RUN, plan):
        refuse_changes(out, plan, config, damaged=damaged)
    return damaged, []


def _refuse_other_slices(out: Place, options: PrepareOptions) -> None:
    """Refuse to mix slices of several N: nobody could say which are missing.

    Raises:
      UserError: if others have begun with another N.
    """
    if options.which is None or options.update:
        return
    noted = noted_counts(out / RUN) - {options.which[1], WHOLE[1]}
    if noted:
        msg = (
            f"{out} is being made in {min(noted)} slices, not {options.which[1]}: give --slice I/N "
            "with that N, or run prepare without --slice for all that is left"
        )
        raise UserError(msg)


def _settle_saved(
    out: Place, tokenizer: OutputTokenizer, config: PrepareConfig, console: Console
) -> None:
    """Workers load what is saved: save it again if it is not what the config names."""
    if config.tokenizer_entries is not None:
        keep_trained(out, tokenizer)
    for path in tokenizer.save(out):
        say(console, f"{path} was damaged or gone, written again")
