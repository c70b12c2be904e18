"""datasets: JSON lines, map over batches, save_to_disk."""

import sys
from pathlib import Path

import datasets
import numpy as np
from tokenizers import Tokenizer


def encode(batch: dict[str, list[str]], tokenizer: Tokenizer) -> dict[str, list[np.ndarray]]:
    """Ids of a batch's texts."""
    encodings = tokenizer.encode_batch_fast(batch["text"], add_special_tokens=False)
    return {"input_ids": [np.array(each.ids, np.uint16) for each in encodings]}


if __name__ == "__main__":
    tokenizer, corpus, out, workers = sys.argv[1:]
    files, n = sorted(map(str, Path(corpus).iterdir())), int(workers)
    rows = datasets.load_dataset("json", data_files=files, split="train", num_proc=n)
    ids = rows.map(
        encode,
        batched=True,
        fn_kwargs={"tokenizer": Tokenizer.from_file(tokenizer)},
        remove_columns=rows.column_names,
        features=datasets.Features({"input_ids": datasets.List(datasets.Value("uint16"))}),
        num_proc=n,
    )
    ids.save_to_disk(out, num_proc=n)
