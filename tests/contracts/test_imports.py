"""Imports go one way: schemas <- transforms <- pipeline <- jobs; torch lives under jobs/ alone."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

FOLDERS = ("schemas", "transforms", "pipeline", "jobs")
"""In the order in which they may import one another."""

FORBIDDEN = {
    "schemas": {"apache_beam", "torch", "transformers", "datasets", "polars", "pathlib", "os"},
    "transforms": {"apache_beam", "torch", "transformers", "datasets", "pathlib", "os", "random"},
    "pipeline": {"torch", "transformers", "datasets"},
    "jobs": set(),
}
"""Top-level modules that a folder does without: files, clocks, chance and heavy libraries."""

MODULES = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]

each_module = pytest.mark.parametrize(
    "path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix()
)


def imported(path):
    """Top-level names of all that a module imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (name.name.partition(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield node.module.partition(".")[0]


def test_every_folder_has_modules():
    assert {path.relative_to(ROOT).parts[0] for path in MODULES} == set(FOLDERS)


@each_module
def test_imports_go_one_way(path):
    folder = path.relative_to(ROOT).parts[0]
    above = {*FOLDERS[FOLDERS.index(folder) + 1 :], "tests", "benchmarks"}
    assert not above & set(imported(path))


@each_module
def test_folders_do_without(path):
    assert not FORBIDDEN[path.relative_to(ROOT).parts[0]] & set(imported(path))


@pytest.mark.parametrize("name", ["open", "print", "input"])
@pytest.mark.parametrize("folder", ["schemas", "transforms"])
def test_functions_touch_no_files_and_no_terminal(folder, name):
    calls = [
        path.name
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
    ]
    assert calls == []
