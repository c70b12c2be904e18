"""The command line: thin commands that build a config and call one function.

Heavy imports wait until a command runs, so that `--help` is quick.
"""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from schemas.config import CONFIGS, ENCODING_ERRORS, PrepareConfig
from schemas.delimiters import SCHEMES
from schemas.errors import UserError
from transforms.annotate import OBJECTIVES

EXIT_FAILED = 1
EXIT_DAMAGED = 3

Delimiters = StrEnum("Delimiters", {name: name for name in SCHEMES})
EncodingErrors = StrEnum("EncodingErrors", {name: name for name in ENCODING_ERRORS})
Config = StrEnum("Config", {name: name for name in CONFIGS})
ExportFormat = StrEnum("ExportFormat", ["messages"])
Objective = StrEnum("Objective", {name: name for name in OBJECTIVES})
Device = StrEnum("Device", {name: name for name in ("auto", "cpu", "cuda")})
Cues = StrEnum("Cues", {name: name for name in ("stripped", "kept")})
Precision = StrEnum("Precision", {name: name for name in ("float32", "bfloat16")})

# Options that several commands share.
PreparedFolder = Annotated[Path, typer.Argument(help="Output of duologue prepare.")]
Model = Annotated[
    str, typer.Option(help="1m, 10m, 124m, a JSON file of a LlamaConfig, or a model folder.")
]
Context = Annotated[int, typer.Option(min=8, help="Tokens of a packed row.")]
Steps = Annotated[int | None, typer.Option(min=1, help="Optimizer steps; default one epoch.")]
BatchRows = Annotated[int, typer.Option(min=1, help="Packed rows of a step.")]
MicroRows = Annotated[int, typer.Option(min=1, help="Packed rows at once; memory.")]
LearningRate = Annotated[float, typer.Option(help="After the warm-up.")]
OnDevice = Annotated[Device, typer.Option(help="auto takes a GPU if there is one.")]

app = typer.Typer(
    name="duologue",
    help="Raw text to two-player episodes: who asks, who answers, for every token.",
    epilog="Start with: **duologue sample-corpus corpus**, "
    "then **duologue prepare corpus --out shards**",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)

_beam_argv: list[str] = []
"""What follows `--`: Beam's own options. Taken off by `main`, before typer sees the rest."""


@app.command(
    name="sample-corpus",
    epilog="Example: **duologue sample-corpus corpus**",
)
def sample_corpus(
    out: Annotated[Path, typer.Argument(help="Folder to write, new or empty.")],
) -> None:
    """Write the prose that this Python install carries: real text, offline."""
    from jobs.sample_corpus import write_sample_corpus

    written = write_sample_corpus(out)
    n_files, n_bytes = sum(written.files.values()), sum(written.size_bytes.values())
    print(f"{out}: {n_files} files, {n_bytes / 1e6:.1f} MB")
    for part, count in written.files.items():
        print(f"  {part}: {count} files, {written.size_bytes[part] / 1e6:.1f} MB")


@app.command(epilog="Example: **duologue segment --view FAQ.md**")
def segment(
    files: Annotated[list[str], typer.Argument(help="Text, JSONL or Parquet files.")],
    view: Annotated[bool, typer.Option("--view", help="Show the text in colour instead.")] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say why lines were or were not taken.")
    ] = False,
    format: Annotated[str | None, typer.Option(help="One reader for all files.")] = None,
    text_column: Annotated[str, typer.Option(help="Of JSONL and Parquet.")] = "text",
) -> None:
    """Find the episodes of files: one JSON line a span, offsets in bytes."""
    from jobs.segment import segment_files

    _check_format(format)
    segment_files(files, reader=format, text_column=text_column, view=view, explain=explain)


