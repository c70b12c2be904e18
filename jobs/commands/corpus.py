"""Commands from raw text to shards: sample-corpus, segment, prepare, finish."""

import shlex
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from jobs.commands.app import app, beam_argv, exit_by, placed
from schemas.config import CONFIGS, ENCODING_ERRORS, PrepareConfig
from schemas.delimiters import SCHEMES
from schemas.words import counted

Delimiters = StrEnum("Delimiters", {name: name for name in SCHEMES})
EncodingErrors = StrEnum("EncodingErrors", {name: name for name in ENCODING_ERRORS})
MaxDocumentBytes = Annotated[int, typer.Option(min=1, help="Longer documents are rejected.")]


@app.command(
    name="sample-corpus",
    epilog="Example: **duologue sample-corpus corpus**",
)
def sample_corpus(
    out: Annotated[Path, typer.Argument(help="Folder to write, new or empty.")],
) -> None:
    """Write the prose that this Python install carries: real text, offline."""
    from jobs.sample_corpus import write_sample_corpus
    from jobs.view import on_one_line

    written = write_sample_corpus(out)
    n_files, n_bytes = sum(written.files.values()), sum(written.size_bytes.values())
    print(f"{on_one_line(str(out))}: {counted(n_files, 'file')}, {n_bytes / 1e6:.1f} MB")
    for part, count in written.files.items():
        print(f"  {part}: {counted(count, 'file')}, {written.size_bytes[part] / 1e6:.1f} MB")


@app.command(epilog="Example: **duologue segment --view FAQ.md**")
def segment(
    files: Annotated[list[str], typer.Argument(help="Files or folders; - is standard input.")],
    view: Annotated[bool, typer.Option("--view", help="Show the text in colour instead.")] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say why lines were or were not taken.")
    ] = False,
    format: Annotated[str | None, typer.Option(help="One reader for all files.")] = None,
    text_column: Annotated[str, typer.Option(help="Of JSONL and Parquet.")] = "text",
    max_document_bytes: MaxDocumentBytes = 64 << 20,
) -> None:
    """Find the episodes of files: one JSON line a span, offsets in bytes."""
    from jobs.segment import segment_files

    _check_format(format)
    exit_by(
        segment_files(
            files,
            reader=format,
            text_column=text_column,
            max_document_bytes=max_document_bytes,
            view=view,
            explain=explain,
        )
    )


@app.command(
    epilog="Example: **duologue prepare corpus --out shards --tokenizer train:8192**. "
    "Beam's own options follow **--**: "
    "**duologue prepare gs://bucket/raw --out /shared/shards -- --runner=FlinkRunner**"
)
def prepare(
    inputs: Annotated[list[str], typer.Argument(help="Files, folders, globs or URLs.")],
    out: Annotated[
        str,
        typer.Option(metavar="FOLDER", help="Of the shards, or a URL; the same command resumes."),
    ],
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
    max_document_bytes: MaxDocumentBytes = 64 << 20,
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
    repair: Annotated[
        bool,
        typer.Option(
            "--repair",
            help="Make what is damaged again: shards, records, manifest, card, tokenizer.",
        ),
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Fail where exit 3 would be.")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Print the plan, write nothing.")] = False,
) -> None:
    """Turn raw text into Arrow shards of tokenised two-player episodes."""
    from rich.console import Console

    from jobs.prepare.command import prepare as run
    from jobs.prepare.estimate import show_plan
    from jobs.prepare.options import PrepareOptions
    from jobs.prepare.outcome import show_outcome

    _check_format(format)
    _check_tokenizer(tokenizer)
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
        beam=tuple(beam_argv),
    )
    console, folder = Console(stderr=True), placed(out)
    if plan:
        show_plan(inputs, folder, config, options, console=console)
        return
    manifest = run(inputs, folder, config, options, console=console)
    if manifest is None:
        print(f"slice {slice} is done; when all are: duologue finish {shlex.quote(str(folder))}")
        return
    exit_by(show_outcome(folder, manifest), strict=strict)


@app.command(epilog="Example: **duologue finish shards**")
def finish(
    out: Annotated[
        str, typer.Argument(metavar="FOLDER", help="Output whose slices are all done, or its URL.")
    ],
    strict: Annotated[bool, typer.Option("--strict", help="Fail where exit 3 would be.")] = False,
) -> None:
    """Write the manifest and card of an output that slices have made."""
    from jobs.prepare.command import finish as run
    from jobs.prepare.outcome import show_outcome

    folder = placed(out)
    exit_by(show_outcome(folder, run(folder)), strict=strict)


def _check_format(name: str | None) -> None:
    if name is not None:
        from pipeline.readers import READER_OF_NAME

        if name not in READER_OF_NAME:
            msg = f"{name!r} is not one of {', '.join(READER_OF_NAME)}."
            raise typer.BadParameter(msg, param_hint="--format")


def _check_tokenizer(given: str) -> None:
    name, colon, entries = given.partition(":")
    if name == "train" and colon and not entries.isdecimal():
        msg = f"{given!r} is not train:N, N entries, such as train:32768."
        raise typer.BadParameter(msg, param_hint="--tokenizer")


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
        msg = f"{given!r} is not I/N, the Ith of N slices, such as 1/4, 2/4, 3/4 and 4/4."
        raise typer.BadParameter(msg, param_hint="--slice")
    return int(index) % int(count), int(count)
