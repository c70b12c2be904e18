"""Five tests of faults on duologue, datatrove and dolma, side by side.

    .venv/bin/python -m benchmarks.reliability_peers --kills 20

All read the same JSON lines with the same tokenizer.json and write token ids, on two workers.
Documents are counted whole, as decoded. The peers are installed below build/peers: 700 MB.
"""

import argparse
import contextlib
import csv
import dataclasses
import gzip
import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import psutil
from tokenizers import Tokenizer

from benchmarks.peers import python_of
from tests.running import command, exchange, rows_of, tiny_tokenizer

EOS = "<eos>"
FILES, DOCUMENTS, MIDDLE = 8, 250, 125
"""Files, documents of a file, and which of these is damaged or forged."""

ATTEMPTS = 3
"""How often the same command is given until it says that it is done."""

MARK = "RELIABILITY_PEERS_RUN"
"""Environment variable by which all processes of a run are found, whatever their parents."""

DATATROVE = """
import sys
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.tokens import DocumentTokenizer

if __name__ == "__main__":
    corpus, out, log, tokenizer, eos, tasks, workers = sys.argv[1:]
    steps = [JsonlReader(corpus), DocumentTokenizer(out, tokenizer, eos_token=eos, seed=1)]
    LocalPipelineExecutor(steps, int(tasks), int(workers), logging_dir=log).run()
"""

