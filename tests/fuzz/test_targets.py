"""Each target on drawn bytes, on some of its seeds, and on what fuzzing found."""

import importlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz import NAMES
from tests.fuzz.drawing import bytes_of, text_of

EXAMPLES = {"readers": 100, "segmenter": 10, "episodes": 60, "delimit": 15, "verify": 60}
"""By cost: some seconds each."""

FOUND = {
    "readers": [
        # Corrupt gzip took all of its block with it, in which most was sound.
        b"\x04\x01\0\0\x05\x01\0\x16\x05" + b'{"text": "a"}\n{"text": "b"}\n' * 3,
        # What the pull before the damage had no room for.
        b"\x01\x01\0\0\x03\x01\0\x28\x9a" + b"ebb flood ebb flood moon ebb flood moon " * 3,
        # A damaged row group took whole ones with it.
        b"\x06\x01\0\x05\x05\x01\0\x50\xff" + b"\0\x01" + b"ebb\nflood\nmoon\ntide\n" * 3,
    ],
    "verify": [],
}
"""Inputs that broke a target once."""

each_target = pytest.mark.parametrize("name", NAMES)


def target(name):
    return importlib.import_module(f"tests.fuzz.{name}").TARGET


def test_names_are_those_of_the_targets():
    assert EXAMPLES.keys() == set(NAMES)
    assert all(target(name).seeds for name in NAMES)


@each_target
def test_any_bytes_keep_the_invariants(name):
    run = target(name).run

    @settings(max_examples=EXAMPLES[name])
    @given(st.binary(max_size=200))
    def keeps(data):
        run(data)

    keeps()


@each_target
def test_seeds_keep_the_invariants(name):
    seeds = target(name).seeds
    for data in seeds[:: 1 + len(seeds) // EXAMPLES[name]]:
        target(name).run(data)


@pytest.mark.parametrize(
    ("name", "data"), [(name, data) for name, found in FOUND.items() for data in found]
)
def test_what_was_found_is_mended(name, data):
    target(name).run(data)


@given(st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"])))
def test_texts_of_two_byte_characters_can_be_drawn(text):
    assert text_of(bytes_of(text)) == text
