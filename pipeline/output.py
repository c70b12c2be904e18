"""The output folder: whose it is, what it was asked to be, and what it was made from."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from pipeline.atomic import (
    TEMPORARY_SUFFIX,
    atomic_file,
    check_place,
    is_folder,
    make_folder,
    remove,
    typed_url,
    write_json,
)
from pipeline.commit import CHUNKS, REJECTED, RUN
from pipeline.lists import LISTS, list_file, read_list
from pipeline.remote import Place
from schemas.config import CONFIGS, PrepareConfig
from schemas.errors import UserError
from schemas.keys import SPLITS
from schemas.manifest import Manifest
from schemas.parse import parsed_json

CARD = "README.md"
CONFIG = "config.json"
MANIFEST = "manifest.json"
OPTIONS = "options.json"
"""What was typed, and the versions: for people."""

KEPT_TOKENIZER = f"{RUN}/tokenizer.json"
"""A copy of a tokenizer that was trained: once inputs have changed, training gives another."""

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")

_UNFINISHED = "NOT FINISHED - run the same duologue prepare again or duologue finish"
# The name of the file that `datasets` looks for, and then says that it is not there.
_UNFINISHED_CARD = f"""---
configs:
- config_name: default
  data_files: {_UNFINISHED}
---

{_UNFINISHED}
"""


def read_config(out: Place) -> PrepareConfig:
    """The config that an output was started with.

    Raises:
      UserError: if the folder is not an output, or does not say.
    """
    if configs := known_configs(out):
        return configs[0]
    if is_output(out):
        msg = (
            f"{out / RUN / CONFIG} is damaged: run the duologue prepare that wrote it again with "
            "--repair, or prepare the corpus into a new folder"
        )
        raise UserError(msg)
    raise _no_output(out)


def _no_output(out: Place) -> UserError:
    """Of a folder that `prepare` has not begun to write into, or of what is no folder."""
    mend = "give the --out folder of a duologue prepare"
    if isinstance(out, Path) and (url := typed_url(out)):
        return UserError(f"{url} is a URL: copy the output to this machine, and name the copy")
    if isinstance(out, Path) and out.is_file():
        folder = next((each for each in out.absolute().parents if is_output(each)), None)
        return UserError(f"{out} is a file: {f'give its folder, {folder}' if folder else mend}")
    if not out.is_dir():
        return UserError(f"{out} does not exist: {mend}")
    return UserError(f"{out} has no {MANIFEST}: it is no output of duologue prepare; {mend}")


def known_configs(out: Place) -> list[PrepareConfig]:
    """The config of an output, from each place that can be read: the run's notes, the manifest.

    Raises:
      UserError: if there is none that this version can use, and one that it can't.
    """
    found, refused = [], None
    for path, field in ((out / RUN / CONFIG, None), (out / MANIFEST, "config")):
        try:
            fields = parsed_json(path.read_bytes())
            found.append(PrepareConfig.from_json(fields[field] if field else fields))
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            continue  # The other copy may be whole.
        except UserError as error:
            refused = error
    if refused and not found:
        raise refused
    return found


def read_manifest(out: Place) -> dict[str, Any]:
    """The manifest of a finished output, its shards in it however many they are.

    Raises:
      UserError: if there is none, or it is damaged.
    """
    manifest = stored_manifest(out)
    try:
        msgspec.convert(manifest, Manifest)
    except msgspec.ValidationError as error:
        raise _no_manifest(out / MANIFEST, str(error)) from error
    shards = read_list(out, "shards", manifest["shards"])
    if shards is None:
        msg = (
            f"{out / list_file('shards')} is missing, or not the one that {MANIFEST} names: run "
            "the duologue prepare that wrote it again with --repair"
        )
        raise UserError(msg)
    return {**manifest, "shards": shards}


def stored_manifest(out: Place) -> dict[str, Any]:
    """The manifest as it stands, whatever its fields hold: for who compares it with the records.

    Raises:
      UserError: if there is none, or it is no JSON object.
    """
    path = out / MANIFEST
    try:
        manifest = parsed_json(path.read_bytes())
    except (OSError, ValueError) as error:
        if not is_output(out):
            raise _no_output(out) from error
        why = f"{path} can't be read ({error})" if path.exists() else f"{out} has no {MANIFEST}"
        msg = (
            f"{why}, so it is not a finished output; run the duologue prepare that wrote it again, "
            "it goes on where it stopped"
        )
        raise UserError(msg) from error
    if not isinstance(manifest, dict):
        raise _no_manifest(path, "it is no JSON object")
    return manifest


def _no_manifest(path: Place, why: str) -> UserError:
    msg = (
        f"{path} is not a manifest of duologue ({why}): name a folder that prepare wrote; if this "
        "is one, run that prepare again"
    )
    return UserError(msg)


def is_output(out: Place) -> bool:
    """Whether `prepare` has begun to write here."""
    return (out / RUN / CONFIG).exists() or (out / MANIFEST).exists()


def check_free(out: Place) -> None:
    """Refuse a folder that holds something else.

    Raises:
      UserError: if it is a file, can't be made, or has content that is not ours.
    """
    if isinstance(out, Path):
        check_place(out)
    if out.is_dir() and not is_output(out) and not _is_begun(out):
        msg = f"{out} is not empty and is no output of duologue prepare: choose another --out"
        raise UserError(msg)


def _is_begun(out: Place) -> bool:
    """Whether all there is comes from a run that was killed before it wrote its config."""
    names = {path.name for path in out.iterdir() if path.suffix != TEMPORARY_SUFFIX}
    return not names or (RUN in names and names <= {RUN, CHUNKS, *TOKENIZER_FILES})


def check_places(out: Place) -> None:
    """Refuse folders that stand where files of a run belong.

    Raises:
      UserError: naming the first.
    """
    for path in _places(out):
        if is_folder(path):
            msg = f"{path} is a folder, and a file belongs there: move it, or run with --repair"
            raise UserError(msg)


def misplaced(out: Place) -> list[Place]:
    """Folders that stand where files belong, also shards and rejected documents.

    Only where chunks are written: a model or a packed copy may have been put beside them.
    """
    of_chunks = [f"{name}/{split}/*.arrow" for name in CONFIGS for split in SPLITS]
    of_chunks.append(f"{REJECTED}/*.jsonl")
    paths = [*_places(out), *(path for pattern in of_chunks for path in out.glob(pattern))]
    return [path for path in paths if is_folder(path)]


def _places(out: Place) -> Iterator[Place]:
    of_run = (f"{RUN}/{CONFIG}", KEPT_TOKENIZER, f"{RUN}/{OPTIONS}")
    names = (CARD, MANIFEST, *TOKENIZER_FILES, *map(list_file, LISTS), *of_run)
    yield from (out / name for name in names)
    for pattern in ("plan*.jsonl", "inputs*.jsonl"):
        yield from (out / RUN).glob(pattern)


def check_same_config(out: Place, config: PrepareConfig, *, is_repair: bool = False) -> None:
    """Refuse an output of another config.

    Args:
      out: an output.
      config: of this run. If one copy of the output's is damaged, the other speaks for it.
      is_repair: take this config for the output's where no copy is left; chunks of another one
        are then of no plan.

    Raises:
      UserError: naming every option that differs.
    """
    known = known_configs(out)
    if config in known or (is_repair and not known):
        return
    old, new = read_config(out).to_json(), config.to_json()
    # Of two that were trained, or two that were given, the hash is what differs.
    is_alike = old["tokenizer_entries"] == new["tokenizer_entries"]
    before, now = (_typed(fields, with_sha256=is_alike) for fields in (old, new))
    if old["delimiters"] != new["delimiters"]:
        del before["--eos"]  # These may bring another.
    differing = [
        f"{option} is {value} there, {now[option]} now"
        for option, value in before.items()
        if value != now[option]
    ]
    if differing:
        msg = (
            f"{out} was prepared with other options ({'; '.join(differing)}): "
            "repeat them, or choose another --out"
        )
        raise UserError(msg)


def _typed(fields: dict[str, Any], *, with_sha256: bool) -> dict[str, str]:
    """The fields of a config by the option that they are typed with."""
    entries, sha256 = fields["tokenizer_entries"], fields["tokenizer_sha256"]
    tokenizer = "a file" if entries is None else f"train:{entries}"
    rest = {name: value for name, value in fields.items() if not name.startswith("tokenizer_")}
    return {
        "--tokenizer": tokenizer + f" of sha256 {_short(sha256)}" * with_sha256,
        **{f"--{name.replace('_', '-')}": _short(value) for name, value in rest.items()},
    }


def _short(value: Any) -> str:  # noqa: ANN401 JSON holds anything
    text = ",".join(value) if isinstance(value, list) else str(value)
    return text if len(text) <= 24 else f"{text[:12]}..."


def begin(out: Place, config: PrepareConfig) -> None:
    """Make the folders and write the config, before any chunk is worked on."""
    make_folder(out / CHUNKS)
    write_json(out / RUN / CONFIG, config.to_json())
    if not (out / MANIFEST).exists():
        unfinish(out)


def unfinish(out: Place) -> None:
    """Take back that an output is finished, until the next manifest says so.

    Without a card `datasets` would load the shards that happen to be there, as if they were all.
    """
    remove([out / MANIFEST])
    with atomic_file(out / CARD) as file:
        file.write(_UNFINISHED_CARD.encode())