NOTES = f"""
Lost: not in the output unaltered. Equal: the output's files, by name and sha256 of what they hold
(a .gz unpacked), to those of the undisturbed run. The same command is given up to {ATTEMPTS} times.
duologue: `prepare --chunk-bytes 524288`; survived is code 0, or 3, which says that inputs were bad.
datatrove: `LocalPipelineExecutor` of `JsonlReader` and `DocumentTokenizer(eos_token=, seed=1)`, a
task a file, whose log names it; resumed by the same executor with the same `logging_dir`.
dolma: `dolma tokens --tokenizer.eos_token_id --seed 1`; docs/tokenize.md says nothing on resuming.
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """What a command reads; where `out`, its output, and what it says are; and its exit codes."""

    corpus: Path
    folder: Path
    out: Path
    workers: int
    codes: list[int | None] = dataclasses.field(default_factory=list)


@cache
def reference() -> Tokenizer:
    """The tokenizer of all runs."""
    return Tokenizer.from_str(tiny_tokenizer(EOS))


def once(argv: list[Any], run: Run, kill_after: float | None = None) -> int | None:
    """Run a command to its end, or kill all its processes and give None."""
    run.folder.mkdir(parents=True, exist_ok=True)
    # A short path: sockets are made there.
    env = os.environ | {MARK: str(run.folder), "TMPDIR": str(run.corpus.parent)}
    with (run.folder / "said").open("ab") as said:
        pipes = {"stdin": subprocess.DEVNULL, "stdout": said, "stderr": said}
        child = subprocess.Popen([*map(str, argv)], env=env, **pipes)
    try:
        code = child.wait(kill_after)
    except subprocess.TimeoutExpired:
        code = None
    mark = f"'{MARK}': '{run.folder}'"
    while alive := [p for p in psutil.process_iter(["environ"]) if mark in str(p.info["environ"])]:
        for process in alive:
            process.kill()
        psutil.wait_procs(alive, 5)
    child.wait()
    return code


def hashes(out: Path) -> dict[str, str]:
    """sha256 of each file by name; of a .gz, whose head tells the time, of what it holds."""
    found = {}
    for path in sorted(each for each in out.rglob("*") if each.is_file()):
        if "_run" not in path.parts:  # Where duologue notes times and versions.
            with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
                name = path.relative_to(out).as_posix()
                found[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def compare(found: Counter[str], wanted: Counter[str]) -> tuple[int, int]:
    """How many documents are lost, and how many copies there are too many."""
    return (wanted - found).total(), sum((found - wanted)[text] for text in wanted)


def quoted(run: Run, name: str) -> str:
    """What was said that names an input; the last line if nothing does."""
    said = (run.folder / "said").read_text(errors="replace").split("\n")
    rejected = [each.read_text() for each in run.out.glob("rejected/*")]
    told = [
        x for x in (*said, *rejected) if name in x and re.search("(?i)warn|err|damag|reason", x)
    ]
    line = re.sub(r"\S*/(?=\w)|, .bytes.:.*|`", "", [*told, said[-2]][0]).strip()
    return f"codes {run.codes}: `{re.split(r' [-|] |] ', line)[-1][:160]}`"


def readable(*paths: Path) -> Counter[str]:
    """The documents of files of JSON lines: those of whole lines that are UTF-8."""
    found: Counter[str] = Counter()
    for path in paths:
        data = path.read_bytes()
        data = zlib.decompressobj(31).decompress(data) if path.suffix == ".gz" else data
        for line in data.split(b"\n")[:-1]:
            with contextlib.suppress(UnicodeDecodeError):
                found[json.loads(line)["text"]] += 1
    return found


@dataclasses.dataclass(frozen=True)
class Trials:
    """All tests of a tool; `_argv` is its command, `_documents` the ids of those in an output."""

    work: Path
    name: ClassVar[str]
    good: ClassVar[frozenset[int]] = frozenset({0})
    forged_with: ClassVar[tuple[tuple[str, ...], ...]] = ((),)

    def _argv(self, run: Run) -> list[Any]:
        raise NotImplementedError

    def _documents(self, out: Path) -> Iterator[list[int]]:
        raise NotImplementedError

    def begin(self, name: str, of: str = "corpus", workers: int = 2) -> Run:
        """A run before its command is given."""
        folder = self.work / self.name / name
        return Run(corpus=self.work / of, folder=folder, out=folder / "out", workers=workers)

    def end(self, run: Run, *options: str) -> Run:
        """The same command until it completes."""
        while len(run.codes) < ATTEMPTS and not self.good.intersection(run.codes):
            run.codes.append(once([*self._argv(run), *options], run))
        return run

    def texts_in(self, run: Run) -> Counter[str]:
        """The documents that a run wrote."""
        ids = list(self._documents(run.out))
        return Counter(reference().decode_batch(ids, skip_special_tokens=False))

    def row(self, test: str, runs: list[Run], remark: str = "") -> str:
        """What runs left, beside what can be read, and beside the undisturbed run's files."""
        wanted = readable(*runs[0].corpus.iterdir())
        pairs = [compare(self.texts_in(run), wanted) for run in runs]
        expected, same = hashes(self.begin("undisturbed").out), "-"
        if runs[0].corpus.name == "corpus":
            same = sum(hashes(run.out) == expected for run in runs)
        ended = [run.codes[-1] in self.good for run in runs]
        counts = [len(runs), sum(ended), *np.sum(pairs, axis=0), same]
        return f"| {' | '.join(map(str, [test, self.name, *counts, remark]))} |"

    def rows(self, kills: int) -> Iterator[str]:
        """The moments of killing are the same shares of each tool's time."""
        start = time.perf_counter()
        undisturbed = self.end(self.begin("undisturbed"))
        seconds = time.perf_counter() - start
        if self.texts_in(undisturbed) != readable(*undisturbed.corpus.iterdir()):
            sys.exit(f"{self.name} failed: {quoted(undisturbed, EOS)}")
        runs, begun = [self.begin(f"killed {n}") for n in range(kills)], 0
        for n, run in enumerate(runs):
            # The first third goes by with imports.
            share = random.Random(n).uniform(1 / 3, 1)
            while once(self._argv(run), run, share * seconds) is not None:
                shutil.rmtree(run.folder)  # It was faster than the undisturbed run.
                seconds *= 0.9
            begun += any(each.is_file() for each in run.out.rglob("*"))
            self.end(run)
        yield self.row("kill -9, then the same command", runs, f"{begun} had begun to write")
        for test, workers in (("same seed, again", 2), ("same seed, 1 worker instead of 2", 1)):
            yield self.row(test, [self.end(self.begin(test, workers=workers))])
        yield from self.damaged()
        for options in self.forged_with:
            yield self.forged(*options)

    def damaged(self) -> Iterator[str]:
        """A byte that is not UTF-8 in a line of a file; a .gz without its second half."""
        invalid, cut = (self.end(self.begin(name, name)) for name in ("invalid", "truncated"))
        replaced = sum("\ufffd" in text for text in self.texts_in(invalid))
        remark = f"{replaced} documents with U+FFFD; {quoted(invalid, '4.jsonl')}"
        yield self.row("invalid UTF-8 in 1 line", [invalid], remark)
        whole = readable(cut.corpus / "3.jsonl.gz")
        kept = f"{(self.texts_in(cut) & whole).total()} of {whole.total()} before the cut"
        yield self.row("truncated .gz", [cut], f"{kept}; {quoted(cut, '3.jsonl.gz')}")

    def forged(self, *options: str) -> str:
        """A document of each file spells the control token."""
        test = " ".join(["forged control token", *options])
        run = self.end(self.begin(test, "forged"), *options)
        n = sum(ids.count(reference().token_to_id(EOS)) for ids in self._documents(run.out))
        return self.row(test, [run], f"{n} of {FILES} became it")


