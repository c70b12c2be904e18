"""JSON lines: a line is a record, one of its fields the text, or a chat.

A record without `text` is read as its chat, or as one of its question and its answer.
"""

from typing import Any

import orjson

from pipeline.inputs import InputFile
from pipeline.readers.base import (
    CHAT_COLUMN,
    INVALID_UTF8,
    TEXT_COLUMN,
    Document,
    Reader,
    pair_of,
    rejected,
    too_long,
)
from pipeline.readers.line_ranges import cut_lines, documents_of_lines, split_lines
from pipeline.streams import DamagedInputError, ReadBytes, blocks, compression_of, open_input
from schemas.config import PrepareConfig

_BOM = b"\xef\xbb\xbf"
_COLUMNS_LINE_BYTES = 64 << 20


def _columns(file: InputFile) -> list[str] | None:
    """Fields of the first record that is one; None where there is none."""
    compression = compression_of(file.path)
    try:
        with open_input(file.path) as stream:
            for _, line in split_lines(
                blocks(stream, compression, ReadBytes()), _COLUMNS_LINE_BYTES
            ):
                record = _parsed(line)
                if isinstance(record, dict):
                    return list(record)
    except (DamagedInputError, OSError):
        return None  # Reading proper says what is wrong with the file.
    return None


def _parsed(line: bytes) -> Any:  # noqa: ANN401 JSON holds anything
    """The record of a line, or the error that orjson raised."""
    try:
        return orjson.loads(line.removeprefix(_BOM))
    except orjson.JSONDecodeError as error:
        return error


def _document(relative: str, offset: int, line: bytes, config: PrepareConfig) -> Document:
    source = f"{relative}#{offset}"
    if len(line) > config.max_document_bytes:
        return rejected(source, offset, too_long(config), line)
    json, record = line, _parsed(line)
    if isinstance(record, ValueError) and config.encoding_errors == "replace":
        json = line.decode("utf-8", "replace").encode()
        record = _parsed(json)
    if not isinstance(record, dict):
        return rejected(source, offset, _not_a_record(json, record), line)
    column = _text_column(record, config.text_column)
    text = _text(record, column)
    if not isinstance(text, str):
        return rejected(source, offset, _no_text(record, column), line)
    for name in (config.id_column, config.source_column):
        if name is not None and not isinstance(record.get(name), str | int):
            reason = f"no id: column {name!r} has no string or integer"
            return rejected(source, offset, reason, line)
    id_key = None if config.id_column is None else str(record[config.id_column])
    named = source if config.source_column is None else str(record[config.source_column])
    return Document(named, offset, id_key, text)


def _text_column(record: dict[str, Any], asked: str) -> str:
    """The column that is read: of a record without the default one its chat."""
    has_chat = asked == TEXT_COLUMN and asked not in record and CHAT_COLUMN in record
    return CHAT_COLUMN if has_chat else asked


def _text(record: dict[str, Any], column: str) -> object:
    r"""What is to be read of a record: a string, if it can be.

    Example:
      >>> _text({"question": "Who?", "answer": "Me."}, "text")
      'User: Who?\n\nAssistant: Me.\n'
    """
    pair = pair_of(record) if column == TEXT_COLUMN else None
    if pair is None:
        text = record.get(column)
        return _chat(text) if isinstance(text, list) else text
    asking, answering = [record[name] for name in pair[0]], record[pair[1]]
    if not all(isinstance(each, str) for each in (*asking, answering)):
        return None
    question = "\n\n".join(filter(None, asking))
    turns = (("user", question), ("assistant", answering))
    return _chat([{"role": role, "content": text} for role, text in turns])


def _chat(messages: list[Any]) -> str | None:
    r"""The turns of a chat as text, each under its role; None if it is none.

    Example:
      >>> _chat([{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Me."}])
      'User: Who?\n\nAssistant: Me.\n'
    """
    turns = []
    for message in messages:
        match message:
            case {"role": str(role), "content": str(content)}:
                turns.append(f"{role.capitalize()}: {content}")
            case _:
                return None
    return "\n\n".join(turns) + "\n" if turns else None


def _not_a_record(line: bytes, found: object) -> str:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError as error:
        return f"{INVALID_UTF8}: at byte {error.start}"
    if isinstance(found, orjson.JSONDecodeError):
        # Of the line: the parser counts characters, and knows no byte order mark.
        at = len(line) - len(line.removeprefix(_BOM)) + len(found.doc[: found.pos].encode())
        return f"invalid JSON: at byte {at}: {found.msg}"
    return f"no JSON object: a {type(found).__name__}"


def _no_text(record: dict[str, Any], column: str) -> str:
    if isinstance(record.get(column), list):
        return f"no text: column {column!r} holds a list that is no chat of role and content"
    if column in record:
        return f"no text: column {column!r} holds a {type(record[column]).__name__}"
    if column == TEXT_COLUMN and (pair := pair_of(record)):
        name = next(name for name in (*pair[0], pair[1]) if not isinstance(record[name], str))
        return f"no text: {name} is not text"
    return f"no text: no column {column!r}; there are {', '.join(map(repr, record))}"[:500]


READER = Reader(
    name="jsonl",
    suffixes=(".jsonl", ".ndjson"),
    can_be_compressed=True,
    cut=cut_lines,
    read=lambda part, config, read: documents_of_lines(part, config, read, _document),
    columns=_columns,
)
