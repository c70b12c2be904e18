"""The tokenizer of an output: found or trained once, saved, and loaded by every worker."""

import dataclasses
import hashlib
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from tokenizers import Tokenizer

from pipeline.atomic import atomic_file, has_sha256, json_bytes
from pipeline.inputs import InputFile
from pipeline.output import KEPT_TOKENIZER, TOKENIZER_FILES
from pipeline.piece import check_unchanged
from pipeline.plan import cut_ranges
from pipeline.readers import InputRange, documents_of
from pipeline.remote import Place
from pipeline.streams import ReadBytes
from pipeline.tape import Tape
from schemas.config import PrepareConfig
from schemas.delimiters import DelimiterScheme
from schemas.errors import UserError
from schemas.keys import digest
from schemas.manifest import TokenizerConfig
from schemas.parse import parsed_json
from transforms.engines import REFERENCE
from transforms.tokenize import SegmentTokenizer, with_control_tokens
from transforms.train_tokenizer import TRAINED_EOS, train_bpe

TRAINING_BYTES = 64 << 20
EOS_CANDIDATES = ("<eos>", "</s>", "<|endoftext|>", "<|im_end|>")
DEFAULT_PAD = "<pad>"


@dataclasses.dataclass(frozen=True, kw_only=True)
class OutputTokenizer:
    """What OUT/tokenizer.json and OUT/tokenizer_config.json hold.

    Attributes:
      json: text of tokenizer.json, control tokens of all schemes included.
      eos: the token that ends a turn.
      bos: the token before a document in training.
      pad: the token that fills batches.
      chat_template: for `apply_chat_template`; None where the delimiters are no chat layout.
    """

    json: str
    eos: str
    bos: str
    pad: str
    chat_template: str | None = None

    @property
    def sha256(self) -> str:
        """Of tokenizer.json's bytes."""
        return hashlib.sha256(self.json.encode()).hexdigest()

    @property
    def n_entries(self) -> int:
        """Entries of the vocabulary, control tokens not counted."""
        vocabulary = Tokenizer.from_str(self.json).get_vocab(with_added_tokens=False)
        return len(vocabulary)

    @property
    def files(self) -> dict[str, bytes]:
        """What tokenizer.json and tokenizer_config.json hold, by these names."""
        return dict(zip(TOKENIZER_FILES, (self.json.encode(), json_bytes(self.names)), strict=True))

    def save(self, out: Place) -> list[Place]:
        """Write the files that are not there as they should be, each whole or not at all.

        Returns:
          those that were written.
        """
        written = []
        for name, data in self.files.items():
            path = out / name
            if not (path.is_file() and path.read_bytes() == data):
                with atomic_file(path) as file:
                    file.write(data)
                written.append(path)
        return written

    @property
    def names(self) -> dict[str, Any]:
        """What tokenizer_config.json holds."""
        fields = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": self.bos,
            "eos_token": self.eos,
            "pad_token": self.pad,
            "clean_up_tokenization_spaces": False,
        }
        if self.chat_template is not None:
            fields["chat_template"] = self.chat_template
        return fields

    def for_delimiters(self, scheme: DelimiterScheme, *, eos: str | None) -> "OutputTokenizer":
        """The same for shards with these delimiters: what ends a turn, and a chat template.

        Args:
          scheme: its own end of turn, if it has one, takes the place of the tokenizer's.
          eos: what the user asked for instead, or None.
        """
        return dataclasses.replace(
            self, eos=eos or scheme.eos or self.eos, chat_template=scheme.chat_template
        )

    def segment_tokenizer(self, *, engine: str = REFERENCE) -> SegmentTokenizer:
        """The tokenizer that the transforms take."""
        return SegmentTokenizer(self.json, eos=self.eos, bos=self.bos, pad=self.pad, engine=engine)


def load_output_tokenizer(out: Place) -> OutputTokenizer:
    """What an output was tokenised with.

    Raises:
      UserError: if the files are missing or damaged.
    """
    try:
        fields = parsed_json((out / "tokenizer_config.json").read_bytes())
        names = msgspec.convert(fields, TokenizerConfig)
        for name in ("eos_token", "bos_token", "pad_token"):
            names[name].encode()
        text = (out / "tokenizer.json").read_bytes().decode()
        return OutputTokenizer(
            json=text,
            eos=names["eos_token"],
            bos=names["bos_token"],
            pad=names["pad_token"],
            chat_template=names.get("chat_template"),
        )
    except (OSError, ValueError) as error:
        msg = (
            f"{out} has no whole tokenizer ({error}): run the duologue prepare that wrote it again"
        )
        raise UserError(msg) from error


