"""The shapes of the JSON files of an output, which may be damaged, or forged.

A shape is a type (exactly that: true is no integer), a tuple of the texts that may stand there, a
tuple of shapes of different types, `[shape]` of a list, `[shape, shape, ...]` of a list of just so
many, `{str: shape}` of an object of any names, or `{name: shape}` of one of just these names.
"""

from typing import Any

from schemas.config import CONFIGS
from schemas.keys import SPLITS

_INT64 = 1 << 63

_SUMS = {str: int}
_SUMS_OF_CONFIG = {str: _SUMS}
_COUNTS = {
    "documents": int,
    "documents_rejected": int,
    "bytes": int,
    "bytes_by_game": _SUMS,
    "bytes_by_kind": _SUMS,
    "episodes_by_game": _SUMS,
}
_SHARDS = [
    {
        "path": str,
        "config": CONFIGS,
        "split": SPLITS,
        "rows": int,
        "tokens": int,
        "tokens_by_player": [int, int, int],
        "size_bytes": int,
        "sha256": str,
    }
]
_REJECTED_FILES = [{"path": str, "rows": int, "sha256": str}]
_DAMAGED = [{"source": str, "byte_offset": (int, type(None)), "reason": str}]
# Of a list that is too long for the manifest.
_BESIDE = {"path": str, "rows": int, "sha256": str}

RECORD = {
    "shards": _SHARDS,
    "rejected": _REJECTED_FILES,
    "counts": {
        **_COUNTS,
        "rejected": _SUMS,
        "configs": {
            str: {
                "rows": int,
                "documents_dropped": _SUMS,
                "episodes_dropped": _SUMS,
                "bytes_left_out": _SUMS,
            }
        },
    },
    "damaged": _DAMAGED,
    "n_bytes": int,
    "blake2b": str,
    "is_last": bool,
}
"""Of a chunk, or a piece of one, its seal taken off."""

MANIFEST = {
    "schema_version": int,
    "config": dict,
    "tokenizer_sha256": str,
    "tokenizer": {"eos": str, "bos": str, "pad": str, "is_lossless": bool},
    "shards": _SHARDS,
    "rejected": _SUMS,
    "rejected_files": _REJECTED_FILES,
    "inputs": ([{"path": str, "size_bytes": int}], _BESIDE),
    "damaged_inputs": (_DAMAGED, _BESIDE),
    "skipped_inputs": _SUMS,
    "drops": _SUMS_OF_CONFIG,
    "episode_drops": _SUMS_OF_CONFIG,
    "bytes_left_out": _SUMS_OF_CONFIG,
    "counts": _COUNTS,
}

NOTED_INPUTS = {"files": [[str, str, int, float, bool]], "skipped": _SUMS}
"""What a run notes of its inputs: path, relative, size_bytes, modified, is_readable."""

CHUNK = [str, int, [[str, str, str, int, int, int, float]]]
"""A line of a plan: digest, cost, ranges."""

_WORDS = {
    str: "text",
    int: "an integer",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "an object",
    type(None): "null",
}


def misfit(value: Any, shape: Any, place: str = "") -> str | None:  # noqa: ANN401 JSON, shapes
    """Where a JSON value is not of a shape, and how; None if it is.

    Args:
      value: as parsed.
      shape: as the module says.
      place: of the value in its file.

    Example:
      >>> misfit({"n": 1, "of": [1, "x"]}, {"n": int, "of": [int]})
      'of[1]: expected an integer, found text'
    """
    if isinstance(shape, tuple):
        if all(isinstance(each, str) for each in shape):
            return None if value in shape else f"{place}: expected one of {', '.join(shape)}"
        shape = next((each for each in shape if _type(each) is type(value)), shape[0])
    wanted, found = _type(shape), type(value)
    if found is not wanted:
        words = f"expected {_WORDS[wanted]}, found {_WORDS[found]}"
        return f"{place}: {words}" if place else words
    if shape is int and not -_INT64 <= value < _INT64:
        return f"{place}: a number of more than 64 bits"
    if isinstance(shape, list):
        shapes = shape * len(value) if len(shape) == 1 else shape
        if len(shapes) != len(value):
            return f"{place}: expected {len(shapes)} values, found {len(value)}"
        parts = [(f"{place}[{i}]", *part) for i, part in enumerate(zip(value, shapes, strict=True))]
    elif isinstance(shape, dict) and str not in shape:
        for words, names in (
            ("lacks", shape.keys() - value.keys()),
            ("has unknown", value.keys() - shape.keys()),
        ):
            if names:
                return f"{place or 'it'} {words} {', '.join(sorted(names))[:80]}"
        parts = [(_below(place, name), value[name], each) for name, each in shape.items()]
    elif isinstance(shape, dict):
        parts = [(_below(place, name), each, shape[str]) for name, each in value.items()]
    else:
        return None
    faults = (misfit(each, of_each, at) for at, each, of_each in parts)
    return next((fault for fault in faults if fault), None)


def _type(shape: Any) -> type:  # noqa: ANN401 shapes
    return shape if isinstance(shape, type) else type(shape)


def _below(place: str, name: str) -> str:
    return f"{place}.{name[:80]}" if place else name[:80]
