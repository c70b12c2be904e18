"""The policy: a Llama from scratch in a round size, from a config file, or from a model folder."""

import contextlib
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from tokenizers import Tokenizer
from transformers import AutoConfig, LlamaConfig, LlamaForCausalLM, PreTrainedModel
from transformers.utils import logging

from jobs.train.attention import MASKED
from pipeline.tokenizer import OutputTokenizer
from schemas.delimiters import CONTROL_TOKENS, Control
from schemas.errors import UserError
from schemas.keys import digest
from schemas.parse import parsed_json
from transforms.tokenize import SegmentTokenizer

SIZES: dict[str, dict[str, int]] = {
    "1m": {"hidden_size": 96, "intermediate_size": 256, "layers": 4, "heads": 4},
    "10m": {"hidden_size": 256, "intermediate_size": 704, "layers": 8, "heads": 4},
    "124m": {"hidden_size": 768, "intermediate_size": 2048, "layers": 12, "heads": 12},
}
"""Round sizes, embeddings included, with vocabularies of 8,192, 8,192 and 50,257 entries."""

INITIAL_STD = 0.02

_SHAPE = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
"""What a config file has to say; the defaults of LlamaConfig are those of a Llama of 7 B."""


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
      UserError: no such model, one that can't be trained here, or a tokenizer that differs.
    """
    ids = tokenizer.segment_tokenizer()
    if _is_folder(model):
        policy = _pretrained(Path(model), tokenizer, ids.n_ids, seed)
    else:
        policy = _from_scratch(model, ids, context=context, seed=seed)
    _check_config(model, policy.config, context)
    for config in (policy.config, policy.generation_config):
        config.bos_token_id = ids.bos_id
        config.eos_token_id = ids.eos_id
        config.pad_token_id = ids.pad_id
    # A padding index gets no gradient, and a tokenizer may name eos as its pad.
    policy.get_input_embeddings().padding_idx = None
    return policy


def model_digest(model: str) -> str:
    """Names what a config file or a model folder says beside its path; empty for a name of SIZES.

    Raises:
      UserError: if there is no such file.
    """
    if model in SIZES:
        return ""
    path = Path(model) / "config.json" if _is_folder(model) else Path(model)
    return digest(["model", _read(model, path)])


def n_parameters(policy: PreTrainedModel) -> int:
    """How many weights there are, tied ones counted once."""
    return sum(each.numel() for each in policy.parameters())


def save_policy(policy: PreTrainedModel, tokenizer: OutputTokenizer, folder: Path) -> None:
    """Write what AutoModelForCausalLM and AutoTokenizer open, into a folder that is there."""
    logging.disable_progress_bar()
    with safetensors_as_os_errors():
        policy.save_pretrained(folder)
    for weights in folder.glob("*.safetensors"):
        # safetensors lets nobody else read them.
        shutil.copymode(folder / "config.json", weights)
    tokenizer.save(folder)


@contextlib.contextmanager
def safetensors_as_os_errors() -> Iterator[None]:
    """Writing tensors fails as writing files does, so that one message serves for both."""
    try:
        yield
    except SafetensorError as error:
        raise OSError(str(error)) from error


def _is_folder(model: str) -> bool:
    """Whether a model folder is meant; a folder that is called like a size is not."""
    return model not in SIZES and Path(model).is_dir()


def _read(model: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        msg = (
            f"--model {model}: cannot read {path}: {error.strerror}; give one of "
            f"{', '.join(SIZES)}, a JSON file of a LlamaConfig, or a model folder (names on a hub "
            "are not looked up: download it first)"
        )
        raise UserError(msg) from error


def _from_scratch(
    model: str, tokenizer: SegmentTokenizer, *, context: int, seed: int
) -> PreTrainedModel:
    fields = _size_fields(model, context) if model in SIZES else _file_fields(model)
    try:
        # `new_policy` names the pad: here, its embedding would be zeros.
        ours = {"vocab_size": tokenizer.n_ids, "pad_token_id": None}
        ours |= {"bos_token_id": tokenizer.bos_id, "eos_token_id": tokenizer.eos_id}
        config = LlamaConfig(**{**fields, **ours})
        # A file could name kernels, to be fetched from a hub.
        config._attn_implementation = MASKED
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            policy = LlamaForCausalLM(config)
    except Exception as error:
        # LlamaConfig raises what its validators do, of many kinds.
        msg = f"--model {model} holds no LlamaConfig that makes a policy: {error}"
        raise UserError(msg) from error
    _draw_rows(policy, tokenizer.delimiter_ids([Control(name) for name in CONTROL_TOKENS]), seed)
    return policy


def _size_fields(model: str, context: int) -> dict[str, Any]:
    size = SIZES[model]
    return {
        "hidden_size": size["hidden_size"],
        "intermediate_size": size["intermediate_size"],
        "num_hidden_layers": size["layers"],
        "num_attention_heads": size["heads"],
        "initializer_range": INITIAL_STD,
        "max_position_embeddings": context,
        "tie_word_embeddings": True,
    }


def _file_fields(model: str) -> dict[str, Any]:
    try:
        fields: dict[str, Any] = parsed_json(_read(model, Path(model)))
        missing = [name for name in _SHAPE if name not in fields]
    except (ValueError, TypeError) as error:
        msg = f"--model {model} is no JSON file of a LlamaConfig: {error}"
        raise UserError(msg) from error
    if missing or fields.get("model_type", "llama") != "llama":
        why = f"it has no {', '.join(missing)}" if missing else f"it is a {fields['model_type']}"
        msg = f"--model {model} is no JSON file of a LlamaConfig: {why}"
        raise UserError(msg)
    return fields


def _check_config(model: str, config: LlamaConfig, context: int) -> None:
    """Refuse what could not be trained as it is.

    Raises:
      UserError: too few positions, or dropout.
    """
    if config.max_position_embeddings < context:
        positions = config.max_position_embeddings
        msg = f"--model {model} has {positions} positions, too few for --context {context}"
        raise UserError(msg)
    if config.attention_dropout:
        msg = (
            f"--model {model} has an attention_dropout of {config.attention_dropout}, which would "
            "make resumed runs differ: set it to 0 in its config"
        )
        raise UserError(msg)


def _pretrained(folder: Path, tokenizer: OutputTokenizer, n_ids: int, seed: int) -> PreTrainedModel:
    new = _new_ids(folder, tokenizer)
    # Nothing that a folder brings is run: no modules of its own, no pickled weights, no kernels
    # that its config names.
    with _as_user_errors(folder):
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    if config.model_type != "llama":
        # Others scale logits, slide windows or drop out in ways that the loss does not know.
        msg = f"--model {folder} is a {config.model_type}: only llama models can be trained"
        raise UserError(msg)
    config._attn_implementation = MASKED
    with _as_user_errors(folder):
        policy, found = LlamaForCausalLM.from_pretrained(
            folder,
            config=config,
            dtype=torch.float32,
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
        )
    if found["missing_keys"]:
        msg = f"--model {folder} holds no whole model: it lacks {min(found['missing_keys'])}"
        raise UserError(msg)
    n_known = policy.get_input_embeddings().num_embeddings
    if n_ids > n_known:
        policy.resize_token_embeddings(n_ids, mean_resizing=False)
    _draw_rows(policy, sorted({*new, *range(n_known, n_ids)}), seed)
    return policy


@contextlib.contextmanager
def _as_user_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        # transformers raises what it meets: OSError, ValueError, safetensors' own.
        msg = f"--model {folder} holds no model that opens: {str(error).splitlines()[0]}"
        raise UserError(msg) from error


def _new_ids(folder: Path, tokenizer: OutputTokenizer) -> list[int]:
    """The ids, ascending, of the control tokens that the shards know and a model does not.

    Raises:
      UserError: if the model's tokenizer is missing, or its ids mean other tokens.
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
    return sorted(set(ours.values()) - set(theirs.values()))


def _draw_rows(policy: PreTrainedModel, rows: Iterable[int], seed: int) -> None:
    """Draws embeddings of some ids from a stream of their own."""
    stream = torch.Generator().manual_seed(int(digest(["delimiters", seed], size_bytes=7), 16))
    tables = (policy.get_input_embeddings(), policy.get_output_embeddings())
    places = [int(row) for row in rows]
    with torch.no_grad():
        for weight in {id(table.weight): table.weight for table in tables}.values():
            drawn = torch.randn(len(places), weight.shape[1], generator=stream) * INITIAL_STD
            weight[places] = drawn.to(weight.dtype)
