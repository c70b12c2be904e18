"""Whether ids give their text back byte for byte, and which bytes each id stands for."""

from typing import Any

import pyarrow as pa
from tokenizers import pre_tokenizers

_SPELT = 0x100
_EVERY_BYTE = "".join(
    map(
        chr,
        [
            *range(0x100),  # all one-byte characters, and every continuation byte
            *range(0x100, 0x800, 0x40),  # every byte that leads two
            *(code for code in range(0x800, 0x10000, 0x400) if not 0xD800 <= code < 0xE000),
            *range(0x10000, 0x110000, 0x10000),  # every byte that leads four
        ],
    )
)

NASTY_TEXTS = (
    *(f"a{character}b" for character in _EVERY_BYTE),
    _EVERY_BYTE,
    "",
    "a",
    " a",
    "a ",
    "  a  b\t\tc   ",
    " ",
    "   ",
    "\n",
    " \n\n \n",
    "\r\na\rb\n\r",
    "\t\v\f\x1c\x1d\x85\u2028\u2029",
    "\u00a0a\u2003b\u3000c\u200bd\ufeff",
    "Don 't , do n't . It 's ( so ) ! ?",  # decoders that clean up close these gaps
    "MiXeD case, \u0130stanbul stra\u00dfe \u1e9e",
    "e\u0301 \u00e9 \ufb01 \u2460 \u212b \ufdfa",  # normalisers compose or unfold these
    "\u1100\u1161\u11a8 \uac01 \u0e33 \u0958",
    "\u4f60\u597d\uff0c\u4e16\u754c\u3002 \u3053\u3093\u306b\u3061\u306f",
    "\u05e9\u05dc\u05d5\u05dd \u0627\u0644\u0633\u0644\u0627\u0645 \u202eabc\u202c",
    "\U0001f469\u200d\U0001f4bb\U0001f3fd \U0001f1e9\U0001f1ea \u2764\ufe0f",
    "\ufffd \ufffe \uffff \U0010ffff",
    "\u2581a \u2581\u2581 \u0120b \u010a ##c @@d</w>",  # what vocabularies spell white space with
    "1234567890 3.14159 1,000,000 0x7f",
    "<0x0A> <unk> [UNK] <s></s> <|endoftext|>",
    "https://example.org/a?b=c&d=%20#e \\n {{[((;;))]}}",
    "a" * 300,
    " " * 300,
)
"""Texts that tokenizers are known to change; fixed, so that the verdict is the same everywhere."""


def nasty_texts(text_tokens: list[str]) -> list[str]:
    """NASTY_TEXTS, and each added token that is text between letters, where it may strip spaces.

    Args:
      text_tokens: contents of the added tokens that are text.
    """
    return [*NASTY_TEXTS, *(f"a {token} {token}{token}b" for token in text_tokens)]


def entry_bytes(
    decoder: dict[str, Any] | None, vocabulary: dict[str, int]
) -> pa.BinaryArray | None:
    """The bytes of text that each id stands for, binary [ids], of a byte-level vocabulary.

    Args:
      decoder: the tokenizer.json's.
      vocabulary: entries to ids, added tokens included.

    Returns:
      None for vocabularies of other kinds, whose ids may depend on their neighbours. Ids without an
      entry are empty.
    """
    if (decoder or {}).get("type") != "ByteLevel":
        return None
    # Bytes that show are spelt as their own characters, the others as those past the last of them.
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    shown = {letter: ord(letter) for letter in alphabet if ord(letter) < _SPELT}
    hidden = (byte for byte in range(_SPELT) if chr(byte) not in shown)
    spelt = str.maketrans(shown | dict(zip(sorted({*alphabet} - {*shown}), hidden, strict=True)))
    entries = [b""] * (max(vocabulary.values()) + 1)
    for entry, token in vocabulary.items():
        # The decoder takes an entry outside its alphabet, an added token, as it stands.
        is_bytes = spelt.keys() >= set(map(ord, entry))
        entries[token] = entry.translate(spelt).encode("latin-1") if is_bytes else entry.encode()
    return pa.array(entries, pa.binary())
