"""What `duologue segment` prints: spans as JSON lines, in colour, or with reasons."""

import bisect
import contextlib
import io
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import orjson
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console
from rich.text import Text

from jobs.view import (
    Segment,
    escape,
    escape_json,
    on_one_line,
    show_heading,
    show_legend,
    show_segments,
)
from pipeline.inputs import InputFile, check_file, list_inputs, printable
from pipeline.plan import by_suffix, left_out_words, reader_for, usable_files
from pipeline.readers import (
    MENDS,
    Document,
    InputRange,
    check_column,
    documents_of,
    reader_of,
    reason_kind,
    tables,
)
from pipeline.streams import DamagedInputError, ReadBytes, blocks, compression_of, open_input
from schemas.config import PrepareConfig
from schemas.episode import CONTENT_KINDS, Player, SegmentKind
from schemas.errors import UserError
from transforms.candidates import Refusal
from transforms.lines import Lines, split_lines
from transforms.segment import OUTRANKED, refusals, segment_documents

_LONGEST_LINE_SHOWN = 100
_TABLE_BYTES = 8 << 20


def spans_as_json_lines(documents: pa.Table, out: BinaryIO) -> None:
    """Writes one JSON object a span, in the order of documents and bytes.

    The keys are document, start, end (bytes of its UTF-8 text), kind, player, episode and cue;
    the last two are null outside episodes.

    Args:
      documents: columns `source`, what names the document, and `spans`, list<SPAN>.
      out: where to, in UTF-8.
    """
    spans = pl.from_arrow(documents.select(["source", "spans"]))
    if not isinstance(spans, pl.DataFrame):
        msg = f"expected a table of documents, got {type(spans).__name__}"
        raise TypeError(msg)
    field = pl.col("spans").struct.field
    spans.filter(pl.col("spans").list.len() > 0).explode("spans").select(
        pl.col("source").alias("document"),
        field("byte_start").alias("start"),
        field("byte_end").alias("end"),
        field("kind"),
        field("player"),
        field("episode"),
        field("cue"),
    ).write_ndjson(out)


def undecodable_as_json_line(document: str, size_bytes: int, out: BinaryIO) -> None:
    """Writes a file that is not valid UTF-8 as one span of text over its bytes."""
    span = {
        "document": document,
        "start": 0,
        "end": size_bytes,
        "kind": SegmentKind.TEXT.value,
        "player": int(Player.NATURE),
        "episode": None,
        "cue": None,
    }
    out.write(orjson.dumps(span, option=orjson.OPT_APPEND_NEWLINE))


def view_documents(documents: pa.Table, console: Console) -> None:
    """Prints documents with their players told apart; `show_legend` says how.

    Args:
      documents: columns `source`, `text` and `spans`; a document without text is left out.
      console: where to.
    """
    for _, source, text, spans in _rows(documents):
        show_heading(console, source)
        show_segments(
            console,
            (
                Segment(
                    kind=span["kind"],
                    text=text[span["byte_start"] : span["byte_end"]].decode(),
                    game=span["game"],
                    episode=span["episode"],
                    cue=span["cue"],
                )
                for span in spans
            ),
        )


def explain_documents(documents: pa.Table, console: Console) -> None:
    """Prints a line an episode, with its family and cue, and one for lines that were not taken.

    Not taken is a line that a family looked at, because it might open an episode, and that lies
    outside every episode, or opens what an outer episode holds; each family that did says why.

    Args:
      documents: as for `view_documents`.
      console: where to.
    """
    lines = split_lines(documents["text"])
    reasons = _reasons_of_line(refusals(documents["text"]))
    for ordinal, source, text, spans in _rows(documents):
        notes = dict(_not_taken(lines, ordinal, spans, reasons))
        notes |= _taken(lines, ordinal, spans)
        for line in sorted(notes):
            number = line - int(lines.first_line[ordinal]) + 1
            start, end = lines.start[line : line + 2] - lines.document_start[ordinal]
            words = f"{on_one_line(source)}:{number}: {notes[line]}: {_excerpt(text[start:end])}"
            console.print(Text(words), soft_wrap=True, highlight=False)


