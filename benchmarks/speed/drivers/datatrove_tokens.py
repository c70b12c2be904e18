"""datatrove: JsonlReader and DocumentTokenizer in the local executor.

A task a worker, because each task starts anew. Batches are a hundredth of its default, which takes
gigabytes at no more speed.
"""

import sys

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.tokens import DocumentTokenizer

if __name__ == "__main__":
    tokenizer, corpus, out, workers, eos = sys.argv[1:]
    options = {"eos_token": eos, "seed": 1, "batch_size": 100}
    steps = [JsonlReader(corpus), DocumentTokenizer(out, tokenizer, **options)]
    LocalPipelineExecutor(steps, int(workers), int(workers), logging_dir="log").run()
