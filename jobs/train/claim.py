"""Whose folder OUT is: a run's own from its first moment, and one process's at a time."""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.atomic import TEMPORARY_SUFFIX, write_json
from schemas.errors import UserError
from schemas.parse import parsed_json

SETTINGS = "train.json"


def check_claim(out: Path, settings: dict[str, Any]) -> None:
    """Refuse a folder that holds something else than this run; writes nothing.

    Args:
      out: folder of the run.
      settings: JSON values by name; `options` holds those that the command line names.

    Raises:
      UserError: naming all settings that differ, or what else is in the way.
    """
    if out.exists() and not out.is_dir():
        msg = f"{out} is a file: choose a folder for --out"
        raise UserError(msg)
    path = out / SETTINGS
    if path.exists():
        differing = _differences(_read(path), json.loads(json.dumps(settings)))
        if differing:
            msg = (
                f"{out} is a run with other settings or data ({'; '.join(differing)}): "
                "repeat them to go on, or choose another --out"
            )
            raise UserError(msg)
    elif out.is_dir() and any(each.suffix != TEMPORARY_SUFFIX for each in out.iterdir()):
        msg = f"{out} is not empty and no run of duologue train: choose another --out"
        raise UserError(msg)


@contextlib.contextmanager
def claimed(out: Path, settings: dict[str, Any]) -> Iterator[None]:
    """Hold a folder for this run, which is begun if need be; for rank 0 alone.

    The system frees it when the process is gone.

    Raises:
      UserError: if it holds something else, another process has it, or it can't be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        handle = os.open(out, os.O_RDONLY)
    except OSError as error:
        msg = f"cannot write to {out}: {error.strerror}; choose another --out"
        raise UserError(msg) from error
    try:
        _lock(handle, out)
        check_claim(out, settings)
        if not (out / SETTINGS).exists():
            write_json(out / SETTINGS, settings)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, out: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        msg = f"another duologue train is writing to {out}: wait for it or choose another --out"
        raise UserError(msg) from error


def _read(path: Path) -> dict[str, Any]:
    try:
        known = parsed_json(path.read_bytes())
    except ValueError as error:
        msg = f"{path} is damaged ({error}): choose another --out"
        raise UserError(msg) from error
    if not isinstance(known, dict) or not isinstance(known.get("options"), dict):
        msg = f"{path} is not of duologue train: choose another --out"
        raise UserError(msg)
    return known


def _differences(known: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What differs, by name."""
    words = {
        "rows": "its data is other rows",
        "tokenizer_sha256": "its tokenizer is another",
        "model_digest": "the config of its --model was another",
    }
    found = [said for name, said in words.items() if known.get(name) != now[name]]
    found += [
        f"--{name.replace('_', '-')} is {known['options'].get(name)} there, {value} now"
        for name, value in now["options"].items()
        if known["options"].get(name) != value
    ]
    if known.get("n_ranks") != now["n_ranks"]:
        found.append(f"{known.get('n_ranks')} ranks there, {now['n_ranks']} now")
    return found
