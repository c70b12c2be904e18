"""Functions with docstrings, as the parser of Python finds them in the standard library."""

import ast
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from benchmarks.segmentation.gold import GoldDocument, GoldSet
from benchmarks.segmentation.packages import Packages
from benchmarks.segmentation.sets.reference import pick

_FOLDERS = ("asyncio", "collections", "concurrent", "email", "http", "json", "logging", "urllib")
_N_MODULES = 60

Function = ast.FunctionDef | ast.AsyncFunctionDef


def build(packages: Packages) -> Iterator[GoldSet]:
    """`docstrings`: signature and docstring ask, the body answers; no package is fetched."""
    del packages
    library = Path(sysconfig.get_paths()["stdlib"])
    modules = [path for folder in _FOLDERS for path in (library / folder).rglob("*.py")]
    yield GoldSet(
        name="docstrings",
        source="docstrings",
        kind="pairs",
        note="the standard library's modules, by ast; neutral: docstrings of classes and modules",
        documents=tuple(_module(path, library) for path in pick(modules, _N_MODULES)),
    )


def _module(path: Path, library: Path) -> GoldDocument:
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines(keepends=True)
    document = GoldDocument("-".join(path.relative_to(library).with_suffix("").parts))
    tree = ast.parse(text)
    strings = _string_lines(tree)
    at = 0
    for function in _outermost(tree):
        first, docstring, last = _places(function)
        _add_text(document, lines, at, first, strings)
        episode = document.open_episode()
        document.add("".join(lines[first:docstring]), "question", episode)
        document.add("".join(lines[docstring:last]), "answer", episode)
        at = last
    _add_text(document, lines, at, len(lines), strings)
    return document


def _add_text(
    document: GoldDocument, lines: list[str], first: int, end: int, neutral: set[int]
) -> None:
    for line in range(first, end):
        document.add(lines[line], neutral=line in neutral)


def _outermost(tree: ast.AST) -> Iterator[Function]:
    """Functions with a docstring and a body that does something, none inside another's."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, Function) and ast.get_docstring(node) and _acts(node):
            yield node
        else:
            yield from _outermost(node)


def _acts(function: Function) -> bool:
    rest = function.body[1:]
    is_stub = len(rest) == 1 and isinstance(rest[0], ast.Pass | ast.Raise | ast.Expr)
    is_stub = is_stub and (
        isinstance(rest[0], ast.Pass) or "NotImplementedError" in ast.dump(rest[0])
    )
    return bool(rest) and not is_stub


def _places(function: Function) -> tuple[int, int, int]:
    """Ordinals of the lines of `def`, after the docstring, and after the body."""
    assert function.end_lineno is not None
    docstring = function.body[0].end_lineno
    assert docstring is not None
    return function.lineno - 1, docstring, function.end_lineno


def _string_lines(tree: ast.AST) -> set[int]:
    """Lines of docstrings: sessions of the interpreter in them are episodes by themselves."""
    found: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            found |= set(range(node.lineno - 1, node.end_lineno or node.lineno))
    return found
