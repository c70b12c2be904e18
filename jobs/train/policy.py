"""The policy: a Llama from scratch in a round size, from a config file, or from a model folder."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, PreTrainedModel
from transformers.utils import logging

from pipeline.tokenizer import OutputTokenizer
from schemas.delimiters import CONTROL_TOKENS, Control
from schemas.errors import UserError
from schemas.keys import digest
from transforms.tokenize import SegmentTokenizer

SIZES: dict[str, dict[str, int]] = {
    "1m": {"hidden_size": 64, "intermediate_size": 192, "layers": 4, "heads": 4},
    "10m": {"hidden_size": 256, "intermediate_size": 704, "layers": 8, "heads": 4},
    "124m": {"hidden_size": 768, "intermediate_size": 2048, "layers": 12, "heads": 12},
}
"""Round sizes, embeddings included, with vocabularies of 8,192, 8,192 and 50,257 entries."""

INITIAL_STD = 0.02


def new_policy(
    model: str, tokenizer: OutputTokenizer, *, context: int, seed: int
) -> PreTrainedModel:
    """Make a policy with weights that depend on the seed and the shapes alone.

    Rows of the delimiters' embeddings are drawn from a stream of their own, so that which
    delimiters a vocabulary holds changes nothing else.

    Args:
      model: a name of SIZES, a JSON file of a LlamaConfig, or a folder that save_pretrained wrote.
      tokenizer: of the shards; a model folder's own must agree with it.
      context: the most positions there will be.
      seed: of the weights; of a model folder, only those of new control tokens are drawn.

    Raises:
      UserError: no such model, a config that is none, or a tokenizer that differs.
    """
    ids = tokenizer.segment_tokenizer()
    if Path(model).is_dir():
        return _pretrained(Path(model), tokenizer, ids.n_ids)
    config = policy_config(model, ids, context=context)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        policy = LlamaForCausalLM(config)
    _draw_rows(policy, ids.delimiter_ids([Control(name) for name in CONTROL_TOKENS]), seed)
    return policy


def policy_config(model: str, tokenizer: SegmentTokenizer, *, context: int) -> LlamaConfig:
    """The LlamaConfig of a size or a file, with the shards' vocabulary.

    Raises:
      UserError: no such size or file, or a file that holds no LlamaConfig.
    """
    ours: dict[str, Any] = {
        "vocab_size": tokenizer.n_ids,
        "bos_token_id": tokenizer.bos_id,
        "eos_token_id": tokenizer.eos_id,
        "pad_token_id": tokenizer.pad_id,
    }
    if model in SIZES:
        size = SIZES[model]
        return LlamaConfig(
            hidden_size=size["hidden_size"],
            intermediate_size=size["intermediate_size"],
            num_hidden_layers=size["layers"],
            num_attention_heads=size["heads"],
            initializer_range=INITIAL_STD,
            max_position_embeddings=context,
            tie_word_embeddings=True,
            **ours,
        )
    path = Path(model)
    try:
        fields = json.loads(path.read_bytes())
        config = LlamaConfig(**{**fields, **ours})
    except OSError as error:
        msg = (
            f"--model {model}: {error.strerror}; give one of {', '.join(SIZES)}, a JSON file of a "
            "LlamaConfig, or a model folder"
        )
        raise UserError(msg) from error
    except Exception as error:
        # LlamaConfig raises what its validators do, of many kinds.
        msg = f"--model {model} holds no LlamaConfig: {error}"
        raise UserError(msg) from error
    if config.max_position_embeddings < context:
        positions = config.max_position_embeddings
        msg = f"--model {model} has {positions} positions, too few for --context {context}"
        raise UserError(msg)
    return config


def _pretrained(folder: Path, tokenizer: OutputTokenizer, n_ids: int) -> PreTrainedModel:
    _check_tokenizer(folder, tokenizer)
    try:
        policy = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, local_files_only=True, use_safetensors=True
        )
    except Exception as error:
        # transformers raises what it meets: OSError, ValueError, safetensors' own.
        msg = f"--model {folder} holds no model that opens: {str(error).splitlines()[0]}"
        raise UserError(msg) from error
    n_known = policy.get_input_embeddings().num_embeddings
    if n_ids > n_known:
        policy.resize_token_embeddings(n_ids, mean_resizing=False)
        _draw_rows(policy, range(n_known, n_ids), 0)
    return policy


def _check_tokenizer(folder: Path, tokenizer: OutputTokenizer) -> None:
    """Refuse a model whose ids mean other tokens; the shards may know more control tokens.

    Raises:
      UserError: if the tokenizer is missing or differs.
    """
    path = folder / "tokenizer.json"
    try:
        theirs = Tokenizer.from_file(str(path)).get_vocab(with_added_tokens=True)
    except Exception as error:
        # tokenizers raises plain Exception for anything that is no tokenizer.
        msg = f"--model {folder} has no tokenizer.json to compare with the shards' ({error})"
        raise UserError(msg) from error
    ours = Tokenizer.from_str(tokenizer.json).get_vocab(with_added_tokens=True)
    differing = sorted(token for token, index in theirs.items() if ours.get(token) != index)
    if differing:
        msg = (
            f"--model {folder} has another tokenizer than the shards ({len(differing)} tokens have "
            f"other ids, such as {differing[0]!r}): prepare the corpus with --tokenizer {folder}"
        )
        raise UserError(msg)


def _draw_rows(policy: PreTrainedModel, rows: Iterable[int], seed: int) -> None:
    """Draws embeddings of some ids from a stream of their own."""
    stream = torch.Generator().manual_seed(int(digest(["delimiters", seed], size_bytes=7), 16))
    tables = (policy.get_input_embeddings(), policy.get_output_embeddings())
    places = [int(row) for row in rows]
    with torch.no_grad():
        for weight in {id(table.weight): table.weight for table in tables}.values():
            drawn = torch.randn(len(places), weight.shape[1], generator=stream) * INITIAL_STD
            weight[places] = drawn.to(weight.dtype)


def n_parameters(policy: PreTrainedModel) -> int:
    """How many weights there are, tied ones counted once."""
    return sum(each.numel() for each in policy.parameters())


def save_policy(policy: PreTrainedModel, tokenizer: OutputTokenizer, folder: Path) -> None:
    """Write what AutoModelForCausalLM and AutoTokenizer open, into a folder that is there."""
    logging.disable_progress_bar()
    policy.save_pretrained(folder)
    tokenizer.save(folder)
