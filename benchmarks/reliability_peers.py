"""Five tests of faults on duologue, datatrove and dolma, side by side.

    .venv/bin/python -m benchmarks.reliability_peers --kills 20

All read the same JSON lines with the same tokenizer.json and write token ids, on two workers. The
first time, datatrove and dolma are installed below build/peers: 700 MB, a minute or two. Documents
are counted whole, as decoded from the ids that a tool wrote.
"""

import argparse
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
import venv
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from tokenizers import Tokenizer

from tests.running import command, exchange, rows_of, tiny_tokenizer

EOS = "<eos>"
FILES = 8
DOCUMENTS_A_FILE = 250
MIDDLE = 125
"""Which document of a file is damaged or forged."""

ATTEMPTS = 3
"""How often the same command is given until it says that it is done."""

MARK = "RELIABILITY_PEERS_RUN"
"""Environment variable by which all processes of a run are found, whatever their parents."""

PACKAGES = {
    # orjson and tokenizers are what its extras have for JSON lines and for tokenising.
    "datatrove": ["datatrove==0.10.1", "orjson", "tokenizers"],
    # dolma pins s3fs; unless what that needs is named, pip looks for it for many minutes.
    "dolma": ["dolma==1.2.1", "aiobotocore==2.5.0", "boto3==1.26.76", "fsspec==2023.6.0"],
}

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
duologue: `prepare --chunk-bytes 524288`; survived is exit code 0, or 3 when inputs were damaged.
datatrove: `LocalPipelineExecutor` of `JsonlReader` and `DocumentTokenizer(eos_token=, seed=1)`, a
task a file, resumed by the same executor with the same `logging_dir`.
dolma: `dolma tokens --tokenizer.eos_token_id --seed 1`; its documentation has nothing on resuming.
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """What a command reads; where `out`, its output, and what it says are; and its exit codes."""

    corpus: Path
    tokenizer: Path
    folder: Path
    out: Path
    workers: int
    codes: list[int | None] = dataclasses.field(default_factory=list)


def duologue_argv(run: Run) -> list[Any]:
    """Chunks of about a file's size, so that there is as much to resume as for the others."""
    options = ["--tokenizer", run.tokenizer, "--workers", run.workers, "--chunk-bytes", 2**19]
    return [*command("prepare", run.corpus, "--out", run.out, *options)]


def duologue_documents(out: Path) -> Iterator[list[int]]:
    """A row is a document; delimiters are segments of their own."""
    for row in rows_of(out, "documents"):
        texts = [each for each in row["segments"] if each["kind"] != "delimiter"]
        yield [i for each in texts for i in row["input_ids"][each["start"] : each["end"]]]


def datatrove_argv(run: Run) -> list[Any]:
    """A task a file."""
    paths = [run.corpus, run.out, run.folder / "log", run.tokenizer]
    return [python_of("datatrove"), "-c", DATATROVE, *paths, EOS, FILES, run.workers]


def datatrove_documents(out: Path) -> Iterator[list[int]]:
    """Each file of ids has an index of where its documents, closed by EOS, end."""
    for index in sorted(out.glob("*.ds.index")):
        ids = np.fromfile(index.with_suffix(""), "<u2").tolist()
        spans = pairwise([0, *np.fromfile(index, "<u8").tolist()])
        yield from (ids[start : end - 1] for start, end in spans)


def dolma_argv(run: Run, options: Sequence[str] = ()) -> list[Any]:
    """Its own folders of temporary files, as is its default."""
    eos = reference().token_to_id(EOS)
    tokenizer = ["--tokenizer.name_or_path", run.tokenizer, "--tokenizer.eos_token_id", eos]
    paths = ["--documents", run.corpus / "*", "--destination", run.out]
    rest = ["--processes", run.workers, "--seed", 1]
    return [python_of("dolma"), "-m", "dolma.cli", "tokens", *paths, *tokenizer, *rest, *options]


