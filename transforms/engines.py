"""Tokenizer engines: texts in, ids out, as fast as may be.

`tokenizers` is the reference, and what it gives is right. `gigatoken` reads the same tokenizer.json
and is many times faster; it is used only where its ids are the same, which every run and every
chunk looks at anew (`transforms.segment_tokenizer`).
"""

import array
import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import psutil
import pyarrow as pa
import pyarrow.compute as pc
from tokenizers import Tokenizer, normalizers

from transforms.flat import Ints, text_offsets
from transforms.lossless import NASTY_TEXTS

REFERENCE = "tokenizers"
FAST = "gigatoken"

LONGEST = 1 << 20
"""Of hard texts; the reference's encodings take about a hundred times as much memory."""

UNASSIGNED = 0x30000
"""Codes from here on are hardly ever characters."""

PIECE = 1 << 15
"""Of what may be cut."""

KEPT_BYTES = 128 << 20
"""By which a process may grow over the words that the fast engine keeps; its cache has no bound."""

UNICODE_FORMS = ("NFC", "NFD", "NFKC", "NFKD")
"""Normalizers that leave ASCII as it is."""

Ids = npt.NDArray[np.unsignedinteger]

Encode = Callable[[pa.Array], tuple[Ids, Ints]]
"""Texts, large_string [texts], to ids, token_type [tokens], and tokens of each text, int64."""


def reference(tokenizer: Tokenizer, token_type: pa.DataType) -> Encode:
    """The engine that is right.

    Args:
      tokenizer: that encodes control tokens in text as text.
      token_type: of ids.
    """
    typecode = "H" if token_type == pa.uint16() else "I"

    def encode(texts: pa.Array) -> tuple[Ids, Ints]:
        buffer = array.array(typecode)
        encodings = tokenizer.encode_batch_fast(texts.to_pylist(), add_special_tokens=False)
        for encoding in encodings:
            buffer.fromlist(encoding.ids)
        return np.array(buffer), np.fromiter(map(len, encodings), np.int64, len(encodings))

    return encode


class LeftToReferenceError(ValueError):
    """Raised by the fast engine for a text that only the reference knows what to do with."""


@contextlib.contextmanager
def faults_passed_over() -> Iterator[None]:
    """Go on behind what fails within: engines have no errors of their own.

    A panic of Rust is no Exception.
    """
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:
        return


def fast(config: dict[str, Any], token_type: pa.DataType) -> Encode | None:
    """The engine that is fast; None where it is not installed, or does not take the tokenizer.

    Args:
      config: what the tokenizer.json holds.
      token_type: of ids.

    Raises:
      LeftToReferenceError: by what it returns.
    """
    # It has no switch for control tokens in text; those that it does not know are text.
    known = [token for token in config["added_tokens"] if not token["special"]]
    # Those that are to be whole words it finds within words too.
    if not any(token["single_word"] for token in known):
        with faults_passed_over():
            return _Fast({**config, "added_tokens": known}, token_type)
    return None


class _Fast:
    """An engine that is made anew when what it keeps of words has grown too big."""

    def __init__(self, config: dict[str, Any], token_type: pa.DataType) -> None:
        self._dtype = np.dtype(str(token_type))
        self._normalize = _unicode_form(config)
        normalizer = config["normalizer"] if self._normalize is None else None
        self._json = orjson.dumps({**config, "normalizer": normalizer})
        self._begin()

    def _begin(self) -> None:
        from gigatoken import Tokenizer as FastTokenizer

        self._tokenizer = FastTokenizer.from_json(self._json)
        self._grown = 0

    def __call__(self, texts: pa.Array) -> tuple[Ids, Ints]:
        import awkward

        if self._normalize is not None:
            texts = self._normalize(texts)
        raw = np.frombuffer(texts.buffers()[2] or b"", np.uint8)
        layout = awkward.contents.ListOffsetArray(
            awkward.index.Index64(text_offsets(texts)),
            awkward.contents.NumpyArray(raw, parameters={"__array__": "char"}),
            parameters={"__array__": "string"},
        )
        before = _resident_bytes()
        # Nothing of a text becomes a Python object. The workers of a job are its parallelism.
        lists = self._tokenizer.encode_batch(awkward.Array(layout), parallel=False).layout
        offsets, ids = np.asarray(lists.offsets.data), np.asarray(lists.content.data)
        ids = ids[offsets[0] : offsets[-1]].astype(self._dtype)
        self._grown += max(0, _resident_bytes() - before)
        if self._grown > KEPT_BYTES:
            self._begin()
        return ids, np.diff(offsets).astype(np.int64)


def _resident_bytes() -> int:
    # Asked for anew: a worker is a fork of the process that made the engine.
    resident: int = psutil.Process().memory_info().rss
    return resident


def _unicode_form(config: dict[str, Any]) -> Callable[[pa.Array], pa.Array] | None:
    """What brings texts into the Unicode form that a tokenizer wants, None where it wants none.

    The reference's own does it, for others know another Unicode.
    """
    form = config["normalizer"] and config["normalizer"]["type"]
    if form not in UNICODE_FORMS:
        return None
    normalizer = getattr(normalizers, form)()
    added = [token["content"] for token in config["added_tokens"]]

    def normalized(text: str) -> str:
        found: str = normalizer.normalize_str(text)
        # Added tokens are looked for before a text is normalised, or after.
        if found != text and any(each in text or each in found for each in added):
            msg = f"a text that {form} changes holds an added token"
            raise LeftToReferenceError(msg)
        return found

    def normalize(texts: pa.Array) -> pa.Array:
        if pc.all(pc.string_is_ascii(texts)).as_py() is not False:
            return texts
        return pa.array(map(normalized, texts.to_pylist()), pa.large_string(), size=len(texts))

    return normalize


def hard_texts(text_tokens: Iterable[str] = ()) -> list[str]:
    """Texts that engines are known to differ on: fixed, some of them long.

    Args:
      text_tokens: contents of the tokenizer's added tokens that are text.
    """
    forms = ("a{0}b", "{0}x", "x {0} y", "{0}{0}", " {0}\n", "{0} ", "É{0}1")
    word = "".join(chr(ord("a") + (number * number) % 26) for number in range(LONGEST))
    codes = (*range(0, UNASSIGNED, 3), *range(UNASSIGNED, 0x110000, 101))
    every = [code for code in codes if not 0xD800 <= code < 0xE000]
    characters = "".join(chr(code) + " " * (at % 3 == 0) for at, code in enumerate(every))
    return [
        *NASTY_TEXTS,
        *(form.format(token) for token in text_tokens for form in forms),
        *("I'm you're he'd we'll they've it's I'M YOU'RE IT'S o'clock 'tis 'S'T'", "''''s"),
        *(letter * 5000 for letter in ("a", " ", "\n", "\t", "\r\n", "-", "0", "é", "界", "😀")),
        *("1 12 123 1234 12345 ٣٤٥ Ⅷ ½ 1.5e-10", "x 　   y\u2028z  \n \n  w"),
        word,
        *(characters[at : at + PIECE] for at in range(0, len(characters), PIECE)),
    ]
