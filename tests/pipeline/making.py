"""The steps of the job without Beam: plan, chunks, records, manifest."""

import dataclasses
from collections.abc import Iterable
from pathlib import Path

from pipeline.inputs import list_inputs
from pipeline.output import begin
from pipeline.piece import Piece, read_pieces
from pipeline.plan import Chunk, Plan, make_plan, usable_files, write_plan
from pipeline.readers import READER_OF_NAME, Document, InputRange
from pipeline.streams import ReadBytes
from pipeline.tokenizer import OutputTokenizer
from pipeline.write_shards import write_piece
from schemas.config import PrepareConfig
from tests.running import tiny_tokenizer
from transforms.segment import segment_documents
from transforms.tokenize import tokenize_documents, with_control_tokens

CONFIG = PrepareConfig(tokenizer_sha256="0" * 64, eos="<eos>", holdout=0.2, chunk_bytes=1_500)

NAMES = {"eos": "<eos>", "bos": "<eos>", "pad": "<pad>"}
TOKENIZER = OutputTokenizer(json=with_control_tokens(tiny_tokenizer(), **NAMES), **NAMES)
SEGMENT_TOKENIZER = TOKENIZER.segment_tokenizer()


def put(folder: Path, files: dict[str, str | bytes]) -> Path:
    """Write files by relative name."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
    return folder


def plan_of(folder: Path, config: PrepareConfig = CONFIG) -> Plan:
    """The plan of all usable files below a folder."""
    return make_plan(*usable_files(list_inputs([str(folder)]), reader=config.format), config)


def tokenized(piece: Piece) -> Piece:
    """A piece as it comes to be written."""
    table = tokenize_documents(segment_documents(piece.table), SEGMENT_TOKENIZER)
    return dataclasses.replace(piece, table=table)


def make_chunk(out: Path, chunk: Chunk, config: PrepareConfig = CONFIG) -> list[bool]:
    """Take a chunk to its commit; for each piece, whether it committed."""
    return [
        write_piece(out, tokenized(piece), SEGMENT_TOKENIZER, config)
        for piece in read_pieces(chunk, config)
    ]


def make_output(out: Path, folder: Path, config: PrepareConfig = CONFIG) -> Plan:
    """All chunks of a folder, without manifest."""
    plan = plan_of(folder, config)
    begin(out, config)
    TOKENIZER.save(out)
    write_plan(plan, out / "_run")
    for chunk in plan.chunks:
        make_chunk(out, chunk, config)
    return plan


def read(part: InputRange, config: PrepareConfig = CONFIG) -> list[Document]:
    """The documents of a range."""
    return list(READER_OF_NAME[part.reader].read(part, config, ReadBytes()))


def read_all(parts: Iterable[InputRange], config: PrepareConfig = CONFIG) -> list[Document]:
    """The documents of several ranges, in order."""
    return [document for part in parts for document in read(part, config)]
