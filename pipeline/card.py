"""The front of a dataset card: what `datasets.load_dataset` finds configs, splits and counts by."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

Files = Iterable[Mapping[str, Any]]
"""Files of a split, each with `rows`, `size_bytes` and `sha256`; read several times."""


def dataset_card(files: Mapping[str, Mapping[str, Files]], pattern: str, body: str) -> str:
    """The text of a README.md that opens a folder as a dataset.

    Args:
      files: by config and split; those without a file must be left out, as `datasets` fails on
        them. `documents`, or the only config, is the default one.
      pattern: glob of a split's files, with {config} and {split}.
      body: Markdown below the front matter.
    """
    front = {
        "configs": [
            {
                "config_name": config,
                # datasets' cache knows a folder by its name and card alone.
                "description": f"shards {_digest(splits)}",
                "data_files": [
                    {"split": split, "path": pattern.format(config=config, split=split)}
                    for split in splits
                ],
            }
            | ({"default": True} if config == "documents" or len(files) == 1 else {})
            for config, splits in files.items()
        ],
        "dataset_info": [
            {
                "config_name": config,
                "splits": [
                    {
                        "name": split,
                        "num_bytes": sum(each["size_bytes"] for each in of_split),
                        "num_examples": sum(each["rows"] for each in of_split),
                    }
                    for split, of_split in splits.items()
                ],
            }
            for config, splits in files.items()
        ],
    }
    return f"---\n{yaml.safe_dump(front, sort_keys=False)}---\n\n{body}"


def _digest(splits: Mapping[str, Files]) -> str:
    state = hashlib.sha256()
    for files in splits.values():
        for each in files:
            state.update(each["sha256"].encode())
    return state.hexdigest()
