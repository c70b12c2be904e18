"""Control tokens: which they are, and a tokenizer.json that holds them all."""

import json
from collections.abc import Iterable
from typing import Any

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
      ValueError: if a control token is empty.
    """
    names = list(dict.fromkeys([*CONTROL_TOKENS, eos, bos, pad]))
    if "" in names:
        msg = "a control token cannot be empty: name eos, bos and pad by tokens such as '<eos>'"
        raise ValueError(msg)
    config = json.loads(tokenizer_json) | {"truncation": None, "padding": None}
    tokenizer = Tokenizer.from_str(json.dumps(config))
    tokenizer.add_special_tokens(
        [AddedToken(name, special=True, normalized=False) for name in names]
    )
    config = json.loads(tokenizer.to_str())
    for token in config["added_tokens"]:
        # An added token that was there before keeps its own flag.
        token["special"] |= token["content"] in names
    return json.dumps(config, ensure_ascii=False, indent=2)


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