@app.command(
    epilog="Example: **duologue prepare corpus --out shards --tokenizer train:8192**. "
    "Beam's own options follow **--**: "
    "**duologue prepare gs://bucket/raw --out /shared/shards -- --runner=FlinkRunner**"
)
def prepare(
    inputs: Annotated[list[str], typer.Argument(help="Files, folders, globs or URLs.")],
    out: Annotated[Path, typer.Option(help="Folder of the shards; the same command resumes.")],
    tokenizer: Annotated[
        str, typer.Option(help="A tokenizer.json, a model folder, or train:N.")
    ] = "train:32768",
    eos: Annotated[str | None, typer.Option(help="End-of-turn token.")] = None,
    delimiters: Annotated[Delimiters, typer.Option(help="What stands around turns.")] = "eos",
    configs: Annotated[
        list[str] | None, typer.Option(help="documents, episodes, or both by comma.")
    ] = None,
    format: Annotated[str | None, typer.Option(help="One reader for all inputs.")] = None,
    text_column: Annotated[str, typer.Option(help="Of JSONL and Parquet.")] = "text",
    id_column: Annotated[str | None, typer.Option(help="Replaces source and text in ids.")] = None,
    source_column: Annotated[str | None, typer.Option(help="Replaces the path as source.")] = None,
    max_tokens: Annotated[
        int | None,
        typer.Option(
            min=4,
            help="Split longer rows, between turns; what does not fit is left out.",
        ),
    ] = None,
    holdout: Annotated[
        float, typer.Option(min=0, max=0.49, help="Share of validation and of test, each.")
    ] = 0.01,
    chunk_bytes: Annotated[
        int, typer.Option(min=1024, max=1 << 30, help="Text of a unit of work.")
    ] = 32 << 20,
    max_document_bytes: Annotated[
        int, typer.Option(min=1, help="Longer documents are rejected.")
    ] = 64 << 20,
    encoding_errors: Annotated[
        EncodingErrors, typer.Option(help="What to do with invalid UTF-8.")
    ] = "reject",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Local processes; default one a core.")
    ] = None,
    slice: Annotated[
        str | None, typer.Option(metavar="I/N", help="Every Nth chunk; then duologue finish.")
    ] = None,
    update: Annotated[bool, typer.Option("--update", help="Take changed inputs in.")] = False,
    repair: Annotated[bool, typer.Option("--repair", help="Make damaged shards again.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Fail where exit 3 would be.")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Print the plan, write nothing.")] = False,
) -> None:
    """Turn raw text into Arrow shards of tokenised two-player episodes."""
    from rich.console import Console

    from jobs.prepare import PrepareOptions, show_outcome, show_plan
    from jobs.prepare import prepare as run

    _check_format(format)
    config = PrepareConfig(
        tokenizer_sha256="",
        eos=eos or "",
        delimiters=str(delimiters),
        configs=_configs(configs),
        format=format,
        text_column=text_column,
        id_column=id_column,
        source_column=source_column,
        max_tokens=max_tokens,
        holdout=holdout,
        chunk_bytes=chunk_bytes,
        max_document_bytes=max_document_bytes,
        encoding_errors=str(encoding_errors),
    )
    options = PrepareOptions(
        tokenizer=tokenizer,
        eos=eos,
        workers=workers,
        which=_slice(slice),
        update=update,
        repair=repair,
        beam=tuple(_beam_argv),
    )
    console = Console(stderr=True)
    if plan:
        show_plan(inputs, out, config, options)
        return
    manifest = run(inputs, out, config, options, console=console)
    if manifest is None:
        print(f"slice {slice} is done; when all are: duologue finish {out}")
        return
    _exit_by(show_outcome(out, manifest), strict=strict)


@app.command(epilog="Example: **duologue finish shards**")
def finish(
    out: Annotated[Path, typer.Argument(help="Output whose slices are all done.")],
    strict: Annotated[bool, typer.Option("--strict", help="Fail where exit 3 would be.")] = False,
) -> None:
    """Write the manifest and card of an output that slices have made."""
    from jobs.prepare import finish as run
    from jobs.prepare import show_outcome

    _exit_by(show_outcome(out, run(out)), strict=strict)


@app.command(epilog="Example: **duologue inspect shards --config episodes -n 5**")
def inspect(
    folder: PreparedFolder,
    config: Annotated[str | None, typer.Option(help="documents or episodes.")] = None,
    split: Annotated[str, typer.Option(help="train, validation or test.")] = "train",
    n: Annotated[int, typer.Option("-n", "--rows", min=0, help="How many rows to show.")] = 3,
    seed: Annotated[int, typer.Option(help="Which rows are drawn.")] = 0,
) -> None:
    """Show what an output holds: counts, and a few rows coloured by player."""
    from rich.console import Console

    from jobs.inspect import inspect as run

    run(folder, console=Console(), config=config, split=split, n_rows=n, seed=seed)


@app.command(epilog="Example: **duologue verify shards**")
def verify(
    folder: PreparedFolder,
) -> None:
    """Check every shard against the manifest and every row against what is promised of it."""
    from jobs.verify import verify as run
    from jobs.view import escape

    faults = list(run(folder))
    for fault in faults:
        print(escape(fault), file=sys.stderr)
    if faults:
        msg = (
            f"{folder}: {len(faults)} faults, named above; its duologue prepare with --repair "
            "makes missing and damaged shards again"
        )
        raise UserError(msg)
    print(f"{folder}: no faults")


