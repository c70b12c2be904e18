"""A corpus for trials that needs no network: the prose that a Python install carries.

Five parts: pydoc's language topics, the docstrings of the standard library and of installed
packages (doctests kept as they are), the packages' long descriptions, and text files they ship.
Modules are parsed, never imported. The same install gives the same bytes.
"""

import ast
import contextlib
import dataclasses
import email
import gc
import hashlib
import inspect
import re
import sysconfig
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from email.message import Message
from functools import partial
from pathlib import Path, PurePosixPath
from pydoc_data.topics import topics

import orjson

from schemas.errors import UserError

LISTING = "SOURCES.json"
"""What the corpus holds; its name keeps it from being read as text, and marks OUT as ours."""

_FORMAT = "duologue sample corpus 1"
_PART_BYTES = 10_000_000
# One package's generated reference must not become the corpus.
_PACKAGE_BYTES = 1_000_000
_SMALLEST_BYTES = 200

_SKIPPED_FOLDER = re.compile(
    r"test|tests|testing|idle_test|_?vendor|_?vendored|extern|_click|licenses?"
    r"|site-packages|dist-packages|__pycache__|__editable__.*|duologue.*|config-.*",
    re.IGNORECASE,
)
_SKIPPED_FILE = re.compile(
    r"(test_|conftest|__editable__|.*_test\.|.*licen[cs]e|copying|copyright|notice|authors|credits|credits"
    r"|cmakelists|requirements|entry_points|top_level|sources\.txt).*",
    re.IGNORECASE,
)
_README_SUFFIX = {"text/markdown": ".md", "text/x-rst": ".rst", "text/plain": ".txt"}
_WORDS = re.compile(r"[^\W\d_]{2,}\W+[^\W\d_]+\W+[^\W\d_]+")

_DEFINITION = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef

_Text = Callable[[], str | None]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Install:
    """Where a Python install keeps its modules."""

    stdlib: Path
    packages: Path

    @staticmethod
    def current() -> "Install":
        """The install that runs this program."""
        paths = sysconfig.get_paths()
        return Install(stdlib=Path(paths["stdlib"]), packages=Path(paths["purelib"]))


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class SampleCorpus:
    """What was written, by part (`pydoc`, `docstrings`, `readmes`, `docs`)."""

    files: Mapping[str, int]
    size_bytes: Mapping[str, int]


def write_sample_corpus(out: Path, *, install: Install | None = None) -> SampleCorpus:
    """Writes the prose of a Python install under a folder, a file a source.

    Args:
      out: a folder that is missing, empty, or was written by this function before; the latter is
        brought to what the install holds now.
      install: which install; the running one by default.

    Raises:
      UserError: if `out` holds anything else, or can't be written.
    """
    install = install or Install.current()
    previous = _files_of_ours(out)
    corpus = {
        f"{part}/{path}": text
        for part, candidates in (
            ("docs", _docs(install)),
            # Apart, so that the standard library is whole whatever else is installed.
            ("docstrings", _docstrings(install.stdlib)),
            ("docstrings", _docstrings(install.packages)),
            ("pydoc", _pydoc_topics()),
            ("readmes", _readmes(install)),
        )
        for path, text in _chosen(candidates)
    }
    if not corpus:
        msg = (
            "this Python install carries no source files and no package metadata to take text "
            "from; run duologue from an ordinary virtual environment"
        )
        raise UserError(msg)
    try:
        _write(out, corpus, previous)
    except OSError as error:
        msg = (
            f"cannot write {error.filename or out}: {error.strerror}; make room, give write "
            "permission or name another folder"
        )
        raise UserError(msg) from error
    files = Counter(path.partition("/")[0] for path in corpus)
    size_bytes: Counter[str] = Counter()
    for path, data in corpus.items():
        size_bytes[path.partition("/")[0]] += len(data)
    return SampleCorpus(files=dict(files), size_bytes=dict(size_bytes))


def _chosen(candidates: Mapping[str, _Text]) -> Iterator[tuple[str, bytes]]:
    """Whole texts in the order of their paths' hashes until the part is full.

    By hash rather than by name, so that every package has its share, and a package that is
    installed later moves few of the others.
    """
    taken: Counter[str] = Counter()
    seen: set[bytes] = set()
    for path in sorted(candidates, key=lambda path: hashlib.blake2b(path.encode()).digest()):
        package = PurePosixPath(path).parts[0] if "/" in path else ""
        if package and taken[package] >= _PACKAGE_BYTES:
            continue
        text = candidates[path]()
        data = _encoded(text) if text else b""
        # A copy of what another package ships adds nothing.
        if len(data) < _SMALLEST_BYTES or (key := hashlib.blake2b(data).digest()) in seen:
            continue
        if taken.total() + len(data) > _PART_BYTES:
            return
        seen.add(key)
        taken[package] += len(data)
        yield path, data


def _encoded(text: str) -> bytes:
    """UTF-8, or nothing where a docstring spells a lone surrogate."""
    try:
        return (text.strip("\n") + "\n").encode()
    except UnicodeEncodeError:
        return b""


def _pydoc_topics() -> dict[str, _Text]:
    return {f"{name}.txt": partial(str, text) for name, text in topics.items()}


def _docstrings(root: Path) -> dict[str, _Text]:
    return {
        PurePosixPath(path).with_suffix(".txt").as_posix(): partial(_docstrings_of, file, path)
        for path, file in _files(root, {".py"})
    }


