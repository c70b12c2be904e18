"""The tools: where each is installed, what it reads, its command, and what it wrote."""

import dataclasses
import importlib.metadata
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.peers import NotInstalledError, python_of, version_of
from benchmarks.speed.corpus import EOS, N_ENTRIES

ROOT = Path(__file__).parents[2]
DRIVERS = ROOT / "benchmarks/speed/drivers"

DUOLOGUE = "duologue"
BASELINE = "tokenizers"
"""Whose tokens the others' are compared with."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
    """What a command is to do.

    Attributes:
      corpus: a folder, or a file, of text.
      tokenizer: the tokenizer.json of all.
      out: where token shards go; not there yet.
      workers: processes.
    """

    corpus: Path
    tokenizer: Path
    out: Path
    workers: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Wrote:
    """What an output holds.

    Attributes:
      text_tokens: of all documents.
      control_tokens: ends of text, and duologue's delimiters.
      remark: what else is to be said.
    """

    text_tokens: int
    control_tokens: int = 0
    remark: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Contender:
    """A tool of the benchmark.

    Attributes:
      name: in tables.
      package: whose version is told.
      peer: its environment below build/peers, or None for ours.
      form: of the corpus that it reads, a key of corpus.FORMS.
      does: in a few words.
      argv: its command behind the interpreter.
      wrote: counts the tokens in an output.
      is_fast: runs at all sizes; the others at some.
      paths: before others on its import path.
    """

    name: str
    package: str
    form: str
    does: str
    argv: Callable[[Job], list[object]]
    wrote: Callable[[Path], Wrote]
    peer: str | None = None
    is_fast: bool = False
    paths: tuple[Path, ...] = ()

    def python(self) -> Path:
        """Its interpreter; installs it when it is not there."""
        return python_of(self.peer) if self.peer else Path(sys.executable)

    def version(self) -> str:
        """Of its package.

        Raises:
          NotInstalledError: where it is not, nor can be.
        """
        if self.peer:
            return version_of(self.peer, self.package)
        try:
            return importlib.metadata.version(self.package)
        except importlib.metadata.PackageNotFoundError as error:
            raise NotInstalledError(self.package) from error


def _prepare(job: Job) -> list[object]:
    options = ["--out", job.out, "--tokenizer", job.tokenizer, "--workers", job.workers]
    return ["-m", "jobs.cli", "prepare", job.corpus, *options]


def _driver(name: str, *options: str) -> Callable[[Job], list[object]]:
    def argv(job: Job) -> list[object]:
        paths = [job.tokenizer, job.corpus, job.out]
        return [DRIVERS / f"{name}.py", *paths, job.workers, *options]

    return argv


def _loop(engine: str) -> Callable[[Job], list[object]]:
    def argv(job: Job) -> list[object]:
        paths = [job.tokenizer, job.corpus, job.out]
        return [DRIVERS / "bare_loop.py", engine, *paths, job.workers]

    return argv


def _dolma(job: Job) -> list[object]:
    tokenizer = ["--tokenizer.name_or_path", job.tokenizer]
    # Its id: the last of the vocabulary.
    end = ["--tokenizer.eos_token_id", N_ENTRIES - 1, "--dtype", "uint16", "--seed", 1]
    paths = ["--documents", job.corpus / "*", "--destination", job.out]
    return ["-m", "dolma.cli", "tokens", *paths, *tokenizer, *end, "--processes", job.workers]


def _in_shards(out: Path) -> Wrote:
    """duologue's: of the config `documents`; that of `episodes` is told beside."""
    tokens, control, episodes = 0, 0, 0
    for path in sorted(out.glob("*/*/*.arrow")):
        with pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as batches:
            for batch in batches:
                n = len(batch["input_ids"].flatten())
                if path.parts[-3] == "episodes":
                    episodes += n
                    continue
                segments = batch["segments"].flatten()
                is_control = pc.equal(segments.field("kind"), "delimiter")
                sizes = pc.subtract(segments.field("end"), segments.field("start"))
                tokens += n
                control += pc.sum(sizes.filter(is_control)).as_py() or 0
    note = out / "_run/engine.json"
    engine = json.loads(note.read_text())["engine"] if note.exists() else "tokenizers"
    remark = f"engine {engine}; {episodes / 1e6:.1f} M more tokens in config episodes"
    return Wrote(text_tokens=tokens - control, control_tokens=control, remark=remark)


