"""The steps of the job without Beam: plan, chunks, records, manifest."""

import dataclasses
import json
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa

from pipeline.changes import incomplete_chunks, stale_chunks, take_back
from pipeline.commit import RUN, committed, forget_pieces, records, remove_temporary, swept
from pipeline.inputs import list_inputs
from pipeline.manifest import write_manifest
from pipeline.output import begin, unfinish
from pipeline.piece import Piece, read_pieces
from pipeline.plan import Chunk, Plan, forget_plans, make_plan, usable_files, write_plan
from pipeline.readers import READER_OF_NAME, Document, InputRange
from pipeline.streams import ReadBytes
from pipeline.tokenizer import OutputTokenizer
from pipeline.write_shards import write_piece
from schemas.config import PrepareConfig
from schemas.keys import digest
from tests.running import tiny_tokenizer, tree
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
    return dataclasses.replace(piece, table=_tokenized_table(piece.table))


_TABLES: dict[str, pa.Table] = {}


def _tokenized_table(table: pa.Table) -> pa.Table:
    """Once for each table: outputs that are compared are made of the same documents."""
    key = digest([json.dumps(row, default=repr) for row in table.to_pylist()])
    if key not in _TABLES:
        _TABLES[key] = tokenize_documents(segment_documents(table), SEGMENT_TOKENIZER)
    return _TABLES[key]


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


def steps(out: Path, folder: Path, config: PrepareConfig = CONFIG) -> Iterator[None]:
    """`prepare --update`, which also begins an output; stops wherever a kill may hit it."""
    plan = plan_of(folder, config)
    begin(out, config)
    TOKENIZER.save(out)
    yield
    stale = stale_chunks(out, plan, config)
    unfinish(out)
    for each in stale:
        yield
        take_back(out, [each])
    yield
    remove_temporary(out)
    yield
    write_plan(plan, out / RUN)
    yield
    forget_plans(out / RUN)
    take_back(out, incomplete_chunks(out, [chunk.digest for chunk in plan.chunks]))
    for chunk in plan.chunks:
        if chunk.digest not in committed(out):
            forget_pieces(out, [chunk.digest])
            for piece in read_pieces(chunk, config):
                yield
                write_piece(out, tokenized(piece), SEGMENT_TOKENIZER, config)
    yield
    write_manifest(out, plan, config, TOKENIZER)


def update(out: Path, folder: Path, config: PrepareConfig = CONFIG) -> dict[str, str]:
    """All steps; the output's tree."""
    deque(steps(out, folder, config), maxlen=0)
    return tree(out)


def read(part: InputRange, config: PrepareConfig = CONFIG) -> list[Document]:
    """The documents of a range."""
    return list(READER_OF_NAME[part.reader].read(part, config, ReadBytes()))


def read_all(parts: Iterable[InputRange], config: PrepareConfig = CONFIG) -> list[Document]:
    """The documents of several ranges, in order."""
    return [document for part in parts for document in read(part, config)]


def sweep(out):
    """Remove what no record names, as the end of a run does."""
    for _ in swept(out, records(out)):
        pass
