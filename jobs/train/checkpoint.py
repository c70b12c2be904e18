"""Checkpoints: complete or absent, and enough to go on as if nothing had happened.

There is no dropout and batches follow from the seed and the step, so weights, optimizer moments and
the step are all there is. Everything is safetensors and JSON; nothing is unpickled.
"""

import contextlib
import json
import re
import shutil
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel

from jobs.train.policy import safetensors_as_os_errors, save_policy
from pipeline.atomic import TEMPORARY_SUFFIX, atomic_folder
from pipeline.tokenizer import OutputTokenizer
from schemas.errors import UserError
from schemas.parse import parsed_json

CHECKPOINTS = "checkpoints"
_OPTIMIZER, _STATE = "optimizer.safetensors", "state.json"
_MOMENTS = ("exp_avg", "exp_avg_sq")

_NAME = re.compile(r"\d{8,}")
_LEFT_OVER = re.compile(rf"\.\d{{8,}}{re.escape(TEMPORARY_SUFFIX)}")
"""A checkpoint that a killed run did not finish."""


def save_checkpoint(
    folder: Path,
    step: int,
    policy: PreTrainedModel,
    optimizer: torch.optim.Optimizer,
    tokenizer: OutputTokenizer,
) -> None:
    """Write the state after `step` steps, then remove older ones.

    The folder also opens with AutoModelForCausalLM and AutoTokenizer.

    Raises:
      UserError: if it can't be written.
    """
    target = folder / CHECKPOINTS / f"{step:08d}"
    with atomic_folder(target) as path:
        save_policy(policy, tokenizer, path)
        with safetensors_as_os_errors():
            save_file(_moments(policy, optimizer), path / _OPTIMIZER)
        (path / _STATE).write_text(json.dumps({"step": step}))
    _remove(folder, kept=target)


def drop_checkpoints(folder: Path) -> None:
    """Remove what a finished run no longer needs; what others put beside it stays."""
    _remove(folder, kept=None)
    with contextlib.suppress(OSError):
        (folder / CHECKPOINTS).rmdir()


def load_checkpoint(folder: Path, policy: PreTrainedModel, optimizer: torch.optim.Optimizer) -> int:
    """Take up the newest checkpoint; returns the steps done, 0 where there is none.

    Raises:
      UserError: if the newest one is damaged.
    """
    place = folder / CHECKPOINTS
    newest = max((each for each in place.glob("*") if _NAME.fullmatch(each.name)), default=None)
    if newest is None:
        return 0
    try:
        step = int(parsed_json((newest / _STATE).read_bytes())["step"])
        weights = load_file(newest / "model.safetensors")
        moments = load_file(newest / _OPTIMIZER)
        _check_shapes(policy, weights, moments)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        msg = (
            f"{newest} is damaged ({error}): remove it; the run then goes on from an older "
            "checkpoint, or begins anew"
        )
        raise UserError(msg) from error
    _take_up(policy, optimizer, weights, moments, step)
    return step


def _remove(folder: Path, *, kept: Path | None) -> None:
    for path in (folder / CHECKPOINTS).glob("*"):
        is_ours = _NAME.fullmatch(path.name) or _LEFT_OVER.fullmatch(path.name)
        if is_ours and path != kept:
            shutil.rmtree(path)


def _moments(policy: PreTrainedModel, optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    return {
        f"{name}.{moment}": optimizer.state[weight][moment].contiguous()
        for name, weight in policy.named_parameters()
        for moment in _MOMENTS
    }


def _check_shapes(
    policy: PreTrainedModel, weights: dict[str, torch.Tensor], moments: dict[str, torch.Tensor]
) -> None:
    """Refuse a checkpoint of other weights.

    Raises:
      ValueError: naming the first tensor that is missing or of another shape.
    """
    for name, weight in policy.named_parameters():
        tensors = (weights.get(name), *(moments.get(f"{name}.{each}") for each in _MOMENTS))
        if any(each is None or each.shape != weight.shape for each in tensors):
            msg = f"{name} is missing or of another shape"
            raise ValueError(msg)


def _take_up(
    policy: PreTrainedModel,
    optimizer: torch.optim.Optimizer,
    weights: dict[str, torch.Tensor],
    moments: dict[str, torch.Tensor],
    step: int,
) -> None:
    with torch.no_grad():
        for name, weight in policy.named_parameters():
            weight.copy_(weights[name])
            state = {each: moments[f"{name}.{each}"].to(weight.device) for each in _MOMENTS}
            optimizer.state[weight] = {"step": torch.tensor(float(step)), **state}
