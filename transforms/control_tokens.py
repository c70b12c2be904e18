"""Control tokens: which they are, and a tokenizer.json that holds them all."""

import json
from collections.abc import Iterable
from typing import Any

import orjson
from tokenizers import AddedToken, Tokenizer

from schemas.delimiters import CONTROL_TOKENS


def with_control_tokens(tokenizer_json: str, *, eos: str, bos: str, pad: str) -> str:
    """Makes the text of OUT/tokenizer.json, which holds every control token there may be.

    The control tokens of all delimiter schemes, eos, bos and pad are special added tokens, in this
    order; those that the vocabulary has keep their ids, the others follow its last one. Truncation
    and padding, which would cut or fill segments, are taken out. A second application changes
    nothing.

    Args:
      tokenizer_json: the text of a tokenizer.json.
      eos: the token that ends a turn.
      bos: the token that stands before a document in training.
      pad: the token that fills a batch.

    Raises:
      ValueError: if a control token is empty, or would get the id of another token, as happens to
        a vocabulary with gaps in its ids.
    """
    _, config = completed(tokenizer_json, eos=eos, bos=bos, pad=pad)
    return json.dumps(config, ensure_ascii=False, indent=2)


def completed(
    tokenizer_json: str, *, eos: str, bos: str, pad: str
) -> tuple[Tokenizer, dict[str, Any]]:
    """The tokenizer that `with_control_tokens` makes, and what its tokenizer.json holds."""
    names = list(dict.fromkeys([*CONTROL_TOKENS, eos, bos, pad]))
    if "" in names:
        msg = "a control token cannot be empty: name eos, bos and pad by tokens such as '<eos>'"
        raise ValueError(msg)
    # A vocabulary is megabytes of JSON.
    config = orjson.loads(tokenizer_json) | {"truncation": None, "padding": None}
    for token in config.get("added_tokens", ()):
        # Adding a token that is there already leaves its flag as it is.
        token["special"] |= token["content"] in names
    tokenizer = Tokenizer.from_str(orjson.dumps(config).decode())
    tokenizer.add_special_tokens(
        [AddedToken(name, special=True, normalized=False) for name in names]
    )
    _check_ids(tokenizer.get_vocab(with_added_tokens=True))
    return tokenizer, orjson.loads(tokenizer.to_str())


def _check_ids(vocabulary: dict[str, int]) -> None:
    # tokenizers numbers what is added by the count of entries, whatever ids they have.
    if len(set(vocabulary.values())) == len(vocabulary):
        return
    token_of: dict[int, str] = {}
    for token, index in sorted(vocabulary.items()):
        if other := token_of.get(index):
            msg = (
                f"the ids of the vocabulary have gaps, so that {other!r} and {token!r} would both "
                f"be {index}: number its entries from 0 without gaps"
            )
            raise ValueError(msg)
        token_of[index] = token


def control_ids(config: dict[str, Any], names: Iterable[str]) -> frozenset[int]:
    """Ids that text must never become.

    Args:
      config: what a tokenizer.json with all control tokens holds.
      names: eos, bos and pad.

    Returns:
      The ids of names, of the schemes' tokens and of added tokens flagged special. What stands for
      unknown text is text, unless it is one of names as well.
    """
    named = {*CONTROL_TOKENS, *names}
    unknown = _unknown_token(config["model"])
    return frozenset(
        token["id"]
        for token in config["added_tokens"]
        if token["content"] in named or (token["special"] and token["content"] != unknown)
    )


def text_tokens(config: dict[str, Any], controls: frozenset[int]) -> list[str]:
    """The added tokens that are text, such as runs of white space."""
    added = config["added_tokens"]
    return [token["content"] for token in added if token["id"] not in controls]


def _unknown_token(model: dict[str, Any]) -> str | None:
    """What the model puts for text it has no entry for; Unigram names it by its place."""
    if model.get("unk_id") is not None:
        entry: str = model["vocab"][model["unk_id"]][0]
        return entry
    token: str | None = model.get("unk_token")
    return token
