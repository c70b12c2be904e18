"""Commands on a prepared output: inspect, verify, pack, export."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from jobs.commands.app import (
    Config,
    Objective,
    PreparedFolder,
    PreparedPlace,
    Split,
    app,
    placed,
)
from schemas.errors import UserError
from schemas.words import counted

ExportFormat = StrEnum("ExportFormat", ["messages"])


@app.command(epilog="Example: **duologue inspect shards --config episodes -n 5**")
def inspect(
    folder: PreparedPlace,
    config: Annotated[Config | None, typer.Option(help="Whose rows are shown.")] = None,
    split: Annotated[Split, typer.Option(help="Of which split.")] = "train",
    n: Annotated[int, typer.Option("-n", "--rows", min=0, help="How many rows to show.")] = 3,
    seed: Annotated[int, typer.Option(help="Which rows are drawn.")] = 0,
) -> None:
    """Show what an output holds: counts, and a few rows coloured by player."""
    from rich.console import Console

    from jobs.inspect import inspect as run

    chosen = None if config is None else str(config)
    run(placed(folder), console=Console(), config=chosen, split=str(split), n_rows=n, seed=seed)


@app.command(epilog="Example: **duologue verify shards**")
def verify(
    folder: PreparedPlace,
) -> None:
    """Check every shard against the manifest and every row against what is promised of it."""
    from jobs.verify import verify as run
    from jobs.view import on_one_line

    faults = list(run(placed(folder)))
    for fault in faults:
        print(on_one_line(fault), file=sys.stderr)
    if faults:
        msg = (
            f"{folder}: {counted(len(faults), 'fault')}, named above; its duologue prepare with "
            "--repair makes what is missing or damaged again"
        )
        raise UserError(msg)
    print(f"{on_one_line(str(folder))}: no faults")


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
