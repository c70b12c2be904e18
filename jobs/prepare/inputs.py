"""The files that `prepare` reads."""

from rich.console import Console

from jobs.view import say
from pipeline.inputs import InputFile, list_inputs
from pipeline.plan import by_suffix, left_out_words, reader_for, usable_files
from pipeline.readers import READER_OF_NAME, check_column, reader_of
from pipeline.remote import Place
from pipeline.tape import Tape
from schemas.config import PrepareConfig
from schemas.errors import UserError


def list_files(
    inputs: list[str], out: Place, config: PrepareConfig, console: Console
) -> tuple[Tape[InputFile], Tape[InputFile]]:
    """The files to read, and those that no reader takes; columns are checked.

    The first of the latter, what else is left out and what is read twice are named on the console.

    Raises:
      UserError: no such input, no usable file, or a column that is not there.
    """
    if config.format is not None and config.format not in READER_OF_NAME:
        msg = f"--format {config.format}: expected one of {[*READER_OF_NAME]}"
        raise UserError(msg)

    listed = list_inputs(
        inputs,
        exclude=out,
        say=lambda line: say(console, line),
        is_read=lambda path: bool(config.format or reader_of(path)),
    )
    files, left_out = usable_files(listed, reader=config.format)
    if left_out:
        say(console, left_out_words(by_suffix(left_out), (file.relative for file in left_out)))
    checked = set()
    for file in files:
        reader = reader_for(file, config.format)
        if reader.name not in checked:
            # The first file of a format stands for all; records that differ are rejected singly.
            checked.add(reader.name)
            _check_columns(file, reader.columns(file), config)
    return files, left_out


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
