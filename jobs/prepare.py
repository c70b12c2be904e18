"""`duologue prepare`: raw text in, tokenised two-player episodes out."""

import dataclasses
import math
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from jobs.view import on_one_line
from pipeline.changes import (
    damaged_chunks,
    incomplete_chunks,
    refuse_changes,
    stale_chunks,
    take_back,
)
from pipeline.commit import (
    REJECTED,
    RUN,
    forget_pieces,
    is_committed,
    locked,
    settling,
    sweep,
)
from pipeline.inputs import InputFile, list_inputs
from pipeline.manifest import write_manifest
from pipeline.output import (
    MANIFEST,
    begin,
    check_free,
    check_same_config,
    is_output,
    known_configs,
    read_config,
    settle_places,
    unfinish,
)
from pipeline.plan import (
    WHOLE,
    Plan,
    by_suffix,
    forget_plans,
    left_out_words,
    make_plan,
    noted_slices,
    read_plan,
    reader_for,
    usable_files,
    write_plan,
)
from pipeline.readers import INVALID_UTF8, MENDS, READER_OF_NAME, check_column
from pipeline.supervise import run_driver, write_options
from pipeline.tokenizer import (
    OutputTokenizer,
    given_tokenizer,
    keep_trained,
    load_output_tokenizer,
    saved_tokenizer,
    trained_tokenizer,
)
from schemas.config import MIN_TEST_SOURCES, PrepareConfig
from schemas.delimiters import SCHEMES
from schemas.errors import UserError
from schemas.words import counted

PLAIN_PROGRESS_SECONDS = 10
_TRAIN = re.compile(r"train:([0-9]+)")
MAX_NAMED = 5
# The most that is proposed for test, and as much for validation: half is left to train on.
MAX_HOLDOUT = 0.25

# Of English prose and documentation, for the estimate of --plan.
BYTES_PER_TOKEN = 4
DISK_BYTES_PER_TOKEN = 3.5
BYTES_PER_WORKER_SECOND = 2_000_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class PrepareOptions:
    """What decides how a run goes, but not what it writes.

    Attributes:
      tokenizer: a tokenizer.json, a model folder, or "train:N".
      eos: the end-of-turn token; None finds it.
      workers: local worker processes; None is one a core.
      which: (I, N) for every Nth chunk from the Ith, or None for all and the manifest.
      update: take changed inputs in.
      repair: make what is damaged again.
      beam: Beam's own options.
    """

    tokenizer: str
    eos: str | None = None
    workers: int | None = None
    which: tuple[int, int] | None = None
    update: bool = False
    repair: bool = False
    beam: tuple[str, ...] = ()


def list_files(
    inputs: list[str], out: Path, config: PrepareConfig, console: Console
) -> tuple[list[InputFile], list[InputFile]]:
    """The files to read, and those that no reader takes; columns are checked.

    The first of the latter, what else is left out and what is read twice are named on the console.

    Raises:
      UserError: no such input, no usable file, or a column that is not there.
    """
    if config.format is not None and config.format not in READER_OF_NAME:
        msg = f"--format {config.format}: expected one of {[*READER_OF_NAME]}"
        raise UserError(msg)

    listed = list_inputs(inputs, exclude=out, say=lambda line: _say(console, line))
    files, left_out = usable_files(listed, reader=config.format)
    if left_out:
        _say(console, left_out_words(by_suffix(left_out), (file.relative for file in left_out)))
    checked = set()
    for file in files:
        reader = reader_for(file, config.format)
        if reader.name not in checked:
            # The first file of a format stands for all; records that differ are rejected singly.
            checked.add(reader.name)
            _check_columns(file, reader.columns(file), config)
    return files, left_out


def _say(console: Console, words: str) -> None:
    """Print a line that may name files: nothing in it is markup, and its end is the terminal's."""
    console.print(on_one_line(words), highlight=False, markup=False, soft_wrap=True)


def _check_columns(file: InputFile, columns: list[str] | None, config: PrepareConfig) -> None:
    if columns is None:
        return
    options = {
        "--text-column": config.text_column,
        "--id-column": config.id_column,
        "--source-column": config.source_column,
    }
    for option, column in options.items():
        if column is not None:
            check_column(file, columns, option, column)


