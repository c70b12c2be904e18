"""Checkpoints: complete or absent, and enough to go on as if nothing had happened.

There is no dropout and batches follow from the seed and the step, so weights, optimizer moments and
the step are all there is. Everything is safetensors and JSON; nothing is unpickled.
"""

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel

from jobs.train.policy import save_policy
from pipeline.atomic import atomic_folder
from pipeline.tokenizer import OutputTokenizer
from schemas.errors import UserError

CHECKPOINTS = "checkpoints"
_OPTIMIZER, _STATE = "optimizer.safetensors", "state.json"
_MOMENTS = ("exp_avg", "exp_avg_sq")


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
    older = [path for path in (folder / CHECKPOINTS).glob("[0-9]*") if path != target]
    if not target.exists():
        with atomic_folder(target) as path:
            save_policy(policy, tokenizer, path)
            save_file(_moments(policy, optimizer), path / _OPTIMIZER)
            (path / _STATE).write_text(json.dumps({"step": step}))
    for path in older:
        shutil.rmtree(path)


def drop_checkpoints(folder: Path) -> None:
    """Remove what a finished run no longer needs."""
    shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)


def load_checkpoint(folder: Path, policy: PreTrainedModel, optimizer: torch.optim.Optimizer) -> int:
    """Take up the newest checkpoint; returns the steps done, 0 where there is none.

    Raises:
      UserError: if the newest one is damaged.
    """
    newest = max((folder / CHECKPOINTS).glob("[0-9]*"), default=None)
    if newest is None:
        return 0
    try:
        step: int = json.loads((newest / _STATE).read_bytes())["step"]
        weights = load_file(newest / "model.safetensors")
        moments = load_file(newest / _OPTIMIZER)
        _take_up(policy, optimizer, weights, moments, step)
    except Exception as error:
        # safetensors raises kinds of its own.
        msg = f"{newest} is damaged ({error}): remove it, the run then begins anew"
        raise UserError(msg) from error
    return step


def _moments(policy: PreTrainedModel, optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    return {
        f"{name}.{moment}": optimizer.state[weight][moment].contiguous()
        for name, weight in policy.named_parameters()
        if weight in optimizer.state
        for moment in _MOMENTS
    }


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
            if f"{name}.{_MOMENTS[0]}" not in moments:
                continue
            state = {moment: moments[f"{name}.{moment}"].to(weight.device) for moment in _MOMENTS}
            optimizer.state[weight] = {"step": torch.tensor(float(step)), **state}
