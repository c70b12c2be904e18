"""A loop of a tokenizer over text files, on N processes: reads, encodes, writes ids; no more."""

import sys
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import numpy as np

BATCH = 64


def tokenizers_ids(path: str) -> Callable[[list[str]], np.ndarray]:
    """Of Hugging Face."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(path)

    def encode(texts: list[str]) -> np.ndarray:
        encodings = tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        return np.concatenate([np.array(each.ids, np.uint16) for each in encodings])

    return encode


def gigatoken_ids(path: str) -> Callable[[list[str]], np.ndarray]:
    """The fast engine that duologue uses where it can."""
    from gigatoken import Tokenizer

    tokenizer = Tokenizer(path)

    def encode(texts: list[str]) -> np.ndarray:
        lists = tokenizer.encode_batch(texts, parallel=False).layout
        return np.asarray(lists.content.data).astype(np.uint16)

    return encode


def snaptokens_ids(path: str) -> Callable[[list[str]], np.ndarray]:
    """Another one as fast."""
    from snaptokens import Tokenizer

    tokenizer = Tokenizer.from_json_str(Path(path).read_text(encoding="utf-8"))

    def encode(texts: list[str]) -> np.ndarray:
        ids, _ = tokenizer.encode_batch_flat(texts)
        return np.frombuffer(ids, np.uint32).astype(np.uint16)

    return encode


ENGINES = {"tokenizers": tokenizers_ids, "gigatoken": gigatoken_ids, "snaptokens": snaptokens_ids}


def work(job: tuple[str, str, list[str], str]) -> None:
    """Tokenise some files into one of ids."""
    engine, tokenizer, files, out = job
    encode = ENGINES[engine](tokenizer)
    with Path(out).open("wb") as sink:
        for start in range(0, len(files), BATCH):
            texts = [Path(f).read_text(encoding="utf-8") for f in files[start : start + BATCH]]
            sink.write(encode(texts).tobytes())


if __name__ == "__main__":
    engine, tokenizer, corpus, out, workers = sys.argv[1:]
    files, n = sorted(map(str, Path(corpus).rglob("*.txt"))), int(workers)
    Path(out).mkdir()
    jobs = [(engine, tokenizer, files[i::n], f"{out}/{i}.bin") for i in range(n)]
    with get_context("spawn").Pool(n) as pool:
        pool.map(work, jobs, chunksize=1)