def dolma_documents(out: Path) -> Iterator[list[int]]:
    """Each file of ids has a table of its documents, closed by EOS."""
    for path in sorted(out.glob("*.csv.gz")):
        ids = np.fromfile(str(path).replace(".csv.gz", ".npy"), "<u2").tolist()
        with gzip.open(path, "rt") as table:
            yield from (ids[int(start) : int(end) - 1] for start, end, *_ in csv.reader(table))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tool:
    """A tool's command, the ids of the documents in its output, and the codes of success."""

    name: str
    argv: Callable[..., list[Any]]
    documents: Callable[[Path], Iterator[list[int]]]
    good: tuple[int, ...] = (0,)


SPLIT = "--tokenizer.encode_special_tokens"
"""An option that is off by default; the test of control tokens is run with it too."""

TOOLS = {
    "duologue": Tool(
        name="duologue", argv=duologue_argv, documents=duologue_documents, good=(0, 3)
    ),
    "datatrove": Tool(name="datatrove 0.10.1", argv=datatrove_argv, documents=datatrove_documents),
    "dolma": Tool(name="dolma 1.2.1", argv=dolma_argv, documents=dolma_documents),
}


@cache
def reference() -> Tokenizer:
    """The tokenizer of all runs."""
    return Tokenizer.from_str(tiny_tokenizer(EOS))


@cache
def python_of(peer: str) -> Path:
    """The interpreter of a peer's own environment, made when it is not there."""
    folder = Path("build/peers").absolute() / peer
    python, done = folder / "bin/python", folder / "installed"
    if not done.exists():
        print(f"installing {peer} into {folder}", file=sys.stderr)
        venv.create(folder, clear=True, with_pip=True)
        options = ["--quiet", "--no-cache-dir", "--only-binary", ":all:"]
        subprocess.run([python, "-m", "pip", "install", *options, *PACKAGES[peer]], check=True)
        done.touch()
    return python


def once(argv: list[Any], run: Run, kill_after: float | None = None) -> int | None:
    """Run a command to its end, or kill all its processes and give None."""
    (run.folder / "tmp").mkdir(parents=True, exist_ok=True)
    env = os.environ | {MARK: str(run.folder), "TMPDIR": str(run.folder / "tmp")}
    with (run.folder / "said").open("ab") as said:
        argv = [str(each) for each in argv]
        child = subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
    try:
        code = child.wait(kill_after)
    except subprocess.TimeoutExpired:
        code = None
    while alive := marked(str(run.folder)):
        for each in alive:
            each.kill()
        psutil.wait_procs(alive, 5)
    child.wait()
    return code


def marked(value: str) -> list[psutil.Process]:
    """Processes of a run; psutil gives no environment of one that is gone or another user's."""
    every = psutil.process_iter(["environ"])
    return [each for each in every if (each.info["environ"] or {}).get(MARK) == value]


def hashes(out: Path) -> dict[str, str]:
    """sha256 of each file by name; of a .gz, whose head tells the time, of what it holds."""
    found = {}
    for path in sorted(each for each in out.rglob("*") if each.is_file()):
        name = path.relative_to(out)
        if name.parts[0] != "_run":  # Where duologue notes times and versions.
            with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
                found[name.as_posix()] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def compare(found: Counter[str], wanted: Counter[str]) -> tuple[int, int]:
    """How many documents are lost, and how many copies there are too many."""
    return (wanted - found).total(), sum((found - wanted)[text] for text in wanted)


