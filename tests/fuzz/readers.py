"""Any bytes, under any suffix, are documents or rejected ones, however they are cut and read."""

import contextlib
import dataclasses
import gzip
import io
import json
import tempfile
from pathlib import Path
from unittest import mock

import pyarrow as pa
import pyarrow.parquet as pq
from backports import zstd

from pipeline import streams
from pipeline.inputs import InputFile
from pipeline.piece import read_pieces
from pipeline.plan import make_plan
from pipeline.readers import DAMAGED, READERS, line_ranges, reader_of
from pipeline.streams import COMPRESSIONS
from schemas.config import PrepareConfig
from schemas.episode import REJECTED_BYTES
from tests.fuzz.drawing import Draws, Target
from tests.pipeline.making import CONFIG
from tests.running import exchange

SUFFIXES = [
    reader.suffixes[0] + compression
    for reader in READERS
    for compression in ("", *COMPRESSIONS)
    if reader.suffixes and (reader.can_be_compressed or not compression)
]

OPTIONS = [
    {},
    {"encoding_errors": "replace"},
    {"id_column": "n"},
    {"source_column": "s"},
    {"text_column": "messages"},
    {"max_document_bytes": 40},
    {"max_document_bytes": 40, "encoding_errors": "replace"},
    {"max_document_bytes": 1},
]

MEMBER_END = b"\x1d"
"""Between parts of a content that are compressed each on its own."""

_folder = tempfile.TemporaryDirectory(prefix="duologue-fuzz-")


def run(data: bytes) -> None:
    """A file as it comes, or packed first and then damaged; read whole, and in parts."""
    draws = Draws(data)
    suffix, is_packed = draws.choice(SUFFIXES), draws.below(2)
    config = dataclasses.replace(CONFIG, chunk_bytes=1 << 20, **draws.choice(OPTIONS))
    n_cuts, block_bytes = draws.below(16), 1 + draws.below(64)
    edits = [(draws.below(1 << 16), draws.byte()) for _ in range(draws.below(4))]
    content = draws.rest()
    stored = damaged(packed(content, suffix), edits) if is_packed else content
    path = Path(_folder.name) / f"a{suffix}"
    path.write_bytes(stored)
    modified = path.stat().st_mtime
    file = InputFile(path=str(path), relative=path.name, size_bytes=len(stored), modified=modified)
    reader = reader_of(file.path)
    columns = reader.columns(file)
    assert columns is None or all(isinstance(name, str) for name in columns)

    part_bytes = 1 + len(stored) // (n_cuts + 1)
    whole = read_alike(file, config, part_bytes, block_bytes)
    if reader.name == "text":
        read_alike(file, dataclasses.replace(config, format="lines"), part_bytes, block_bytes)
    if suffix in reader.suffixes and reader.can_be_compressed:
        check_records(whole, reader.name, stored, config)
    elif is_packed and not edits:
        assert not any(map(is_damaged, whole))
        if reader.can_be_compressed:
            check_records(whole, reader.name, content.replace(MEMBER_END, b""), config)
        else:
            assert len(whole) == content[2:].count(b"\n") + 1


def read_alike(file: InputFile, config: PrepareConfig, part_bytes: int, block_bytes: int):
    """The rows of a file, which are the same in parts and in small blocks."""
    whole = read(file, config)
    check_documents(whole, file.relative, config)
    in_parts = dataclasses.replace(config, chunk_bytes=part_bytes)
    assert read(file, in_parts) == whole, "cuts change what is read"
    with blocks_of(block_bytes):
        in_blocks = read(file, in_parts)
    expected = whole
    if file.path.endswith(".zst") and whole and is_damaged(whole[-1]):
        # Of what stands before the damage some may be lost, less in small steps.
        expected, in_blocks = whole[:-1], in_blocks[: len(whole) - 1]
    assert in_blocks == expected, "the size of blocks changes what is read"
    return whole


def read(file: InputFile, config: PrepareConfig) -> list[dict]:
    """The rows of all tables of a file."""
    found = []
    for chunk in make_plan([file], [], config).chunks:
        for piece in read_pieces(chunk, config):
            piece.table.validate(full=True)  # that strings are UTF-8, too
            found += piece.table.to_pylist()
    for each in found:
        if (each["reason"] or "").startswith("too long"):
            # At least that; the rest of a block that was read may stand there, too.
            each["raw"] = each["raw"][: config.max_document_bytes]
    return found


@contextlib.contextmanager
def blocks_of(size_bytes):
    """So that small inputs have many blocks."""
    with (
        mock.patch.object(streams, "BLOCK_BYTES", size_bytes),
        mock.patch.object(line_ranges, "BLOCK_BYTES", size_bytes),
    ):
        yield


