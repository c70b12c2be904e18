"""datatrove: JsonlReader and DocumentTokenizer in the local executor, a task a file."""

import sys
from pathlib import Path

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.tokens import DocumentTokenizer

if __name__ == "__main__":
    tokenizer, corpus, out, workers, eos = sys.argv[1:]
    steps = [JsonlReader(corpus), DocumentTokenizer(out, tokenizer, eos_token=eos, seed=1)]
    tasks = len(list(Path(corpus).iterdir()))
    LocalPipelineExecutor(steps, tasks, int(workers), logging_dir="log").run()
