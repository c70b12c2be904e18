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
        # A damaged gzip stream lost what its block held before the damage.
        b"\x04\x01\0\0\x05\x01\0\x16\x05" + b'{"text": "a"}\n{"text": "b"}\n' * 3,
        # And what the pull before had no room for.
        b"\x01\x01\0\0\x03\x01\0\x28\x9a" + b"ebb flood ebb flood moon ebb flood moon " * 3,
        # Names of documents that were no UTF-8 ended the job.
        b"\x06\x01\x03\0\0\0\3\0ebb\n\xff\nflood",
        # A footer that only one of two readers took was cut, and each part rejected by one name.
        b"\x06\x01\x01=\x07\x071\x00\x03\x00\x01\x00\x00\x00\x00\x00\x02\x8c\n",
        # What tells a format may come in several blocks.
        b"\x0c\t\x00\x02\x00\x00(\xb5/\xfd\xf4`abuohrr",
        # A line that began with more white space than the limit was lost.
        b"\xff" * 9 + b"\xdb" + b"\x0c" * 8 + b"\x0cMocn \xe6\n\n\n\n\x8a" + b"\n" * 9,
    ],
    "verify": [
        # Offsets that led out of their buffer took the process down.
        b"\x10\x02\x0c\xcc\x28\x00\x02\x0c\xf3\x00\x00\x01\x01\x07",
        # Arrow that is none, strings that are no UTF-8.
        b"\r\x02\x06f(\x02\x02\x06\xf9\x00\x00\x01\x01\x07",
        b"\x0e\x02\t\x99(\x02\x02\t\xf6\x00\x00\x01\x01\x07",
        b"\x0b\x02\x0f\xff(\x02\x02\x0f\xf0\x00\x00\x01\x01\x07",
        # A name of the tokenizer's that is no string, and a manifest that counts otherwise.
        b"\x15\x01\x033(\x02\x02\x03\xfc\x00\x00\x01\x01\x07",
        *(bytes([0x11, 1, key, 0, 2]) for key in range(14)),
        # Half a character, and values of the config that are no text.
        b"\x04\x01\x04\x01\x08",
        b"\x04d\x04\x01\t",
        b"\x04\x01\x95on",
    ],
}
"""Inputs that broke a target once. What is better told otherwise has a test beside its module's."""

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