def check_documents(documents, name, config):
    """Each is a text or rejected with a reason, and has a source of its own."""
    for each in documents:
        assert (each["text"] is None) == (each["reason"] is not None)
        assert each["id_key"] is None or config.id_column
        if each["text"] is None:
            assert len(each["raw"]) <= REJECTED_BYTES
        else:
            assert each["raw"] is None
    if config.source_column is None:
        sources = [each["source"] for each in documents]
        assert len(set(sources)) == len(sources)
        assert {source.partition("#")[0] for source in sources} <= {name}


def is_damaged(document):
    return (document["reason"] or "").startswith(DAMAGED)


def check_records(documents, reader, content, config):
    """No record of a sound text or JSONL file is missing, and its text is what it says."""
    records = [content]
    if reader == "jsonl":
        limit = config.max_document_bytes
        lines = [line + b"\n" for line in content.split(b"\n")]
        lines[-1] = lines[-1][:-1]
        records = [line for line in lines if line.strip() or len(line) > limit]
    assert len(documents) == len(records)
    for each, record in zip(documents, records, strict=True):
        if each["text"] is not None and config.encoding_errors == "reject":
            assert each["text"].encode() == record if reader == "text" else says(record, each)
        elif reader == "text" and each["reason"]:
            assert is_no_utf8(record) or len(record) > config.max_document_bytes


def says(record: bytes, document: dict) -> bool:
    """Whether a record of JSON holds the document's text, if it has one."""
    values = json.loads(record.decode("utf-8-sig"))
    # A chat is made of other fields; tests of the reader say how.
    return not isinstance(values.get("text"), str) or values["text"] == document["text"]


def is_no_utf8(data: bytes) -> bool:
    """Whether bytes are no text."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return True
    return False


def damaged(content: bytes, edits: list[tuple[int, int]]) -> bytes:
    """Bytes changed; cut where a change would change nothing."""
    for at, value in edits:
        at %= len(content) + 1
        is_cut = content[at : at + 1] in (b"", bytes([value]))
        content = content[:at] if is_cut else content[:at] + bytes([value]) + content[at + 1 :]
    return content


def packed(content: bytes, suffix: str) -> bytes:
    """The content as a sound file of its format."""
    if suffix == ".parquet":
        return as_parquet(content)
    if suffix.endswith(".gz"):
        return b"".join(gzip.compress(part, mtime=0) for part in content.split(MEMBER_END))
    if suffix.endswith(".zst"):
        return b"".join(map(zstd.compress, content.split(MEMBER_END)))
    return content


def as_parquet(content: bytes) -> bytes:
    """A line a row; strings that may be no UTF-8, as other writers leave them."""
    draws = Draws(content)
    group_rows, kind = 1 + draws.byte() % 8, draws.byte() % 4
    lines = draws.rest().split(b"\n")
    texts = pa.array([line or None for line in lines], pa.binary())
    if kind:
        texts = texts.view(pa.string())
    if kind == 2:
        texts = texts.dictionary_encode()
    columns = {
        "text": texts,
        "n": pa.array([number if number % 5 else None for number in range(len(lines))], pa.int64()),
        "s": pa.array(lines, pa.binary()).view(pa.string()),
    }
    file = io.BytesIO()
    compression = "zstd" if kind == 3 else "none"
    pq.write_table(pa.table(columns), file, row_group_size=group_rows, compression=compression)
    return file.getvalue()


def _seeds():
    texts = [exchange(number) for number in range(4)]
    chat = [{"role": "user", "content": texts[0]}, {"role": "assistant", "content": "So."}]
    records = [
        {"text": texts[1], "n": 1, "s": "a"},
        {"question": "Why?", "answer": "So."},
        {"instruction": "Do", "input": "it", "output": "Done."},
        {"messages": chat, "n": "x"},
        {"text": None},
    ]
    of_records = b"".join(json.dumps(each).encode() + b"\n" for each in records)
    of_records += b'\n[]\n{"text": "\xff"}\n\xef\xbb\xbf{"text": "b"}\n{"text": 1'
    for number, suffix in enumerate(SUFFIXES):
        content = of_records if ".jsonl" in suffix else b"\3\0" + "\n".join(texts).encode()
        for option in range(len(OPTIONS)):
            header = bytes([number, 1, option, option, 7 * option])
            yield header + bytes([0]) + content
            yield header + bytes([1, 0, 20 + 9 * option, option]) + content
            yield header + bytes([2, 0, 50 + option, 3, 0, 200 - option, 5]) + content
        yield bytes([number, 0, 0, 2, 9, 0]) + packed(content, suffix)


TARGET = Target(run, tuple(_seeds()), most_bytes=4096)
