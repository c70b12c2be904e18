"""litdata: optimize with TokensLoader, an input a file of JSON lines."""

import functools
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from litdata import TokensLoader, optimize
from tokenizers import Tokenizer

BATCH = 64


@functools.cache
def loaded(path: str) -> Tokenizer:
    """Once a process."""
    return Tokenizer.from_file(path)


def encode(file: str, tokenizer: str, eos: str) -> Iterator[torch.Tensor]:
    """Ids of each document of a file, end of text behind them."""
    engine = loaded(tokenizer)
    end = engine.token_to_id(eos)
    with Path(file).open(encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in lines]
    for start in range(0, len(texts), BATCH):
        batch = texts[start : start + BATCH]
        for each in engine.encode_batch_fast(batch, add_special_tokens=False):
            yield torch.tensor([*each.ids, end], dtype=torch.uint16)


if __name__ == "__main__":
    tokenizer, corpus, out, workers, eos = sys.argv[1:]
    optimize(
        fn=functools.partial(encode, tokenizer=tokenizer, eos=eos),
        inputs=sorted(map(str, Path(corpus).iterdir())),
        output_dir=out,
        chunk_bytes="64MB",
        num_workers=int(workers),
        item_loader=TokensLoader(),
    )
