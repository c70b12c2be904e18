"""megatron-core: what its tools/preprocess_data.py does, which the package leaves out.

A pool encodes lines of JSON, the main process writes them in order with IndexedDatasetBuilder.
"""

import itertools
import json
import sys
from collections.abc import Iterator
from multiprocessing import Pool
from pathlib import Path

import numpy as np
import torch
from megatron.core.datasets.indexed_dataset import DType, IndexedDatasetBuilder
from tokenizers import Tokenizer

LINES = 32
"""That a worker takes at once, as there."""


class Encoder:
    """Ids of a line's text, end of text behind them."""

    tokenizer: Tokenizer
    end: int

    def __init__(self, path: str, eos: str) -> None:
        self.path, self.eos = path, eos

    def initializer(self) -> None:
        """Once a process."""
        Encoder.tokenizer = Tokenizer.from_file(self.path)
        Encoder.end = Encoder.tokenizer.token_to_id(self.eos)

    def encode(self, line: str) -> list[int]:
        """Of one line."""
        text = json.loads(line)["text"]
        return [*self.tokenizer.encode(text, add_special_tokens=False).ids, self.end]


def lines(corpus: str) -> Iterator[str]:
    """Of all files."""
    return itertools.chain.from_iterable(
        path.open(encoding="utf-8") for path in sorted(Path(corpus).iterdir())
    )


if __name__ == "__main__":
    tokenizer, corpus, out, workers, eos = sys.argv[1:]
    Path(out).mkdir()
    n_entries = Tokenizer.from_file(tokenizer).get_vocab_size()
    prefix = f"{out}/corpus"
    builder = IndexedDatasetBuilder(f"{prefix}.bin", dtype=DType.optimal_dtype(n_entries))
    encoder = Encoder(tokenizer, eos)
    with Pool(int(workers), initializer=encoder.initializer) as pool:
        for ids in pool.imap(encoder.encode, lines(corpus), LINES):
            builder.add_item(torch.from_numpy(np.array(ids)))
            builder.end_document()
        pool.close()
        pool.join()
    builder.finalize(f"{prefix}.idx")
