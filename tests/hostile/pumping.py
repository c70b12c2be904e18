"""Texts on which a regular expression may backtrack: what it repeats, repeated, then no match."""

import re
from collections.abc import Iterator
from re import _constants as kinds
from re import _parser as parser

LONG = 8
"""A repetition that may be longer than this is worth pumping."""

_REPEATS = (kinds.MAX_REPEAT, kinds.MIN_REPEAT, kinds.POSSESSIVE_REPEAT)
_LOOKS = (kinds.ASSERT, kinds.ASSERT_NOT)
_CATEGORIES = {
    kinds.CATEGORY_DIGIT: "7",
    kinds.CATEGORY_NOT_DIGIT: "x",
    kinds.CATEGORY_SPACE: " ",
    kinds.CATEGORY_NOT_SPACE: "x",
    kinds.CATEGORY_WORD: "x",
    kinds.CATEGORY_NOT_WORD: " ",
}
_USUAL = 'x 7.(\t"\n\\-:A'
_MANY_MEMBERS = 6


def pumps(pattern: re.Pattern) -> set[tuple[str, str]]:
    """(what comes before, what is repeated) of every long repetition in a pattern."""
    tree = parser.parse(pattern.pattern, pattern.flags)
    found = set(_pumps(tree, ""))
    # The whole up to a repetition may be repeated too, where it is searched for everywhere.
    return found | {("", before + unit) for before, unit in found}


def _pumps(tree: list, before: str) -> Iterator[tuple[str, str]]:
    for place, (kind, value) in enumerate(tree):
        here = before + _example(tree[:place])
        if kind in _REPEATS:
            _, most, body = value
            if most > LONG:
                yield from ((here, unit) for unit in _units(body) if unit)
        for part in _parts(kind, value):
            yield from _pumps(part, here)


def _parts(kind: object, value: object) -> list:
    if kind in _REPEATS:
        return [value[2]]
    if kind == kinds.BRANCH:
        return value[1]
    if kind == kinds.SUBPATTERN:
        return [value[3]]
    if kind in _LOOKS:
        return [value[1]]
    return [value] if kind == kinds.ATOMIC_GROUP else []


def _units(body: list) -> set[str]:
    """Some texts that a repetition's body matches."""
    kind, value = body[0]
    if len(body) > 1:
        return {_example(body)}
    if kind == kinds.SUBPATTERN:
        return _units(value[3])
    if kind == kinds.BRANCH:
        return {_example(branch) for branch in value[1]}
    if kind == kinds.IN:
        return set(_members(value)[:_MANY_MEMBERS])
    return set("x .7") if kind == kinds.ANY else {_example(body)}


def _example(tree: list) -> str:
    """A text that a pattern matches, if its assertions allow."""
    return "".join(_example_of(kind, value) for kind, value in tree)


def _example_of(kind: object, value: object) -> str:
    if kind == kinds.LITERAL:
        return chr(value)
    if kind in (kinds.NOT_LITERAL, kinds.ANY):
        return "y" if value == ord("x") else "x"
    if kind == kinds.IN:
        return _members(value)[0]
    if kind in _REPEATS:
        return _example(value[2]) * value[0]
    if kind in _LOOKS:
        return ""
    parts = _parts(kind, value)
    return _example(parts[0]) if parts else ""


def _members(members: list) -> list[str]:
    """Some characters of a class."""
    named = []
    for kind, value in members:
        if kind == kinds.LITERAL:
            named.append(chr(value))
        elif kind == kinds.RANGE:
            named += [chr(value[0]), chr(value[1])]
        elif kind == kinds.CATEGORY:
            named.append(_CATEGORIES[value])
    if members[0][0] != kinds.NEGATE:
        return named
    return [each for each in _USUAL if not _is_in(each, members[1:])] or ["\u0416"]


def _is_in(character: str, members: list) -> bool:
    code = ord(character)
    for kind, value in members:
        if kind == kinds.LITERAL and code == value:
            return True
        if kind == kinds.RANGE and value[0] <= code <= value[1]:
            return True
        if kind == kinds.CATEGORY and _is_of(character, value):
            return True
    return False


def _is_of(character: str, category: object) -> bool:
    name = str(category).removeprefix("CATEGORY_")
    tests = {"DIGIT": str.isdigit, "SPACE": str.isspace, "WORD": lambda c: c.isalnum() or c == "_"}
    return tests[name.removeprefix("NOT_")](character) != name.startswith("NOT_")