def prepare(
    inputs: list[str],
    out: Path,
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
    files, left_out = list_files(inputs, out, config, console)
    check_free(out)
    is_slice = options.which is not None
    with locked(out, is_slice=is_slice) as lock:
        with settling(out, lock, alone=is_slice and (options.update or options.repair)):
            if not options.repair:
                settle_places(out, is_repair=False)
            tokenizer, config = _settle_tokenizer(files, out, config, options, console)
            plan = make_plan(files, left_out, config)
            _settle_output(out, plan, config, options, console)
            _settle_saved(out, tokenizer, config, console)
        _run(out, plan, options, lock, console)
        if options.which:
            return None
        # A worker that was killed amid the run has left a temporary file.
        sweep(out)
        return write_manifest(out, plan, config, tokenizer)


def finish(out: Path) -> dict[str, Any]:
    """Write manifest and card of an output whose slices are all done; returns the manifest.

    Raises:
      UserError: if it is no output, or chunks are missing.
    """
    config = read_config(out)
    with locked(out):
        sweep(out)
        plan = read_plan(out / RUN)
        _refuse_missing(out, plan)
        for lost in incomplete_chunks(out, (chunk.digest for chunk in plan.chunks)).values():
            msg = f"{out / lost[0]} is gone or cut short: run prepare again with the same options"
            raise UserError(msg)
        return write_manifest(out, plan, config, load_output_tokenizer(out))


def _refuse_missing(out: Path, plan: Plan) -> None:
    """Refuse to finish while chunks are missing, naming the slices that are to be run.

    Raises:
      UserError: if any is.
    """
    is_missing = [not is_committed(out, chunk.digest) for chunk in plan.chunks]
    counts = {count for _, count in noted_slices(out / RUN)}
    if not any(is_missing) or len(counts) != 1:
        return  # Slices of several counts: write_manifest names a chunk.
    [count] = counts
    lacking = [index for index in range(count) if any(is_missing[index::count])]
    names = [f"{index}/{count}" for index in lacking[:MAX_NAMED]]
    names += [f"{len(lacking) - MAX_NAMED} more"] * (len(lacking) > MAX_NAMED)
    which = f"--slice {' and '.join(names)}" if count > 1 else "the same options"
    msg = (
        f"{out} is not whole: {sum(is_missing)} of {counted(len(is_missing), 'chunk')} are not "
        f"committed; run prepare again with {which}, then finish"
    )
    raise UserError(msg)


def _settle_tokenizer(
    files: list[InputFile],
    out: Path,
    config: PrepareConfig,
    options: PrepareOptions,
    console: Console,
) -> tuple[OutputTokenizer, PrepareConfig]:
    """The output's tokenizer, and the config with it; trained or saved if the output is new."""
    entries = _entries(options)
    tokenizer = _found_tokenizer(out, options)
    if tokenizer is None:
        _say(console, f"training a tokenizer of {entries} entries on the corpus")
        tokenizer = trained_tokenizer(files, config, entries, eos=options.eos)
        _refuse_another(out, tokenizer)
        if tokenizer.n_entries < entries:
            _say(
                console,
                f"the corpus is too small for that: the tokenizer has {tokenizer.n_entries}",
            )
    tokenizer, config = _with_tokenizer(config, tokenizer, options)
    if not is_output(out):
        tokenizer.save(out)
    return tokenizer, config


def _entries(options: PrepareOptions) -> int | None:
    """N of "train:N"; None for a tokenizer that is given."""
    found = _TRAIN.fullmatch(options.tokenizer)
    return int(found[1]) if found else None


def _with_tokenizer(
    config: PrepareConfig, tokenizer: OutputTokenizer, options: PrepareOptions
) -> tuple[OutputTokenizer, PrepareConfig]:
    tokenizer = tokenizer.for_delimiters(SCHEMES[config.delimiters], eos=options.eos)
    config = dataclasses.replace(
        config,
        tokenizer_sha256=tokenizer.sha256,
        tokenizer_entries=_entries(options),
        eos=tokenizer.eos,
    )
    return tokenizer, config


def _refuse_another(out: Path, trained: OutputTokenizer) -> None:
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


def _found_tokenizer(out: Path, options: PrepareOptions) -> OutputTokenizer | None:
    """The tokenizer that is given, or was trained for an output; None if it is to be trained."""
    if _entries(options) is None:
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


def _settle_output(
    out: Path, plan: Plan, config: PrepareConfig, options: PrepareOptions, console: Console
) -> None:
    """Make a new output, or bring an old one to where the job can go on."""
    # Nothing is changed before the last of what may refuse.
    if is_output(out):
        check_same_config(out, config, is_repair=options.repair)
    damaged = damaged_chunks(out) if options.repair else []
    stale = stale_chunks(out, plan, config, damaged=damaged) if options.update else []
    if not options.update:
        refuse_changes(out, plan, config, damaged=damaged)
    settle_places(out, is_repair=options.repair)
    # Also when the output was copied without its notes: its config is in the manifest, which goes.
    begin(out, config)
    if options.repair:
        words = f"repair: {counted(len(damaged), 'damaged chunk')} to make again"
        _say(console, words)
    if options.update:
        unfinish(out)
        _say(console, f"update: {counted(len(stale), 'chunk')} out of date")
    take_back(out, [*damaged, *stale])
    if options.which is None:
        sweep(out)
    which = options.which or WHOLE
    write_plan(plan, out / RUN, which)
    if options.update or which == WHOLE:
        forget_plans(out / RUN, which)


def _settle_saved(
    out: Path, tokenizer: OutputTokenizer, config: PrepareConfig, console: Console
) -> None:
    """Workers load what is saved: save it again if it is not what the config names."""
    if config.tokenizer_entries is not None:
        keep_trained(out, tokenizer)
    try:
        is_saved = load_output_tokenizer(out) == tokenizer
    except UserError:
        is_saved = False
    if not is_saved:
        _say(console, f"{out / 'tokenizer.json'} was damaged or gone, written again")
        tokenizer.save(out)


def _run(out: Path, plan: Plan, options: PrepareOptions, lock: int, console: Console) -> None:
    which = options.which or WHOLE
    mine = [chunk.digest for chunk in plan.chunks[which[0] :: which[1]]]
    if incomplete := incomplete_chunks(out, mine):
        take_back(out, incomplete)
        lost = [path for paths in incomplete.values() for path in paths]
        more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
        _say(console, f"gone or cut short: {lost[0]}{more}; made again")
    # The pieces of a chunk are to be of one reading.
    pending = [digest for digest in mine if not is_committed(out, digest)]
    for digest in pending:
        forget_pieces(out, digest)
    before = len(mine) - len(pending)
    if pending:
        unfinish(out)
    if not mine:
        _say(console, "no chunk falls to this slice")
        return
    if before == len(mine):
        console.print(
            f"committed already: {counted(len(mine), 'chunk')}, all there are", highlight=False
        )
        return
    if before:
        console.print(
            f"resuming: {before} of {counted(len(mine), 'chunk')} committed", highlight=False
        )
    workers = options.workers or _n_cores()
    write_options(out, {"workers": workers, "options": dataclasses.asdict(options)})
    with _progress(out, mine, console) as tick:
        run_driver(
            out,
            which,
            list(options.beam),
            workers=workers,
            lock=lock,
            tick=tick,
            say=lambda line: _say(console, line),
        )


def _n_cores() -> int:
    """Cores that this process may use; where the system does not say, all."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def _progress(out: Path, mine: list[str], console: Console) -> Iterator[Callable[[], None]]:
    """A bar on a terminal, a line now and then elsewhere; from what is committed."""
    waiting = set(mine)

    def committed() -> int:
        waiting.difference_update([each for each in waiting if is_committed(out, each)])
        return len(mine) - len(waiting)

    if console.is_terminal:
        columns = (TextColumn("prepare"), BarColumn(), MofNCompleteColumn(), TextColumn("chunks"))
        with Progress(*columns, TimeRemainingColumn(), console=console) as bar:
            task = bar.add_task("", total=len(mine), completed=committed())
            yield lambda: bar.update(task, completed=committed())
            bar.update(task, completed=committed())
        return
    spoken = time.monotonic()

    def tick() -> None:
        nonlocal spoken
        if time.monotonic() - spoken >= PLAIN_PROGRESS_SECONDS:
            spoken = time.monotonic()
            console.print(
                f"prepare: {committed()} of {counted(len(mine), 'chunk')}", highlight=False
            )

    yield tick


def show_plan(
    inputs: list[str],
    out: Path,
    config: PrepareConfig,
    options: PrepareOptions,
    *,
    console: Console,
) -> None:
    """Print what a run would do, and what it would take; writes nothing.

    Raises:
      UserError: as `prepare` would, before any work; of an output, after the plan is printed.
    """
    files, left_out = list_files(inputs, out, config, console)
    check_free(out)
    if tokenizer := _found_tokenizer(out, options):
        _, config = _with_tokenizer(config, tokenizer, options)
    plan = make_plan(files, left_out, config)
    counts = Counter(part.reader for chunk in plan.chunks for part in chunk.ranges)
    n_files, n_chunks = counted(len(plan.files), "file"), counted(len(plan.chunks), "chunk")
    print(f"{n_files}, {plan.n_bytes / 1e6:.1f} MB, {n_chunks}")
    for name, count in sorted(counts.items()):
        print(f"  {name}: {counted(count, 'range')} of files")
    for name in plan.uncut:
        print(f"  cannot be cut, read as one: {on_one_line(name)}")
    workers = options.workers or _n_cores()
    tokens = plan.n_bytes / BYTES_PER_TOKEN
    disk = tokens * DISK_BYTES_PER_TOKEN * len(config.configs)
    minutes = plan.n_bytes / BYTES_PER_WORKER_SECOND / min(workers, len(plan.chunks)) / 60
    size = f"{tokens / 1e6:.1f} million" if tokens >= 1e5 else f"{tokens:.0f}"
    words = f"{minutes:.0f} minutes" if minutes >= 1.5 else "a minute or less"
    print(
        f"about {size} tokens, at most {max(disk / 1e6, 1):.0f} MB on disk, "
        f"{words} with {counted(workers, 'worker')} (a rough estimate; nothing was written)"
    )
    if tokenizer and is_output(out):
        _show_standing(out, plan, config, options)


def _show_standing(out: Path, plan: Plan, config: PrepareConfig, options: PrepareOptions) -> None:
    """Print what of the plan an output has, or refuse it as a run would."""
    check_same_config(out, config, is_repair=options.repair)
    damaged = damaged_chunks(out) if options.repair else []
    stale = stale_chunks(out, plan, config, damaged=damaged) if options.update else []
    if not options.update:
        refuse_changes(out, plan, config, damaged=damaged)
    again = {*damaged, *stale}
    names = [chunk.digest for chunk in plan.chunks]
    kept = sum(name not in again and is_committed(out, name) for name in names)
    words = f"{on_one_line(str(out))}: {kept} of {counted(len(names), 'chunk')} committed already"
    if again:
        words += f", {counted(len(again), 'committed chunk')} damaged or out of date"
    print(words)


def show_outcome(out: Path, manifest: dict[str, Any]) -> bool:
    """Print what an output holds and lacks; returns whether nothing was rejected or damaged."""
    for name in manifest["config"]["configs"]:
        shards = [shard for shard in manifest["shards"] if shard["config"] == name]
        rows, tokens = (sum(shard[key] for shard in shards) for key in ("rows", "tokens"))
        drops = ", ".join(f"{n} {why}" for why, n in sorted(manifest["drops"][name].items()))
        dropped = f" (documents without a row: {drops})" if drops else ""
        sizes = ((rows, "row"), (tokens, "token"), (len(shards), "shard"))
        print(f"{name}: {', '.join(counted(*size) for size in sizes)}{dropped}")
        for why, count in sorted(manifest["episode_drops"][name].items()):
            print(f"{name}: {counted(count, 'episode')} left out, {why}")
    for why, count in sorted(manifest["rejected"].items()):
        print(
            f"rejected: {counted(count, 'document')}, {why}; see {on_one_line(str(out / REJECTED))}"
        )
    for why, mend in MENDS.items():
        if why in manifest["rejected"]:
            then = "in a new --out" if why == INVALID_UTF8 else "then run with --update"
            print(f"{mend}, {then}")
    damaged = manifest["damaged_inputs"]
    # Very many stand in a file of their own.
    listed = damaged if isinstance(damaged, list) else []
    for each in listed[:MAX_NAMED]:
        print(f"damaged: {on_one_line(each['source'])}: {on_one_line(each['reason'])}")
    more = (len(damaged) if listed else damaged["rows"] if damaged else 0) - MAX_NAMED
    if more > 0:
        print(f"damaged: and {more} more; see {MANIFEST}")
    if hint := _holdout_hint(manifest):
        print(hint)
    print(f"shards: {on_one_line(str(out))}")
    return not manifest["rejected"]


def _holdout_hint(manifest: dict[str, Any]) -> str | None:
    """What `duologue compare` lacks in the test split, and the --holdout that may give it."""
    found = sum(
        shard["rows"]
        for shard in manifest["shards"]
        if (shard["config"], shard["split"]) == ("documents", "test")
    )
    if "documents" not in manifest["config"]["configs"] or found >= MIN_TEST_SOURCES:
        return None
    documents = manifest["counts"]["documents"] - manifest["counts"]["documents_rejected"]
    # Twice what is needed: splits are drawn by hash, and not every document has an answer.
    wanted = 2 * MIN_TEST_SOURCES
    share = min(math.ceil(100 * wanted / max(documents, 1)) / 100, MAX_HOLDOUT)
    enough = math.ceil(wanted / MAX_HOLDOUT)
    larger = f"{counted(enough, 'document')} or more " if documents < enough else ""
    mend = f"prepare {larger}with --holdout {share}"
    return (
        f"test: {counted(found, 'document')}; duologue compare needs answers of {MIN_TEST_SOURCES} "
        f"test sources: for it, {mend}"
    )
