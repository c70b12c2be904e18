"""The Typer app, and what several of its commands share."""

import importlib.metadata
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from schemas.config import CONFIGS
from schemas.errors import UserError
from schemas.keys import SPLITS
from transforms.annotate import OBJECTIVES

if TYPE_CHECKING:
    from pipeline.remote import Place

EXIT_DAMAGED = 3

Config = StrEnum("Config", {name: name for name in CONFIGS})
Split = StrEnum("Split", {name: name for name in SPLITS})
Objective = StrEnum("Objective", {name: name for name in OBJECTIVES})
PreparedFolder = Annotated[Path, typer.Argument(help="Output of duologue prepare.")]
PreparedPlace = Annotated[
    str, typer.Argument(metavar="FOLDER", help="Output of duologue prepare; a URL also.")
]

app = typer.Typer(
    name="duologue",
    epilog="Start with: **duologue sample-corpus corpus**, "
    "then **duologue prepare corpus --out shards**",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)

beam_argv: list[str] = []
"""What follows `--`: Beam's own options. `jobs.cli` takes them off before typer sees the rest."""


def _print_version(is_asked: bool) -> None:
    if is_asked:
        print(f"duologue {importlib.metadata.version('duologue')}")
        raise typer.Exit


@app.callback()
def options_of_all(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print it and exit.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Raw text to two-player episodes: who asks, who answers, for every token."""


def placed(folder: str) -> "Place":
    """What was typed as an output, as a path; Beam's options are taken for it and for inputs.

    Raises:
      UserError: if it is in an object store that can't be used.
    """
    from pipeline.remote import check_stores, place, use_options

    use_options(beam_argv)
    check_stores([folder])
    return place(folder)


def exit_by(is_whole: bool, *, strict: bool = False) -> None:
    """End with exit 3 where something was damaged, rejected or failed.

    Raises:
      UserError: under --strict, which makes that exit 1.
    """
    if is_whole:
        return
    if strict:
        msg = (
            "documents were rejected, as said above, which --strict makes a failure: mend the "
            "inputs, or leave out --strict"
        )
        raise UserError(msg)
    raise typer.Exit(EXIT_DAMAGED)
