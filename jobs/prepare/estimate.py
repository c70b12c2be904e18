"""`duologue prepare --plan`: what a run would do and take."""

from collections import Counter

from rich.console import Console

from jobs.prepare.inputs import list_files
from jobs.prepare.options import PrepareOptions
from jobs.prepare.settle import chunks_to_take_back, found_tokenizer, with_tokenizer
from jobs.view import on_one_line
from pipeline.changes import incomplete_chunks
from pipeline.commit import committed
from pipeline.output import check_free, check_places, is_output
from pipeline.plan import Plan, make_plan
from pipeline.remote import Place, check_stores
from pipeline.supervise import n_cores
from pipeline.tape import Tape
from schemas.config import PrepareConfig
from schemas.words import counted

# Of English prose and documentation.
BYTES_PER_TOKEN = 4
DISK_BYTES_PER_TOKEN = 3.5
BYTES_PER_WORKER_SECOND = 2_000_000


def show_plan(
    inputs: list[str],
    out: Place,
    config: PrepareConfig,
    options: PrepareOptions,
    *,
    console: Console,
) -> None:
    """Print what a run would do, and what it would take; writes nothing.

    Raises:
      UserError: as `prepare` would; over what an output holds, after the plan is printed.
    """
    check_stores([*inputs, str(out)])
    files, left_out = list_files(inputs, out, config, console)
    check_free(out)
    if tokenizer := found_tokenizer(out, options):
        _, config = with_tokenizer(config, tokenizer, options)
    plan = make_plan(files, left_out, config)
    counts = Counter(part.reader for chunk in plan.chunks for part in chunk.ranges)
    n_files, n_chunks = counted(len(plan.files), "file"), counted(len(plan.chunks), "chunk")
    print(f"{n_files}, {plan.n_bytes / 1e6:.1f} MB, {n_chunks}")
    for name, count in sorted(counts.items()):
        print(f"  {name}: {counted(count, 'range')} of files")
    for name in plan.uncut:
        print(f"  cannot be cut, read as one: {on_one_line(name)}")
    workers = options.workers or n_cores()
    tokens = plan.n_bytes / BYTES_PER_TOKEN
    disk = tokens * DISK_BYTES_PER_TOKEN * len(config.configs)
    minutes = plan.n_bytes / BYTES_PER_WORKER_SECOND / min(workers, len(plan.chunks)) / 60
    size = f"{tokens / 1e6:.1f} million" if tokens >= 1e5 else f"{tokens:.0f}"
    words = f"{minutes:.0f} minutes" if minutes >= 1.5 else "a minute or less"
    print(
        f"about {size} tokens, at most {max(disk / 1e6, 1):.0f} MB on disk, "
        f"{words} with {counted(workers, 'worker')} (a rough estimate; nothing was written)"
    )
    if is_output(out):
        if tokenizer:
            _show_standing(out, plan, config, options)
        else:
            print(f"{on_one_line(str(out))}: its tokenizer is lost, and would be trained again")


def _show_standing(out: Place, plan: Plan, config: PrepareConfig, options: PrepareOptions) -> None:
    """Print what of the plan an output has, or refuse it as a run would."""
    if not options.repair:
        check_places(out)
    damaged, stale = chunks_to_take_back(out, plan, config, options)
    again = {*damaged, *stale}
    names = Tape(chunk.digest for chunk in plan.chunks)
    again.update(incomplete_chunks(out, (name for name in names if name not in again)))
    kept = len(committed(out).intersection(names) - again)
    words = f"{on_one_line(str(out))}: {kept} of {counted(len(names), 'chunk')} committed already"
    if again:
        words += f", {counted(len(again), 'committed chunk')} damaged, gone or out of date"
    print(words)