def quoted(run: Run, name: str) -> str:
    """What was said that names an input; the last line if nothing does."""
    said = (run.folder / "said").read_text(errors="replace").split("\n")
    is_about = re.compile("warn|err|damaged|corrupt|reject|reason", re.IGNORECASE).search
    rejected = [each.read_text() for each in run.out.glob("rejected/*")]
    told = [each for each in (*said, *rejected) if name in each and is_about(each)]
    line = re.sub(r"\S*/(?=\w)|, .bytes.:.*", "", [*told, said[-2].strip()][0])
    logs = [each.read_text() for each in (run.folder / "log/logs").glob("*")]
    in_log = any("ERROR" in each and name in each for each in logs) and not told
    where = " (the log of the task that failed names the file)" if in_log else ""
    return f"codes {run.codes}: `{re.split(r' [-|] |] ', line)[-1][:160]}`{where}"


def text_of(file: int, number: int) -> str:
    """About 1,200 bytes, which say which document they are."""
    seed = 10_000 * file + 10 * number
    return "".join(exchange(seed + n) for n in range(5)) + f"Document {number} of file {file}."


def write_corpus(folder: Path, texts: list[list[str]]) -> None:
    """JSON lines with ids, every other file gzipped."""
    folder.mkdir()
    for number, file in enumerate(texts):
        rows = [{"id": f"id-{number}-{n}", "text": text} for n, text in enumerate(file)]
        data = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
        path = folder / f"{number}.jsonl{'.gz' * (number % 2)}"
        path.write_bytes(gzip.compress(data, mtime=0) if number % 2 else data)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trials:
    """The tests of a tool, each a function that gives a row of the table."""

    tool: Tool
    work: Path
    texts: list[list[str]]

    def begin(self, name: str, corpus: str = "corpus", workers: int = 2) -> Run:
        """A run without its command."""
        folder = self.work / self.tool.name / name
        paths = {"corpus": self.work / corpus, "tokenizer": self.work / "tokenizer.json"}
        return Run(**paths, folder=folder, out=folder / "out", workers=workers)

    def end(self, run: Run) -> Run:
        """The same command until it completes."""
        for _ in range(ATTEMPTS):
            run.codes.append(once(self.tool.argv(run), run))
            if run.codes[-1] in self.tool.good:
                break
        return run

    def texts_in(self, run: Run) -> Counter[str]:
        """The documents that a run wrote."""
        documents = list(self.tool.documents(run.out))
        return Counter(reference().decode_batch(documents, skip_special_tokens=False))

    def row(self, test: str, runs: list[Run], wanted: list[str], remark: str = "") -> str:
        """What runs left, beside all that is wanted; and beside the undisturbed run's files."""
        pairs = [compare(self.texts_in(run), Counter(wanted)) for run in runs]
        survived = sum(run.codes[-1] in self.tool.good for run in runs)
        expected = hashes(self.begin("undisturbed").out)
        is_same_input = runs[0].corpus.name == "corpus"
        same = sum(hashes(run.out) == expected for run in runs) if is_same_input else "-"
        counts = [len(runs), survived, *np.sum(pairs, axis=0), same]
        return f"| {' | '.join(map(str, [test, self.tool.name, *counts, remark]))} |"

    def rows(self, kills: int) -> Iterator[str]:
        """All tests; the moments of killing are the same shares of each tool's time."""
        start, every = time.perf_counter(), list(chain(*self.texts))
        undisturbed = self.end(self.begin("undisturbed"))
        seconds = time.perf_counter() - start
        if self.texts_in(undisturbed) != Counter(every):
            sys.exit(f"{self.tool.name} failed: {quoted(undisturbed, EOS)}")
        runs, begun = [self.begin(f"killed {n}") for n in range(kills)], 0
        for n, run in enumerate(runs):
            # The first third goes by with imports.
            share = random.Random(n).uniform(1 / 3, 1)
            while once(self.tool.argv(run), run, share * seconds) is not None:
                shutil.rmtree(run.folder)  # It was faster than the undisturbed run.
                seconds *= 0.9
            begun += any(each.is_file() for each in run.out.rglob("*"))
            self.end(run)
        remark = f"{begun} had begun to write when they were killed"
        yield self.row("kill -9, then the same command", runs, every, remark)
        yield self.row("same seed, again", [self.end(self.begin("again"))], every)
        one = self.end(self.begin("one worker", workers=1))
        yield self.row("same seed, 1 worker instead of 2", [one], every)
        yield self.invalid()
        yield self.truncated()
        yield self.forged()
        if self.tool.argv is dolma_argv:
            argv = partial(dolma_argv, options=[SPLIT])
            tool = dataclasses.replace(self.tool, name=f"{self.tool.name} {SPLIT}", argv=argv)
            yield dataclasses.replace(self, tool=tool).forged()

    def invalid(self) -> str:
        """One line of one file has a byte that is not UTF-8."""
        run = self.end(self.begin("invalid", "invalid"))
        wanted = [text for text in chain(*self.texts) if text != self.texts[4][MIDDLE]]
        replaced = sum("\ufffd" in text for text in self.texts_in(run))
        remark = f"{quoted(run, '4.jsonl')}; {replaced} documents with U+FFFD"
        return self.row("invalid UTF-8 in 1 line", [run], wanted, remark)

    def truncated(self) -> str:
        """One .gz is cut in the middle; documents that are not whole are not wanted."""
        run = self.end(self.begin("truncated", "truncated"))
        data = zlib.decompressobj(31).decompress((run.corpus / "3.jsonl.gz").read_bytes())
        whole = self.texts[3][: data.count(b"\n")]
        kept = (self.texts_in(run) & Counter(whole)).total()
        remark = f"{kept} of {len(whole)} documents before the cut; {quoted(run, '3.jsonl.gz')}"
        wanted = [*chain(*self.texts[:3]), *whole, *chain(*self.texts[4:])]
        return self.row("truncated .gz", [run], wanted, remark)

    def forged(self) -> str:
        """One document of each file spells the control token."""
        run = self.end(self.begin("forged", "forged"))
        eos = reference().token_to_id(EOS)
        inside = sum(ids.count(eos) for ids in self.tool.documents(run.out))
        remark = f"{inside} of {FILES} became the control token"
        return self.row(
            "text spells the control token", [run], list(chain(*forged(self.texts))), remark
        )


