"""The command line as a person runs it, small corpora to run it on, and what it left behind."""

import fcntl
import gzip
import hashlib
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from backports import zstd
from tokenizers import Tokenizer

from transforms.train_tokenizer import train_bpe

CHUNK_BYTES = 5_000
"""Of `write_corpus`: about twenty chunks, some of several files, some of one range."""

COMMON = ("--holdout", "0.2", "--chunk-bytes", str(CHUNK_BYTES))

FORGED = "A text may say <|endoftext|>, <eos>, </s>, <answer>x</answer>, <|im_end|> or <pad>.\n"
"""Spells control tokens; it is text all the same."""


class Ran(NamedTuple):
    """What a command left: exit code, output, and errors with white space made single spaces."""

    code: int
    out: str
    err: str

    @property
    def last_line(self) -> str:
        """The last line of the errors as printed."""
        return self.err.strip().splitlines()[-1] if self.err.strip() else ""

    @property
    def said(self) -> str:
        """Output and errors on one line: boxes and wrapped lines do not matter."""
        return " ".join((self.out + self.err).replace("│", " ").split())


def command(*argv: object) -> list[str]:
    """The command line of duologue."""
    return [sys.executable, "-m", "jobs.cli", *map(os.fspath, map(_text, argv))]


def _text(each: object) -> str | bytes:
    return os.fspath(each) if isinstance(each, Path) else str(each)


def duologue(*argv: object, cwd: Path | None = None, env: dict[str, str] | None = None) -> Ran:
    """Run duologue to its end."""
    done = subprocess.run(
        command(*argv),
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=500,
    )
    return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())


def once(base: Path, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that is made once, whichever of pytest's processes needs it first."""
    root = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, done = root / name, root / f"{name}.done"
    with (root / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            make(folder)
            done.touch()
    return folder


def tree(out: Path) -> dict[str, str]:
    """sha256 of all files of an output by relative path; what tells of the run is left out."""
    return {
        path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.relative_to(out).parts[0] != "_run"
    }


def manifest_of(out: Path) -> dict:
    """The manifest."""
    return json.loads((out / "manifest.json").read_bytes())


def rows_of(out: Path, config: str, split: str = "*") -> Iterator[dict]:
    """All rows of a config, in the order of the shards' names."""
    for path in sorted(out.glob(f"{config}/{split}/*.arrow")):
        yield from rows_of_shard(path)


def rows_of_shard(path: Path) -> list[dict]:
    """All rows of a shard."""
    with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as reader:
        return reader.read_all().to_pylist()


def rejected_of(out: Path) -> dict[str, dict]:
    """What was rejected, by source."""
    lines = [
        line
        for path in sorted(out.glob("rejected/*.jsonl"))
        for line in path.read_bytes().splitlines()
    ]
    found = [json.loads(line) for line in lines]
    assert len({each["source"] for each in found}) == len(found)
    return {each["source"]: each for each in found}


def text_of(row: dict, tokenizer: Tokenizer) -> str:
    """The document's text in a row: the tokens of its segments, delimiters left out."""
    ids = [
        token
        for segment in row["segments"]
        if segment["kind"] != "delimiter"
        for token in row["input_ids"][segment["start"] : segment["end"]]
    ]
    return tokenizer.decode(ids, skip_special_tokens=False)


def tiny_tokenizer(eos: str | None = "<eos>") -> str:
    """The text of a small tokenizer.json, with an end-of-turn token unless None."""
    tokenizer = Tokenizer.from_str(train_bpe(map(exchange, range(50)), 400))
    if eos is not None:
        tokenizer.add_special_tokens([eos])
    return tokenizer.to_str()


def exchange(seed: int) -> str:
    """A few hundred bytes: prose, questions with answers, a doctest."""
    rng = random.Random(seed)
    word = ["ebb", "flood", "moon", "tide", "harbour", "pilot", "rope", "keel", "naïve", "潮汐"]

    def sentence() -> str:
        return " ".join(rng.choices(word, k=rng.randint(4, 12))).capitalize()

    faq = f"Q: {sentence()}?\nA: {sentence()}.\n\nQ: {sentence()}?\nA: {sentence()}.\n"
    prose = f"{sentence()}. {sentence()}.\n"
    doctest = f">>> {rng.randint(2, 9)} + {rng.randint(2, 9)}\n{rng.randint(4, 18)}\n"
    return rng.choice([f"{prose}\n{faq}", f"{faq}\n{prose}", f"{prose}\n{doctest}\n{prose}"])


def jsonl(texts: list[str]) -> bytes:
    """JSON lines with a text and a number."""
    return b"".join(json.dumps({"text": t, "n": i}).encode() + b"\n" for i, t in enumerate(texts))


def write_corpus(folder: Path) -> None:
    """A corpus of all readers, in folders; nothing in it is damaged."""
    for name in ("faq", "notes/old"):
        (folder / name).mkdir(parents=True)
    for i in range(12):
        (folder / "faq" / f"{i:02d}.txt").write_text(exchange(i) * (1 + i % 3))
        (folder / "notes/old" / f"{i:02d}.md").write_text(exchange(100 + i) + FORGED)
    (folder / "notes/empty.txt").touch()
    (folder / "notes/picture.png").write_bytes(b"\x89PNG")
    (folder / "notes/long.txt").write_text("".join(map(exchange, range(200, 260))))
    (folder / "old.txt.gz").write_bytes(gzip.compress(exchange(300).encode(), mtime=0))
    (folder / "talk.jsonl").write_bytes(jsonl([exchange(400 + i) for i in range(200)]))
    pieces = jsonl([exchange(700 + i) for i in range(200)])
    (folder / "pieces.jsonl.zst").write_bytes(zstd.compress(pieces))
    table = pa.table({"text": [exchange(1000 + i) for i in range(120)], "n": range(120)})
    pq.write_table(table, folder / "rows.parquet", row_group_size=40)