def _in_lists(out: Path) -> Wrote:
    """Those of datasets: a list of ids a row."""
    n, ends = 0, 0
    for path in sorted(out.glob("*.arrow")):
        with pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as batches:
            for batch in batches:
                ids = batch["input_ids"].flatten().to_numpy()
                n, ends = n + len(ids), ends + int(np.count_nonzero(ids == N_ENTRIES - 1))
    return Wrote(text_tokens=n - ends, control_tokens=ends)


def _in_files(pattern: str, ids_begin: Callable[[np.memmap], int]) -> Callable[[Path], Wrote]:
    """Those of 16-bit ids behind a head; an id that ends documents is not text."""

    def wrote(out: Path) -> Wrote:
        n, ends = 0, 0
        for path in sorted(out.rglob(pattern)):
            data = np.memmap(path, np.uint8, mode="r")
            ids = data[ids_begin(data) :].view(np.uint16)
            n, ends = n + len(ids), ends + int(np.count_nonzero(ids == N_ENTRIES - 1))
        return Wrote(text_tokens=n - ends, control_tokens=ends)

    return wrote


def _at_once(_: np.memmap) -> int:
    return 0


def _behind_offsets(data: np.memmap) -> int:
    """Of a chunk of litdata: the number of items, then where each begins, all 32 bits."""
    return int(data[4:8].view(np.uint32)[0])


CONTENDERS = (
    Contender(
        name=DUOLOGUE,
        package="duologue",
        form="files",
        does="segments, players, tokens, two configs, hashes, commits",
        argv=_prepare,
        wrote=_in_shards,
        is_fast=True,
    ),
    Contender(
        name="duologue, reference engine",
        package="duologue",
        form="files",
        does="the same without the package gigatoken",
        argv=_prepare,
        wrote=_in_shards,
        paths=(DRIVERS / "reference_only",),
    ),
    Contender(
        name="datatrove",
        package="datatrove",
        peer="datatrove",
        form="parts",
        does="JsonlReader, DocumentTokenizer",
        argv=_driver("datatrove_tokens", EOS),
        wrote=_in_files("*.ds", _at_once),
    ),
    Contender(
        name="dolma",
        package="dolma",
        peer="dolma",
        form="parts",
        does="dolma tokens",
        argv=_dolma,
        wrote=_in_files("*.npy", _at_once),
    ),
    Contender(
        name="litdata",
        package="litdata",
        peer="litdata",
        form="parts",
        does="optimize, TokensLoader",
        argv=_driver("litdata_optimize", EOS),
        wrote=_in_files("chunk-*.bin", _behind_offsets),
    ),
    Contender(
        name="megatron-core",
        package="megatron-core",
        peer="megatron",
        form="parts",
        does="as tools/preprocess_data.py, by IndexedDatasetBuilder",
        argv=_driver("megatron_preprocess", EOS),
        wrote=_in_files("*.bin", _at_once),
    ),
    Contender(
        name="datasets.map",
        package="datasets",
        form="parts",
        does="load json, map, save_to_disk",
        argv=_driver("datasets_map"),
        wrote=_in_lists,
    ),
    Contender(
        name=BASELINE,
        package="tokenizers",
        form="files",
        does="bare loop of encode_batch_fast",
        argv=_loop("tokenizers"),
        wrote=_in_files("*.bin", _at_once),
    ),
    Contender(
        name="gigatoken",
        package="gigatoken",
        form="files",
        does="bare loop of encode_batch",
        argv=_loop("gigatoken"),
        wrote=_in_files("*.bin", _at_once),
        is_fast=True,
    ),
    Contender(
        name="snaptokens",
        package="snaptokens",
        peer="snaptokens",
        form="files",
        does="bare loop of encode_batch_flat",
        argv=_loop("snaptokens"),
        wrote=_in_files("*.bin", _at_once),
        is_fast=True,
    ),
)
