"""Time grows as the text does: what regular expressions do to texts that are made against them.

Told from CPU time at n and at 4 n, the least of some runs: 4 is linear, 16 quadratic. Below a floor
nothing is told, so that noise does not decide.
"""

import dataclasses
import importlib
import pkgutil
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import transforms
from benchmarks.segment_growth import cpu_seconds
from tests.hostile.pumping import pumps

MOST = 8.0
N_UNITS = 300
FLOOR_SECONDS = 0.001
N_RUNS = 3

ENDS = ("\x01", "\n")

BOUNDED = {
    # Looked for in the last bytes of a text alone: 200, 340, 80, 1,200, 400 and 100 of them.
    "transforms.cues.dialogue._CLOSES",
    "transforms.cues.final._TAGGED",
    "transforms.cues.latex._CLOSING",
    "transforms.cues.proof._CONCLUDES",
    "transforms.cues.think._ANSWERER",
    "transforms.cues.worked._RULE",
    # Matched with lines of at most 400 bytes.
    "transforms.cues.quoting._SUPERCITED",
}

MODULES = [
    importlib.import_module(found.name)
    for found in pkgutil.walk_packages(transforms.__path__, "transforms.")
]


def patterns_in(value: Any, depth: int = 4) -> Iterator[re.Pattern]:
    """Compiled patterns in a module's global, or in what it holds."""
    if isinstance(value, re.Pattern):
        yield value
    elif depth and isinstance(value, tuple | list | set | frozenset):
        for each in value:
            yield from patterns_in(each, depth - 1)
    elif depth and isinstance(value, dict):
        yield from patterns_in([*value.values()], depth - 1)
    elif depth and dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [getattr(value, field.name) for field in dataclasses.fields(value)]
        yield from patterns_in(fields, depth - 1)


def patterns_of(module: Any) -> dict[str, re.Pattern]:
    """Compiled patterns by name; those of one container have a number behind it."""
    found = {}
    for name, value in vars(module).items():
        if not name.startswith("__"):
            for number, pattern in enumerate(patterns_in(value)):
                suffix = f"-{number}" if number else ""
                found[f"{module.__name__}.{name}{suffix}"] = pattern
    return found


# By pattern first: modules import patterns of others.
_NAMES = {pattern: name for module in MODULES for name, pattern in patterns_of(module).items()}
PATTERNS = {name: pattern for pattern, name in _NAMES.items()}

SOURCES = {path: path.read_text() for path in Path(transforms.__path__[0]).rglob("*.py")}


def is_searched(name: str) -> bool:
    """Whether a pattern is looked for everywhere; else it is only tried at a place."""
    module, _, short = name.partition("-")[0].rpartition(".")
    own = Path(importlib.import_module(module).__file__)
    sources = [SOURCES[own]] if short.startswith("_") else SOURCES.values()
    use = re.compile(rf"\b{short}(?:\[[^\]]*\])?\.(?:search|finditer|findall|sub|split)\(")
    return any(use.search(source) for source in sources)


def seconds(act: Callable[[Any], Any], text: Any) -> float:
    """CPU time, the least of some runs."""
    found = []
    for _ in range(N_RUNS):
        start = time.process_time()
        act(text)
        found.append(time.process_time() - start)
    return min(found)


def growth(pattern: re.Pattern, method: str, before: str, unit: str, end: str) -> float:
    """How much longer 4 times the text takes; 0 for less than can be measured."""

    def text(n: int) -> str | bytes:
        made = before + unit * n + end
        return made if isinstance(pattern.pattern, str) else made.encode()

    act = getattr(pattern, method)
    # What grows without measure never ends at 4 n.
    small = seconds(act, text(N_UNITS))
    assert small < 100 * FLOOR_SECONDS, (method, before, unit, end)
    large = seconds(act, text(4 * N_UNITS)) if 16 * small > FLOOR_SECONDS else 0.0
    return large / small if large > FLOOR_SECONDS else 0.0


def test_all_patterns_are_found():
    assert len(PATTERNS) > 100
    assert sum(map(is_searched, PATTERNS)) > 30


@pytest.mark.parametrize("name", sorted(PATTERNS.keys() - BOUNDED))
def test_no_pattern_goes_back_again_and_again(name):
    pattern = PATTERNS[name]
    methods = ("match", "search") if is_searched(name) else ("match",)
    for before, unit in sorted(pumps(pattern)):
        for end in ENDS:
            for method in methods:
                ratio = growth(pattern, method, before, unit, end)
                assert ratio < MOST, (method, before, unit, end)


def test_growth_is_seen_where_it_is():
    pattern = re.compile(r"(?:a|aa)*[ \t]*,?[ \t]*b")
    assert ("", " ") in {(before, unit) for before, unit in pumps(pattern) if unit == " "}
    assert growth(pattern, "match", "", " ", "\x01") > MOST


UNITS = {
    "a path in an answer": lambda n: "usr" + "/lib" * n + " it is",
    "spaces in a heading's command": lambda n: "\n@section x" + " " * n + "y\n",
    "spaces between a word and its number": lambda n: "Exercise" + " " * n + "5x\n",
    "openers without an end": lambda n: "<think>" * n,
    "labels in one line": lambda n: "Q: x? A: y. " * n,
    "questions in one line": lambda n: "why? " * n,
    "asterisks": lambda n: "**" * n,
    "hashes": lambda n: "# " * n,
    "quotes": lambda n: "> " * n,
    "brackets": lambda n: "([{<" * n,
    "backslashes": lambda n: "\\" * n,
    "begin, never end": lambda n: "\\begin{proof} " * n,
    "digits and dots": lambda n: "1." * n,
    "quotation marks": lambda n: "\"'" * n,
    "colons": lambda n: "a: " * n,
    "spaces": lambda n: " \t" * n,
    "wide spaces": lambda n: "\u3000\u00a0" * n,
    "line ends": lambda n: "\r\n\n" * n,
    "docstrings that never close": lambda n: '"""' * n,
    "templates": lambda n: "{{" * n + "<|im_end|>" * n,
}


AROUND = ("{}", "Q: Why {}?\nA: So {}.\nanswer: {}\n")


@pytest.mark.parametrize("name", UNITS)
@pytest.mark.parametrize("around", AROUND)
def test_segmentation_is_linear_in_one_line(name, around):
    large, small = (cpu_seconds([around.replace("{}", UNITS[name](n))]) for n in (8_000, 2_000))
    # A call costs some milliseconds by itself.
    assert large < MOST * max(small, 0.01)