def given_tokenizer(path: Path, *, eos: str | None) -> OutputTokenizer:
    """A tokenizer that the user brings.

    Args:
      path: a tokenizer.json, or a model folder that holds one.
      eos: the end-of-turn token, or None to find it.

    Raises:
      UserError: no tokenizer there, no end-of-turn token to be found, or no ids for control tokens.
    """
    file = path / "tokenizer.json" if path.is_dir() else path
    try:
        text = file.read_bytes().decode()
        tokenizer = Tokenizer.from_str(text)
    except OSError as error:
        msg = (
            f"no tokenizer at {file}: {error.strerror}; give a tokenizer.json, a model folder that "
            "holds one (names on a hub are not looked up: download it first), or train:N to train "
            "one on the corpus"
        )
        raise UserError(msg) from error
    except Exception as error:
        # tokenizers raises plain Exception for anything that is no tokenizer.
        msg = f"{file} is no tokenizer.json of the tokenizers library: {error}"
        raise UserError(msg) from error
    names = _special_names(file.with_name("tokenizer_config.json"))
    eos = eos or names.get("eos_token") or _known_eos(tokenizer)
    if eos is None:
        msg = (
            f"{file} has no end-of-turn token (looked for {', '.join(EOS_CANDIDATES)} and at "
            "tokenizer_config.json): name one with --eos TOKEN; it is added if it is new"
        )
        raise UserError(msg)
    bos, pad = names.get("bos_token") or eos, names.get("pad_token") or DEFAULT_PAD
    try:
        return _output_tokenizer(text, eos=eos, bos=bos, pad=pad)
    except ValueError as error:
        msg = f"{file} cannot be used: {error}"
        raise UserError(msg) from error


def _output_tokenizer(text: str, *, eos: str, bos: str, pad: str) -> OutputTokenizer:
    return OutputTokenizer(
        json=with_control_tokens(text, eos=eos, bos=bos, pad=pad), eos=eos, bos=bos, pad=pad
    )


def _special_names(path: Path) -> dict[str, str]:
    """Names of special tokens in a tokenizer_config.json, if there is one."""
    if not path.exists():
        return {}
    try:
        fields: dict[str, Any] = parsed_json(path.read_bytes())
        values = ((name, fields.get(name)) for name in ("bos_token", "eos_token", "pad_token"))
        return {
            name: value["content"] if isinstance(value, dict) else str(value)
            for name, value in values
            if value
        }
    except (ValueError, KeyError, AttributeError) as error:
        msg = f"{path} is no tokenizer_config.json: {error}; mend or remove it"
        raise UserError(msg) from error


def _known_eos(tokenizer: Tokenizer) -> str | None:
    return next((name for name in EOS_CANDIDATES if tokenizer.token_to_id(name) is not None), None)


def trained_tokenizer(
    files: Iterable[InputFile], config: PrepareConfig, n_entries: int, *, eos: str | None
) -> OutputTokenizer:
    """Train a byte-level BPE on at most TRAINING_BYTES of the documents.

    The sample is of the ranges whose hash is smallest: it does not depend on the order of the
    inputs, and a file that comes or goes seldom changes it.

    Raises:
      UserError: if n_entries is too small.
    """
    try:
        text = train_bpe(sampled_texts(files, config), n_entries)
    except ValueError as error:
        msg = f"--tokenizer train:{n_entries}: {error}"
        raise UserError(msg) from error
    return _output_tokenizer(text, **_trained_names(eos))


def _trained_names(eos: str | None) -> dict[str, str]:
    eos = eos or TRAINED_EOS
    return {"eos": eos, "bos": eos, "pad": DEFAULT_PAD}


def keep_trained(out: Place, tokenizer: OutputTokenizer) -> None:
    """Keep the copy that `saved_tokenizer` falls back on."""
    if not has_sha256(out / KEPT_TOKENIZER, tokenizer.sha256):
        with atomic_file(out / KEPT_TOKENIZER) as file:
            file.write(tokenizer.json.encode())


def saved_tokenizer(out: Place, sha256s: Collection[str], *, eos: str | None) -> OutputTokenizer:
    """A tokenizer that was trained for an output; its tokenizer_config.json need not be there.

    Args:
      out: the output.
      sha256s: of the tokenizer, as the output's configs name it.
      eos: as it was trained with.

    Raises:
      UserError: if it is another, or gone, and so is the copy.
    """
    path = out / "tokenizer.json"
    for each in (path, out / KEPT_TOKENIZER):
        if any(has_sha256(each, expected) for expected in sha256s):
            return OutputTokenizer(json=each.read_bytes().decode(), **_trained_names(eos))
    msg = (
        f"{path} is not the one that the shards were made with: put it back, byte for byte, or run "
        "with --repair to train it again (and --update if inputs have changed)"
    )
    raise UserError(msg)


def sampled_texts(files: Iterable[InputFile], config: PrepareConfig) -> Iterator[str]:
    """At most TRAINING_BYTES of the documents, from the ranges whose hash is smallest.

    Raises:
      UserError: if a file has changed since it was listed.
    """
    cuts = cut_ranges(files, reader=config.format, chunk_bytes=config.chunk_bytes)
    parts = Tape(part for _, part, _ in cuts)
    left = TRAINING_BYTES
    # As bytes side by side: of millions of ranges the first few are read.
    for at in np.argsort(np.fromiter(map(_rank, parts), "S32", len(parts)), kind="stable"):
        part = parts[int(at)]
        for text in _texts(part, config):
            # By characters, not bytes: a bound, and no second copy of the text.
            if len(text) <= left:
                left -= len(text)
                yield text
            elif left < TRAINING_BYTES // 2:
                check_unchanged([part])
                return  # Enough; else one long document would keep all others out.
        check_unchanged([part])


def _texts(part: InputRange, config: PrepareConfig) -> Iterator[str]:
    try:
        for document in documents_of(part, config, ReadBytes()):
            if document.text is not None:
                yield document.text
    except Exception:
        # A reader may have stumbled over the change.
        check_unchanged([part])
        raise


def _rank(part: InputRange) -> bytes:
    return digest(["sample", part.relative, part.start, part.end]).encode("ascii")