@app.command(
    epilog="Example: **duologue train shards --out run --model 10m --objective player-two**. "
    "On several GPUs: **torchrun --nproc-per-node 8 -m jobs.cli train shards --out run**"
)
def train(
    folder: PreparedFolder,
    out: Annotated[Path, typer.Option(help="Folder of the run; the same command resumes.")],
    model: Model = "10m",
    objective: Annotated[Objective, typer.Option(help="Whose actions are learned.")] = "all",
    config: Annotated[Config, typer.Option(help="Which rows.")] = "documents",
    context: Context = 1024,
    steps: Steps = None,
    batch_rows: BatchRows = 16,
    micro_rows: MicroRows = 4,
    learning_rate: LearningRate = 1e-3,
    warmup_steps: Annotated[
        int | None, typer.Option(min=0, help="Of rising rate; default a tenth, 100 at most.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of weights and order.")] = 0,
    device: OnDevice = "auto",
    precision: Annotated[
        Precision | None, typer.Option(help="Of activations; default bfloat16 on a GPU.")
    ] = None,
    compile: Annotated[bool, typer.Option("--compile", help="Compile the model.")] = False,
    deterministic: Annotated[
        bool, typer.Option("--deterministic", help="Only kernels that repeat bit for bit.")
    ] = False,
    save_every: Annotated[int, typer.Option(min=1, help="Steps between checkpoints.")] = 500,
    validate_every: Annotated[
        int, typer.Option(min=0, help="Steps between looks at validation; 0 is never.")
    ] = 500,
) -> None:
    """Train a policy on prepared episodes or documents by behaviour cloning."""
    from rich.console import Console

    from jobs.train.command import TrainOptions, train_policy
    from jobs.train.loop import TrainConfig

    options = TrainOptions(
        model=model,
        config=str(config),
        device=str(device),
        save_every=save_every,
        validate_every=validate_every,
    )
    settings = TrainConfig(
        steps=steps,
        objective=str(objective),
        context=context,
        batch_rows=batch_rows,
        micro_rows=micro_rows,
        learning_rate=learning_rate,
        warmup_steps=warmup_steps,
        seed=seed,
        precision=str(precision) if precision else None,
        compile=compile,
        deterministic=deterministic,
    )
    train_policy(folder, out, options, settings, console=Console(stderr=True))


@app.command(epilog="Example: **duologue pack shards --out packed --context 1024**")
def pack(
    folder: PreparedFolder,
    out: Annotated[Path, typer.Option(help="Folder to write, new or empty.")],
    context: Annotated[int, typer.Option(help="Tokens of a packed row, at least 5.")] = 1024,
    config: Annotated[Config, typer.Option(help="Whose rows are packed.")] = "documents",
    objective: Annotated[Objective, typer.Option(help="Whose tokens are in the loss.")] = "all",
) -> None:
    """Pack rows into contexts for training, each behind a BOS; TRL takes them as they are."""
    from rich.console import Console

    from jobs.pack import PackConfig, show_packing
    from jobs.pack import pack as run

    chosen = PackConfig(context=context, config=str(config), objective=str(objective))
    show_packing(out, run(folder, out, chosen, console=Console(stderr=True)))


@app.command(epilog="Example: **duologue export shards --out chats --format messages**")
def export(
    folder: PreparedFolder,
    out: Annotated[Path, typer.Option(help="Folder to write, new or empty.")],
    format: Annotated[  # noqa: ARG001 so far there is one
        ExportFormat, typer.Option(help="messages: chat examples of user and assistant.")
    ] = "messages",
    parquet: Annotated[
        bool, typer.Option("--parquet", help="Parquet instead of JSON lines.")
    ] = False,
) -> None:
    """Write episodes as chat examples, for any trainer that reads them."""
    from rich.console import Console

    from jobs.export import export_messages, show_export

    console = Console(stderr=True)
    show_export(out, export_messages(folder, out, is_parquet=parquet, console=console))