def forged(texts: list[list[str]]) -> list[list[str]]:
    """The same documents, but one of each file spells the control token."""
    said = f" A text may say {EOS} here."
    return [[*file[:MIDDLE], file[MIDDLE] + said, *file[MIDDLE + 1 :]] for file in texts]


def write_inputs(work: Path, texts: list[list[str]]) -> None:
    """All corpora, and the tokenizer, its merges as strings: the form that dolma reads too."""
    spec = json.loads(reference().to_str())
    spec["model"]["merges"] = [" ".join(pair) for pair in spec["model"]["merges"]]
    (work / "tokenizer.json").write_text(json.dumps(spec))
    for name in ("corpus", "invalid", "truncated"):
        write_corpus(work / name, texts)
    write_corpus(work / "forged", forged(texts))
    path = work / "invalid/4.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[MIDDLE] = lines[MIDDLE].replace(b"Document", b"\xffDocument")
    path.write_bytes(b"".join(lines))
    path = work / "truncated/3.jsonl.gz"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def main() -> None:
    """Run all tests, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--tools", nargs="+", choices=TOOLS, default=list(TOOLS))
    args = parser.parse_args()
    texts = [[text_of(file, n) for n in range(DOCUMENTS_A_FILE)] for file in range(FILES)]
    with tempfile.TemporaryDirectory(prefix="peers-") as work:
        write_inputs(Path(work), texts)
        print("| test | tool | runs | survived | lost | doubled | equal | remark |")
        print(f"|---|---|{'--:|' * 5}---|", flush=True)
        for name in args.tools:
            trials = Trials(tool=TOOLS[name], work=Path(work), texts=texts)
            for row in trials.rows(args.kills):
                print(row, flush=True)
    print(NOTES)


if __name__ == "__main__":
    main()