class Duologue(Trials):
    """Chunks of about a file's size, so that there is as much to resume as for the others."""

    name = "duologue"
    good = frozenset({0, 3})

    def _argv(self, run: Run) -> list[Any]:
        tokenizer = ["--tokenizer", self.work / "tokenizer.json"]
        options = [*tokenizer, "--workers", run.workers, "--chunk-bytes", 2**19]
        return [*command("prepare", run.corpus, "--out", run.out, *options)]

    def _documents(self, out: Path) -> Iterator[list[int]]:
        for row in rows_of(out, "documents"):
            texts = [each for each in row["segments"] if each["kind"] != "delimiter"]
            yield [i for each in texts for i in row["input_ids"][each["start"] : each["end"]]]


class Datatrove(Trials):
    """A task a file; each file of ids has an index of where its documents, closed by EOS, end."""

    name = "datatrove 0.10.1"

    def _argv(self, run: Run) -> list[Any]:
        paths = [run.corpus, run.out, run.folder / "log", self.work / "tokenizer.json"]
        return [python_of("datatrove"), "-c", DATATROVE, *paths, EOS, FILES, run.workers]

    def _documents(self, out: Path) -> Iterator[list[int]]:
        for index in sorted(out.glob("*.ds.index")):
            ids = np.fromfile(index.with_suffix(""), "<u2").tolist()
            spans = pairwise([0, *np.fromfile(index, "<u8").tolist()])
            yield from (ids[start : end - 1] for start, end in spans)


class Dolma(Trials):
    """Each file of ids has a table of its documents, closed by EOS."""

    name = "dolma 1.2.1"
    forged_with = ((), ("--tokenizer.encode_special_tokens",))

    def _argv(self, run: Run) -> list[Any]:
        path, eos = self.work / "tokenizer.json", reference().token_to_id(EOS)
        tokenizer = ["--tokenizer.name_or_path", path, "--tokenizer.eos_token_id", eos]
        paths = ["--documents", run.corpus / "*", "--destination", run.out]
        rest = ["--processes", run.workers, "--seed", 1]
        return [python_of("dolma"), "-m", "dolma.cli", "tokens", *paths, *tokenizer, *rest]

    def _documents(self, out: Path) -> Iterator[list[int]]:
        for path in sorted(out.glob("*.csv.gz")):
            ids = np.fromfile(str(path).replace(".csv.gz", ".npy"), "<u2").tolist()
            with gzip.open(path, "rt") as table:
                yield from (ids[int(start) : int(end) - 1] for start, end, *_ in csv.reader(table))


def write_inputs(work: Path) -> None:
    """All corpora, and the tokenizer, its merges as strings: the form that dolma reads too."""
    for name in ("corpus", "invalid", "truncated"):
        write_corpus(work / name)
    write_corpus(work / "forged", f" A text may say {EOS} here.")
    path, marker = work / "invalid/4.jsonl", f"Document {MIDDLE} ".encode()
    path.write_bytes(path.read_bytes().replace(marker, b"\xff" + marker))
    path = work / "truncated/3.jsonl.gz"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    spec = json.loads(reference().to_str())
    spec["model"]["merges"] = [" ".join(pair) for pair in spec["model"]["merges"]]
    (work / "tokenizer.json").write_text(json.dumps(spec))


def write_corpus(folder: Path, forged: str = "") -> None:
    """JSON lines of about 1,200 bytes with ids, every other file gzipped."""
    folder.mkdir()
    for file in range(FILES):
        data = b""
        for n in range(DOCUMENTS):
            text = "".join(exchange(10_000 * file + 10 * n + i) for i in range(5))
            text += f"Document {n} of file {file}." + forged * (n == MIDDLE)
            data += json.dumps({"id": f"id-{file}-{n}", "text": text}).encode() + b"\n"
        path = folder / f"{file}.jsonl{'.gz' * (file % 2)}"
        path.write_bytes(gzip.compress(data, mtime=0) if file % 2 else data)


def main() -> None:
    """Run all tests, print the table."""
    tools = {each.name.split()[0]: each for each in (Duologue, Datatrove, Dolma)}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--tools", nargs="+", choices=tools, default=list(tools))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="peers-") as work:
        write_inputs(Path(work))
        print("| test | tool | runs | survived | lost | doubled | equal | remark |")
        print(f"|---|---|{'--:|' * 5}---|", flush=True)
        for tool in map(tools.__getitem__, args.tools):
            for row in tool(Path(work)).rows(args.kills):
                print(row, flush=True)
    print(NOTES)


if __name__ == "__main__":
    main()
