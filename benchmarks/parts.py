"""Where the CPU time of `duologue prepare` goes: its steps one by one, in this process.

    .venv/bin/python -m benchmarks.parts --mb 128

Beside each step stands its floor: the least that something of its kind takes on the same bytes.
CPU milliseconds per MB of text; the best of several rounds over the same chunks.
"""

import argparse
import gc
import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from time import process_time
from typing import Any

from pipeline.supervise import WORKER_ENVIRONMENT

os.environ.update(WORKER_ENVIRONMENT)  # Before what reads it is imported.

import numpy as np
import pyarrow as pa

from benchmarks.speed.corpus import EOS, made_corpus, made_tokenizer
from pipeline.inputs import list_inputs
from pipeline.piece import read_pieces
from pipeline.plan import Chunk, make_plan, usable_files
from pipeline.write_shards import write_stream
from schemas.config import PrepareConfig
from transforms.engines import FAST, Encode, fast
from transforms.lines import split_lines
from transforms.rows import RowConfig, document_rows, episode_rows
from transforms.segment import segment_documents
from transforms.tokenize import SegmentTokenizer, tokenize_documents

WORK = Path("build/bench")

Costs = dict[str, float]


class Hashing:
    """Takes what is written, as a shard's file does, and keeps its hash alone."""

    closed = False

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._size = 0

    def write(self, data: bytes) -> int:
        """Hash some bytes."""
        self._hash.update(data)
        self._size += len(data)
        return len(data)

    def tell(self) -> int:
        """Bytes so far."""
        return self._size

    def flush(self) -> None:
        """There is nothing to do."""


def steps(
    chunk: Chunk, config: PrepareConfig, tokenizer: SegmentTokenizer, engine: Encode
) -> Iterator[tuple[str, Callable[[], Any]]]:
    """The steps of a chunk and their floors, by name; each is run before the next is asked for."""
    made: dict[str, Any] = {}

    def keep(name: str, make: Callable[[], Any]) -> Callable[[], None]:
        return lambda: made.update({name: make()})

    rows = RowConfig(delimiters=config.delimiters, max_tokens=config.max_tokens)
    yield "read", keep("read", lambda: [piece.table for piece in read_pieces(chunk, config)])
    table = pa.concat_tables(made["read"]).combine_chunks()
    texts = table["text"].chunk(0)
    raw = [Path(part.path).read_bytes() for part in chunk.ranges]
    yield "floor of read", lambda: [_hashed(part.path) for part in chunk.ranges]
    yield "segment", keep("segment", lambda: segment_documents(table))
    yield "floor of segment", lambda: split_lines(table["text"])
    yield "tokenize", keep("tokenize", lambda: tokenize_documents(made["segment"], tokenizer))
    yield "floor of tokenize", lambda: engine(texts)
    tokenized = made["tokenize"]
    yield "rows", keep("rows", lambda: [make(tokenized, tokenizer, rows).table for make in MAKERS])
    yield "floor of rows", lambda: [np.concatenate([_ids(each)]).copy() for each in made["rows"]]
    yield "write", lambda: [write_stream(Hashing(), each) for each in made["rows"]]
    yield "floor of write", lambda: hashlib.sha256(b"".join(raw))


MAKERS = (document_rows, episode_rows)


def _hashed(path: str) -> bytes:
    return hashlib.blake2b(Path(path).read_bytes()).digest()


def _ids(table: pa.Table) -> np.ndarray:
    return table["input_ids"].combine_chunks().flatten().to_numpy()


def main() -> None:
    """Run all steps over a corpus several times, and print what they take."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mb", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    corpus, tokenizer_json = made_corpus(WORK, asked.mb, "files"), made_tokenizer(WORK)
    names = {"eos": EOS, "bos": EOS, "pad": EOS}
    tokenizer = SegmentTokenizer(tokenizer_json.read_text(), **names, engine=FAST)
    engine = fast(json.loads(tokenizer_json.read_bytes()), tokenizer.token_type)
    assert engine is not None
    config = PrepareConfig(tokenizer_sha256="0" * 64, eos=EOS)
    plan = make_plan(*usable_files(list_inputs([str(corpus.path)]), reader=None), config)
    gc.freeze()  # As the driver does.
    best: dict[tuple[int, str], float] = defaultdict(lambda: float("inf"))
    for _ in range(asked.rounds):
        for number, chunk in enumerate(plan.chunks):
            for name, run in steps(chunk, config, tokenizer, engine):
                began = process_time()
                run()
                best[number, name] = min(best[number, name], process_time() - began)
    costs: Costs = defaultdict(float)
    for (_, name), seconds in best.items():
        costs[name] += 1e3 * seconds / (corpus.text_bytes / 1e6)
    print("| step | CPU ms per MB | floor |\n|---|--:|--:|")
    for name in [each for each in costs if not each.startswith("floor")]:
        print(f"| {name} | {costs[name]:.1f} | {costs[f'floor of {name}']:.1f} |")
    print(f"| all | {sum(costs[each] for each in costs if not each.startswith('floor')):.1f} | |")


if __name__ == "__main__":
    main()