def _module_name(path: str) -> str:
    return path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")


def _docstrings_of(file: Path, path: str) -> str | None:
    """The docstrings of a module, in source order, each under its qualified name."""
    source = file.read_bytes()
    if b'"""' not in source and b"'''" not in source:
        return None
    try:
        with warnings.catch_warnings(), _collector_off():
            warnings.simplefilter("ignore")  # old escapes in other people's strings
            found = list(_documented(ast.parse(source), _module_name(path)))
    except (SyntaxError, ValueError, RecursionError):
        return None  # templates and files for other versions of Python
    return "\n\n".join(f"{name}\n{'-' * len(name)}\n\n{text}\n" for name, text in found)


@contextlib.contextmanager
def _collector_off() -> Iterator[None]:
    """A syntax tree is many objects and no garbage; collecting halves the speed of parsing."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _documented(node: ast.AST, name: str) -> Iterator[tuple[str, str]]:
    """Docstrings below a node, by statements only: expressions are most of a tree."""
    if isinstance(node, ast.Module | _DEFINITION):
        text = ast.get_docstring(node, clean=False)
        if text and (clean := inspect.cleandoc(text).strip()):
            yield name, clean
    for field in ("body", "handlers", "orelse", "finalbody"):
        children = getattr(node, field, ())
        # A lambda and a conditional expression have a body that is one expression.
        for child in children if isinstance(children, list) else ():
            is_named = isinstance(child, _DEFINITION)
            yield from _documented(child, f"{name}.{child.name}" if is_named else name)


def _readmes(install: Install) -> dict[str, _Text]:
    found: dict[str, _Text] = {}
    for metadata in sorted(install.packages.glob("*.dist-info/METADATA")):
        if _SKIPPED_FOLDER.fullmatch(metadata.parent.name):
            continue
        message = email.message_from_bytes(metadata.read_bytes())
        content_type = str(message.get("Description-Content-Type", "text/x-rst"))
        suffix = _README_SUFFIX.get(content_type.partition(";")[0].strip(), ".rst")
        name = metadata.parent.name.partition("-")[0]
        found[f"{name}{suffix}"] = partial(_description, message)
    return found


def _description(message: Message) -> str | None:
    payload = message.get_payload(decode=True)
    try:
        return payload.decode() if isinstance(payload, bytes) else None
    except UnicodeDecodeError:
        return None


def _docs(install: Install) -> dict[str, _Text]:
    return {
        path: partial(_prose_of, file)
        for root in (install.stdlib, install.packages)
        for path, file in _files(root, {".md", ".rst", ".txt"})
        if not path.partition("/")[0].endswith((".dist-info", ".egg-info"))
    }


def _prose_of(file: Path) -> str | None:
    """The text of a file; of .txt only if most lines hold three words, for many are tables."""
    try:
        text = file.read_bytes().decode()
    except UnicodeDecodeError:
        return None
    lines = [line for line in text.splitlines() if line.strip()]
    is_prose = sum(bool(_WORDS.search(line)) for line in lines) * 2 > len(lines)
    return text if is_prose or file.suffix != ".txt" else None


def _files(root: Path, suffixes: set[str]) -> Iterator[tuple[str, Path]]:
    """Files below a root but those of test suites, vendored copies and licences."""
    for entry in sorted(root.iterdir()) if root.is_dir() else ():
        if not entry.name.isascii():
            continue
        if entry.is_dir() and not _SKIPPED_FOLDER.fullmatch(entry.name):
            for path, file in _files(entry, suffixes):
                yield f"{entry.name}/{path}", file
        elif entry.suffix in suffixes and not _SKIPPED_FILE.match(entry.name) and entry.is_file():
            yield entry.name, entry


def _files_of_ours(out: Path) -> set[str]:
    """The files in a folder that may be written to.

    Raises:
      UserError: if the folder holds what a listing of ours does not name.
    """
    if not out.exists():
        return set()
    if not out.is_dir():
        msg = f"{out} is a file; name a folder that is new or empty"
        raise UserError(msg)
    present = {
        path.relative_to(out).as_posix()
        for path in out.rglob("*")
        if path.is_symlink() or not path.is_dir()
    }
    foreign = sorted(present - _listed(out / LISTING))
    if foreign:
        msg = (
            f"{out} holds files that sample-corpus did not write, {foreign[0]!r} for one; "
            "name a folder that is new or empty"
        )
        raise UserError(msg)
    return present


def _listed(listing: Path) -> set[str]:
    try:
        content = orjson.loads(listing.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return set()
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        return set()
    return {*content.get("size_bytes", {}), LISTING}


def _write(out: Path, corpus: Mapping[str, bytes], previous: set[str]) -> None:
    """Writes the listing, then the files; a run that was killed can so be run again.

    A temporary folder renamed into place would need OUT's parent to be writable and OUT not to be
    a mount point.
    """
    paths = sorted(corpus)
    everything = {path: len(corpus[path]) for path in paths}
    # First, while the older listing still names them.
    for path in sorted(previous - set(paths) - {LISTING}):
        (out / path).unlink()
    out.mkdir(parents=True, exist_ok=True)
    listing = {"format": _FORMAT, "size_bytes": everything}
    (out / LISTING).write_bytes(orjson.dumps(listing, option=orjson.OPT_INDENT_2) + b"\n")
    for path in paths:
        (out / path).parent.mkdir(parents=True, exist_ok=True)
        (out / path).write_bytes(corpus[path])