def _rows(documents: pa.Table) -> Iterator[tuple[int, str, bytes, Sequence[Mapping[str, Any]]]]:
    """Ordinal, source, text and spans of the documents that have text."""
    ordinal = 0
    for batch in documents.select(["source", "text", "spans"]).to_batches():
        for row in range(batch.num_rows):
            source, text, spans = (column[row].as_py() for column in batch.columns)
            if text is not None:
                yield ordinal, source, text.encode(), spans or []
            ordinal += 1


def _reasons_of_line(refused: Sequence[Refusal]) -> dict[int, dict[str, None]]:
    """For each line that some family looked at and left: why, each reason once, in order."""
    found: dict[int, dict[str, None]] = {}
    for refusal in refused:
        for line in refusal.number.tolist():
            found.setdefault(line, {})[f"{refusal.family} ({refusal.reason})"] = None
    return found


def _taken(lines: Lines, ordinal: int, spans: Sequence[Mapping[str, Any]]) -> dict[int, str]:
    """The line that each episode's first content begins on, with the episode's game and cue."""
    notes: dict[int, str] = {}
    episode: int | None = None
    for span in spans:
        if span["kind"] not in CONTENT_KINDS or span["episode"] == episode:
            continue
        episode = span["episode"]
        offset = lines.document_start[ordinal] + span["byte_start"]
        cue = "" if span["cue"] is None else f", cue {escape(span['cue'])!r}"
        line = int(np.searchsorted(lines.start, offset, side="right")) - 1
        notes[line] = f"episode {episode}, {span['game']}{cue}"
    return notes


def _not_taken(
    lines: Lines,
    ordinal: int,
    spans: Sequence[Mapping[str, Any]],
    reasons: Mapping[int, Iterable[str]],
) -> Iterator[tuple[int, str]]:
    """The lines that families looked at and that stayed text, or lost to an outer episode."""
    starts = [span["byte_start"] for span in spans]
    for line in range(*lines.first_line[ordinal : ordinal + 2].tolist()):
        if line in reasons:
            offset = int(lines.content_start[line] - lines.document_start[ordinal])
            span = spans[bisect.bisect_right(starts, offset) - 1]
            said = reasons[line]
            if span["kind"] != SegmentKind.TEXT:
                said = [reason for reason in said if OUTRANKED in reason]
            if said:
                within = "no" if span["episode"] is None else f"part of {span['episode']}, no"
                yield line, f"{within} episode: {', '.join(said)}"


def _excerpt(line: bytes) -> str:
    text = line.decode().strip()
    is_long = len(text) > _LONGEST_LINE_SHOWN
    return escape(text[:_LONGEST_LINE_SHOWN] + "…" if is_long else text)


def segment_files(
    paths: Sequence[str],
    *,
    reader: str | None,
    text_column: str,
    max_document_bytes: int,
    view: bool,
    explain: bool,
) -> bool:
    """Segment files and print what was found; see `duologue segment`.

    Args:
      paths: as typed: files, folders, or "-" for standard input. So are the documents named, with
        what stands below a folder and the #record of record formats.
      reader: name of one for all files; None goes by suffix, and is text for a file that is named
        itself.
      text_column: of record formats.
      max_document_bytes: what a document may hold; a longer one is rejected as `prepare` does.
      view: show the text in colour.
      explain: say why lines were or were not taken.

    Returns:
      Whether every document could be used; those that could not are named on standard error.

    Raises:
      UserError: if there is no such file, or no usable one in a folder.
    """
    config = PrepareConfig(
        tokenizer_sha256="",
        eos="",
        text_column=text_column,
        max_document_bytes=max_document_bytes,
    )
    console = Console()
    if view:
        show_legend(console)
    refused: set[str] = set()
    is_whole = True
    for path in paths:
        with _files(path, reader) as files:
            for file in files:
                try:
                    for table, _ in tables(_documents(file, reader, config), _TABLE_BYTES):
                        documents = segment_documents(table)
                        if view:
                            view_documents(documents, console)
                        if explain:
                            explain_documents(documents, console)
                        if not view and not explain:
                            _print_lines(documents, file)
                        refused |= _say_rejected(documents)
                except UserError as error:
                    if len(paths) == len(files) == 1:
                        raise
                    # The others are shown all the same.
                    print(on_one_line(str(error)), file=sys.stderr)
                    is_whole = False
    for kind, mend in MENDS.items():
        if kind in refused:
            print(mend, file=sys.stderr)
    return is_whole and not refused


