"""From fuzz bytes to what a target takes: numbers, texts of cue layouts, documents.

The maps are total, and what stands close in the bytes stands close in what is made of them, so
that a fuzzer's small changes are small changes of the input.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from tests.transforms.test_segment import FRAGMENTS

END_OF_DOCUMENT = b"\x1e"
MOST_DOCUMENTS = 8

_FIRST_FRAGMENT = 0x80
_CHARACTER = 0xFF
"""Before the two bytes of a character's code point."""

REJECTED = bytes([_CHARACTER])
"""Stands for a rejected document."""


class Target(NamedTuple):
    """What is fuzzed.

    Attributes:
      run: raises what it likes if an invariant is broken; UserErrors are for it to expect.
      seeds: inputs to begin with.
      most_bytes: of an input.
    """

    run: Callable[[bytes], None]
    seeds: Iterable[bytes]
    most_bytes: int = 1024


class Draws:
    """Numbers from bytes, zeros when they are used up."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def byte(self) -> int:
        """A number below 256."""
        self._at += 1
        return self._data[self._at - 1] if self._at <= len(self._data) else 0

    def below(self, n: int) -> int:
        """A number below n, which is at most 65,536."""
        return (self.byte() if n <= 256 else self.byte() << 8 | self.byte()) % n

    def choice(self, options):
        """One of several."""
        return options[self.below(len(options))]

    def rest(self) -> bytes:
        """All bytes that are left."""
        return self._data[self._at :]

    def __bool__(self) -> bool:
        """Whether bytes are left."""
        return self._at < len(self._data)


def text_of(data: bytes) -> str:
    r"""ASCII stands for itself, other bytes for fragments of cue layouts.

    Example:
      >>> text_of(b"so \x80\n\xff\x20\x14")
      'so Q: What is it?\n\u2014'
    """
    parts = []
    codes = iter(data)
    for code in codes:
        if code < _FIRST_FRAGMENT:
            parts.append(chr(code))
        elif code < _CHARACTER:
            parts.append(FRAGMENTS[(code - _FIRST_FRAGMENT) % len(FRAGMENTS)])
        else:
            point = next(codes, 0) << 8 | next(codes, 0)
            # Surrogates are no characters.
            parts.append(chr(point if not 0xD800 <= point < 0xE000 else 0xFFFD))
    return "".join(parts)


def bytes_of(text: str) -> bytes:
    """Bytes that `text_of` makes the text of, of characters with two bytes."""
    return b"".join(
        bytes([ord(each)]) if each.isascii() else bytes([_CHARACTER, *divmod(ord(each), 256)])
        for each in text
    )


def documents_of(data: bytes) -> list[str | None]:
    """The texts of one to MOST_DOCUMENTS documents; None is a rejected one."""
    parts = data.split(END_OF_DOCUMENT)[:MOST_DOCUMENTS]
    return [None if part == REJECTED else text_of(part) for part in parts]


def bytes_of_documents(texts: Iterable[str]) -> bytes:
    """Bytes that `documents_of` makes the texts of."""
    return END_OF_DOCUMENT.join(map(bytes_of, texts))


def fragment_bytes() -> list[bytes]:
    """Each fragment's byte."""
    return [bytes([_FIRST_FRAGMENT + number]) for number in range(len(FRAGMENTS))]
