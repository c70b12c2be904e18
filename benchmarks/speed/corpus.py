"""The corpus: Python source and prose of the running install, the same text in several forms.

A document is a file of the install, in the order of its path's hash, so that a small corpus is a
like sample of a large one. Where more is asked for than there is, copies follow in which the words
of each copy are others: a tokenizer's cache must not know them all.
"""

import contextlib
import dataclasses
import hashlib
import itertools
import json
import re
import string
import sysconfig
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from backports import zstd
from tokenizers import Tokenizer

from transforms.train_tokenizer import train_bpe

SUFFIXES = {".py", ".pyi", ".md", ".rst", ".txt"}

PARTS = 16
"""JSON Lines files of the form `parts`: tools that take a file a worker are to have enough."""

FOLDER_FILES = 1000

EOS = "<|endoftext|>"
N_ENTRIES = 50_257
"""Of GPT-2's vocabulary, end of text included."""

TRAINING_BYTES = 32_000_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Corpus:
    """Where a corpus lies and what it holds.

    Attributes:
      path: a folder, or the one file.
      text_bytes: UTF-8 of all documents, without what JSON adds.
      documents: how many.
    """

    path: Path
    text_bytes: int
    documents: int


def install_roots() -> list[Path]:
    """Folders of the running install's standard library and packages."""
    return [Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib")]


def source_paths(roots: Iterable[Path]) -> list[Path]:
    """Source and prose files below folders, ordered by the hash of their paths in them."""
    found = {}
    for root in roots:
        for path in root.rglob("*"):
            name = path.relative_to(root)
            # Packages beside a standard library are those of another environment.
            if path.suffix in SUFFIXES and "site-packages" not in name.parts and path.is_file():
                found[path] = hashlib.blake2b(name.as_posix().encode()).digest(), path
    return sorted(found, key=found.__getitem__)


def texts_of(paths: Iterable[Path]) -> Iterator[str]:
    """What files hold, without those that hold nothing or are not UTF-8."""
    for path in paths:
        with contextlib.suppress(UnicodeDecodeError):
            text = path.read_text(encoding="utf-8")
            # A byte order mark is text to some tools and none to others.
            if text.strip() and not text.startswith("\ufeff"):
                yield text


def documents(paths: Sequence[Path], n_bytes: int) -> Iterator[str]:
    """Texts of the paths, and of copies after them, until there are that many bytes."""
    written = 0
    for copy in itertools.count():
        for text in texts_of(paths):
            changed = _with_other_words(text, copy) if copy else text
            yield changed
            written += len(changed.encode())
            if written >= n_bytes:
                return
        if not written:
            return


def _with_other_words(text: str, copy: int) -> str:
    letters = string.ascii_lowercase
    ending = letters[copy % len(letters)] * (1 + copy // len(letters))
    return re.sub(r"\b([a-z]{6,})\b", rf"\1{ending}", text)


def made_corpus(work: Path, megabytes: int, form: str) -> Corpus:
    """The corpus in a form, written when it is not there yet.

    Args:
      work: folder of all corpora.
      megabytes: of text, at the least.
      form: a key of FORMS.
    """
    folder = work / f"corpus-{megabytes}-{form}"
    note, path = folder / "corpus.json", folder / FORMS[form][0]
    if not note.exists():
        folder.mkdir(parents=True, exist_ok=True)
        n_bytes, n_documents = 0, 0

        def counted() -> Iterator[bytes]:
            nonlocal n_bytes, n_documents
            for text in documents(source_paths(install_roots()), megabytes * 1_000_000):
                data = text.encode()
                n_bytes, n_documents = n_bytes + len(data), n_documents + 1
                yield data

        FORMS[form][1](path, counted())
        note.write_text(json.dumps({"text_bytes": n_bytes, "documents": n_documents}))
    return Corpus(path=path, **json.loads(note.read_text()))


def _write_files(folder: Path, texts: Iterator[bytes]) -> None:
    for number, text in enumerate(texts):
        path = folder / f"{number // FOLDER_FILES:03d}/{number:07d}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)


def _write_parts(folder: Path, texts: Iterator[bytes]) -> None:
    folder.mkdir(exist_ok=True)
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context((folder / f"{n:02d}.jsonl").open("wb")) for n in range(PARTS)]
        _write_lines(itertools.cycle(files), texts)


def _write_jsonl(path: Path, texts: Iterator[bytes]) -> None:
    with path.open("wb") as file:
        _write_lines(itertools.repeat(file), texts)


def _write_zst(path: Path, texts: Iterator[bytes]) -> None:
    with zstd.open(path, "wb") as file:
        _write_lines(itertools.repeat(file), texts)


def _write_lines(files: Iterator[BinaryIO], texts: Iterator[bytes]) -> None:
    for number, (file, text) in enumerate(zip(files, texts, strict=False)):
        row = {"id": str(number), "text": text.decode()}
        file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")


FORMS: dict[str, tuple[str, Callable[[Path, Iterator[bytes]], None]]] = {
    "files": ("files", _write_files),
    "parts": ("parts", _write_parts),
    "jsonl": ("corpus.jsonl", _write_jsonl),
    "zst": ("corpus.jsonl.zst", _write_zst),
}
"""Name of the folder or file and what writes it: text files; 16 of JSON lines; one; one packed."""


def made_tokenizer(work: Path) -> Path:
    """A tokenizer.json of GPT-2's kind and size, trained once on the corpus's beginning.

    Merges are strings in it: older versions of `tokenizers` do not read pairs.

    Raises:
      ValueError: if the install has too little text.
    """
    path = work / "tokenizer.json"
    if not path.exists():
        texts = documents(source_paths(install_roots()), TRAINING_BYTES)
        tokenizer = Tokenizer.from_str(train_bpe(texts, N_ENTRIES - 1))
        tokenizer.add_special_tokens([EOS])
        if tokenizer.token_to_id(EOS) != N_ENTRIES - 1:
            msg = f"the install holds too little text for a vocabulary of {N_ENTRIES} entries"
            raise ValueError(msg)
        spec = json.loads(tokenizer.to_str())
        spec["model"]["merges"] = [" ".join(pair) for pair in spec["model"]["merges"]]
        work.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(spec, ensure_ascii=False), encoding="utf-8")
    return path


def warm(path: Path) -> None:
    """Read all once, so that every tool finds it in the page cache."""
    for each in [path] if path.is_file() else sorted(path.rglob("*")):
        if each.is_file():
            with each.open("rb") as file:
                while file.read(1 << 24):
                    pass