@contextlib.contextmanager
def _files(given: str, reader: str | None) -> Iterator[Iterable[InputFile]]:
    """The files that an argument names, each called as typed."""
    if given == "-":
        with tempfile.NamedTemporaryFile() as copy:
            shutil.copyfileobj(sys.stdin.buffer, copy)
            copy.flush()
            yield [_file(copy.name, given)]
    elif Path(given).is_dir():
        listed = list_inputs(
            [given], say=_say, is_read=lambda path: bool(reader or reader_of(path))
        )
        files, left_out = usable_files(listed, reader=reader)
        if left_out:
            _say(left_out_words(by_suffix(left_out), (file.relative for file in left_out)))
        above = printable(given.rstrip("/"))
        yield [each._replace(relative=f"{above}/{each.relative}") for each in files]
    elif Path(given).exists():
        check_file(given)
        yield [_file(given, printable(given))]
    else:
        msg = f"{given} does not exist"
        raise UserError(msg)


def _say(line: str) -> None:
    print(on_one_line(line), file=sys.stderr)


def _file(path: str, name: str) -> InputFile:
    return InputFile(path=path, relative=name, size_bytes=Path(path).stat().st_size, modified=0.0)


def _documents(file: InputFile, reader: str | None, config: PrepareConfig) -> Iterator[Document]:
    chosen = reader_for(file, reader or (None if reader_of(file.path) else "text"))
    columns = chosen.columns(file)
    if columns is not None:
        check_column(file, columns, "--text-column", config.text_column)
    for start, end in chosen.cut(file, 1 << 62) or [(0, 0)]:
        part = InputRange(file.path, file.relative, chosen.name, start, end)
        yield from documents_of(part, config, ReadBytes())


def _say_rejected(documents: pa.Table) -> set[str]:
    """Names the documents that `prepare` rejects as well; returns the kinds of their reasons."""
    is_refused = pc.is_null(documents["text"])
    refused = documents.filter(is_refused).select(["source", "reason"]).to_pylist()
    for each in refused:
        print(on_one_line(f"{each['source']}: rejected, {each['reason']}"), file=sys.stderr)
    return {reason_kind(each["reason"]) for each in refused}


def _print_lines(documents: pa.Table, file: InputFile) -> None:
    """One table's spans; a file that is not UTF-8 is one span of text over its bytes.

    What else is rejected, such as a record or a damaged file, has no bytes of text to speak of.
    """
    out = io.BytesIO()
    usable = pc.is_valid(documents["text"])
    spans_as_json_lines(documents.filter(usable), out)
    for row in documents.filter(pc.invert(usable)).select(["source", "reason"]).to_pylist():
        if row["source"] == file.relative and reason_kind(row["reason"]) in MENDS:
            undecodable_as_json_line(row["source"], _text_bytes(file.path), out)
    lines = out.getvalue()
    # A terminal obeys more characters than JSON escapes.
    sys.stdout.buffer.write(escape_json(lines.decode()).encode())
    sys.stdout.buffer.flush()


def _text_bytes(path: str) -> int:
    """Bytes of a file, decompressed as far as it can be."""
    size_bytes = 0
    with contextlib.suppress(DamagedInputError), open_input(path) as stream:
        for block in blocks(stream, compression_of(path), ReadBytes()):
            size_bytes += len(block)
    return size_bytes
