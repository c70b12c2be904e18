"""Long texts are cut, and short ones gathered, to what is tokenised at once."""

from collections.abc import Iterator

import numpy as np

from transforms.flat import Ints

BLOCK_BYTES = 1 << 20
"""Text given to `tokenizers` at once; its encodings take about a hundred times as much memory."""


def batches(offsets: Ints) -> Iterator[tuple[int, int]]:
    """Ranges of texts that hold at most BLOCK_BYTES together; a longer text stands alone."""
    start, n_texts = 0, len(offsets) - 1
    while start < n_texts:
        reach = np.searchsorted(offsets, offsets[start] + BLOCK_BYTES, side="right") - 1
        end = max(start + 1, int(reach))
        yield start, end
        start = end


def blocks(text: str) -> Iterator[str]:
    """Cuts a text into blocks of at most BLOCK_BYTES.

    Each ends after the last line end in reach, else after the last white space, else before a
    character.
    """
    raw = text.encode()
    start = 0
    while len(raw) - start > BLOCK_BYTES:
        block = raw[start : start + BLOCK_BYTES]
        end = block.rfind(b"\n") + 1 or max(block.rfind(white) for white in b" \t\r\v\f") + 1
        end = start + (end or BLOCK_BYTES)
        while raw[end] & 0xC0 == 0x80:
            end -= 1
        yield raw[start:end].decode()
        start = end
    yield raw[start:].decode()
