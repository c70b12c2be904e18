"""What a prepared corpus was asked to be: everything that decides the bytes of its shards."""

import dataclasses
import json
from typing import Any, Self

import msgspec

from schemas.delimiters import SCHEMES
from schemas.errors import UserError
from schemas.keys import digest

SCHEMA_VERSION = 1
CONFIGS = ("documents", "episodes")
ENCODING_ERRORS = ("reject", "replace")

MIN_TEST_SOURCES = 20
"""Of a comparison: held-out answers of fewer sources say more about these than about the arms."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PrepareConfig:
    """The part of `prepare`'s options that its output depends on.

    Where things run and where they are written is not here: the same config and inputs give the
    same bytes on any machine.

    Raises:
      UserError: if a value is out of its range; the text names the option.
    """

    tokenizer_sha256: str
    """Of the output's tokenizer.json."""
    tokenizer_entries: int | None = None
    """N of `train:N`; None for a tokenizer that was given."""
    eos: str
    """The end-of-turn token."""
    delimiters: str = "eos"
    configs: tuple[str, ...] = CONFIGS
    format: str | None = None
    """Name of one reader for all inputs; None goes by suffix."""
    text_column: str = "text"
    id_column: str | None = None
    source_column: str | None = None
    max_tokens: int | None = None
    holdout: float = 0.01
    """Share of validation and of test, each."""
    chunk_bytes: int = 32 << 20
    max_document_bytes: int = 64 << 20
    encoding_errors: str = "reject"
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        """Refuse values that no run could honour."""
        for name in ("eos", "text_column", "id_column", "source_column", "tokenizer_sha256"):
            value = getattr(self, name)
            option = f"--{name.replace('_', '-')}"
            _check(value is None or _is_unicode(value), option, value, "text in UTF-8")
        _check(self.delimiters in SCHEMES, "--delimiters", self.delimiters, f"one of {[*SCHEMES]}")
        _check(
            bool(self.configs) and set(self.configs) <= set(CONFIGS),
            "--configs",
            ",".join(self.configs),
            f"one or more of {[*CONFIGS]}",
        )
        _check(
            self.encoding_errors in ENCODING_ERRORS,
            "--encoding-errors",
            self.encoding_errors,
            f"one of {[*ENCODING_ERRORS]}",
        )
        _check(0 <= self.holdout < 0.5, "--holdout", self.holdout, "a share in [0, 0.5)")
        _check(self.chunk_bytes >= 1, "--chunk-bytes", self.chunk_bytes, "at least 1")
        _check(
            self.max_document_bytes >= 1,
            "--max-document-bytes",
            self.max_document_bytes,
            "at least 1",
        )
        _check(
            self.max_tokens is None or self.max_tokens >= 4,
            "--max-tokens",
            self.max_tokens,
            "at least 4, which a character may need",
        )

    @property
    def digest(self) -> str:
        """Names the config; part of every chunk's key."""
        return digest(["config", json.dumps(self.to_json(), sort_keys=True)])

    def to_json(self) -> dict[str, Any]:
        """A dict that `json` writes and `from_json` reads."""
        return {**dataclasses.asdict(self), "configs": list(self.configs)}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Self:
        """Rebuild from `to_json`.

        Raises:
          UserError: if the fields are another schema version's.
          ValueError: if they are not those of a config, or a value is not one that a run can have.
        """
        if fields.get("schema_version") != SCHEMA_VERSION:
            msg = (
                f"the folder has schema version {fields.get('schema_version')}, this duologue "
                f"writes {SCHEMA_VERSION}: prepare the corpus again into a new folder"
            )
            raise UserError(msg)
        if fields.keys() != {field.name for field in dataclasses.fields(cls)}:
            msg = "not the fields of a config"
            raise ValueError(msg)
        try:
            return msgspec.convert(fields, cls)
        except UserError as error:
            # Nobody has typed the option that it names.
            raise ValueError(str(error)) from error


def _is_unicode(value: str) -> bool:
    """Whether all of a string can be written: an argument's bytes need not be UTF-8."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check(holds: bool, option: str, value: object, expected: str) -> None:
    if not holds:
        msg = f"{option} {value}: expected {expected}"
        raise UserError(msg)