@app.command(
    epilog="Example: **duologue compare shards --out comparison --model 10m --plan**, "
    "then the same without **--plan**"
)
def compare(
    folder: PreparedFolder,
    out: Annotated[Path, typer.Option(help="Folder of the comparison; the same command resumes.")],
    arms: Annotated[
        str, typer.Option(help="By comma, of raw, eos, tags, placebo, swapped.")
    ] = "raw,tags,placebo,swapped",
    seeds: Annotated[int, typer.Option(help="Paired seeds, at least 6.")] = 6,
    model: Model = "10m",
    cues: Annotated[
        Cues, typer.Option(help='Native labels such as "Q:" in the text.')
    ] = "stripped",
    context: Context = 1024,
    steps: Steps = None,
    batch_rows: BatchRows = 16,
    micro_rows: MicroRows = 4,
    learning_rate: LearningRate = 1e-3,
    device: OnDevice = "auto",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Runs side by side; default one a core, or a GPU.")
    ] = None,
    deterministic: Annotated[
        bool, typer.Option("--deterministic", help="Only kernels that repeat bit for bit.")
    ] = False,
    plan: Annotated[
        bool, typer.Option("--plan", help="Say runs, time, disk and power; write nothing.")
    ] = False,
) -> None:
    """Train the same content with and without structure, and say what difference it makes."""
    from rich.console import Console

    from jobs.compare.command import CompareOptions, plan_comparison
    from jobs.compare.command import compare as run
    from jobs.compare.config import ComparisonConfig
    from jobs.compare.report import write_report
    from jobs.compare.wording import print_summary
    from jobs.train.loop import TrainConfig

    config = ComparisonConfig(
        model=model,
        arms=tuple(arms.split(",")),
        n_seeds=seeds,
        cues=str(cues),
        train=TrainConfig(
            steps=steps,
            context=context,
            batch_rows=batch_rows,
            micro_rows=micro_rows,
            learning_rate=learning_rate,
            precision=None,
            deterministic=deterministic,
        ),
    )
    options = CompareOptions(device=str(device), workers=workers)
    if plan:
        plan_comparison(folder, config, options, console=Console())
        return
    results = run(folder, out, config, options, console=Console(stderr=True))
    write_report(results, out / "report.html")
    print_summary(results, Console())
    print(f"report: {out / 'report.html'}")
    _exit_by(all(run.error is None for run in results.runs), strict=False)


@app.command(epilog="Example: **duologue report comparison --out report.html**")
def report(
    results: Annotated[
        list[Path],
        typer.Argument(help="results.jsonl files of one comparison, or the folders they are in."),
    ],
    out: Annotated[Path, typer.Option(help="HTML file to write.")] = Path("report.html"),
) -> None:
    """Write what a comparison found as one page, and say it in lines."""
    from rich.console import Console

    from jobs.compare.report import write_report
    from jobs.compare.results import read_results
    from jobs.compare.wording import print_summary

    found = read_results(results)
    write_report(found, out)
    print_summary(found, Console())
    print(out)


def _check_format(name: str | None) -> None:
    if name is not None:
        from pipeline.readers import READER_OF_NAME

        if name not in READER_OF_NAME:
            msg = f"{name!r} is not one of {', '.join(READER_OF_NAME)}."
            raise typer.BadParameter(msg, param_hint="--format")


def _configs(given: list[str] | None) -> tuple[str, ...]:
    names = [name for each in given or CONFIGS for name in each.split(",")]
    if unknown := [name for name in names if name not in CONFIGS]:
        msg = f"{unknown[0]!r} is not one of {', '.join(CONFIGS)}."
        raise typer.BadParameter(msg, param_hint="--configs")
    return tuple(name for name in CONFIGS if name in names)


def _slice(given: str | None) -> tuple[int, int] | None:
    """(I, N); I counts from 0 or from 1: the Nth of N is the 0th."""
    if given is None:
        return None
    index, _, count = given.partition("/")
    if not (index.isdecimal() and count.isdecimal() and 0 <= int(index) <= int(count) > 0):
        msg = f"{given!r} is not I/N with I from 0 to N."
        raise typer.BadParameter(msg, param_hint="--slice")
    return int(index) % int(count), int(count)


def _exit_by(is_whole: bool, *, strict: bool) -> None:
    if not is_whole:
        raise typer.Exit(EXIT_FAILED if strict else EXIT_DAMAGED)


def main(argv: list[str] | None = None) -> Any:  # noqa: ANN401 never returns
    """Run the command that argv names and exit.

    Exit codes: 0 done; 1 failed, one line says why; 2 argv is not understood; 3 done, but inputs
    were damaged or documents rejected.
    """
    argv = sys.argv[1:] if argv is None else argv
    has_beam_options = argv[:1] == ["prepare"] and "--" in argv
    at = argv.index("--") if has_beam_options else len(argv)
    _beam_argv[:] = argv[at + 1 :]
    try:
        app(argv[:at], prog_name="duologue")
    except ModuleNotFoundError as error:
        # Workers of a cluster do without what only train, compare and report need.
        print(
            f"duologue: {argv[0]} needs the package {error.name}: pip install '.[train]'",
            file=sys.stderr,
        )
        sys.exit(EXIT_FAILED)
    except (UserError, OSError) as error:
        from jobs.view import escape

        # Names of files come from outside, and a message is one line.
        print(f"duologue: {escape(' '.join(str(error).split()))}", file=sys.stderr)
        sys.exit(EXIT_FAILED)


if __name__ == "__main__":
    main()
