"""Which tokenizer engine a run uses: the fast one, once it is shown to give the same ids."""

import functools
import importlib.metadata
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from pipeline.atomic import remove, write_json
from pipeline.commit import RUN
from pipeline.inputs import InputFile
from pipeline.output import read_config
from pipeline.plan import inputs_of
from pipeline.remote import Place, place, use_options
from pipeline.tokenizer import OutputTokenizer, load_output_tokenizer, sampled_texts
from schemas.config import PrepareConfig
from schemas.parse import parsed_json
from transforms.engines import FAST, PIECE, REFERENCE, hard_texts
from transforms.segment_tokenizer import SegmentTokenizer

NOTE = f"{RUN}/engine.json"

WORTH_BYTES = 8 << 20
"""The proof takes two seconds; the reference takes longer for more text than this. Compressed files
hold several times as much, and get it by as much later."""

SAMPLE_CHARACTERS = 1 << 18
"""Of the run's own text."""


def begin_choosing(
    out: Place, which: tuple[int, int], n_bytes: int, options: Sequence[str]
) -> int | None:
    """Begin to look at the fast engine for a run, in a process of its own.

    Its verdict stands in OUT/_run. The fast engine is taken if it gives the ids of the reference
    for a fixed set of hard texts and a sample of the inputs; workers of the same version go on
    looking at a hundredth of what they tokenise. So shards are not to depend on it.

    Args:
      out: an output whose plan, config and tokenizer are written.
      which: (I, N), the slice that the run does.
      n_bytes: what is to be tokenised, at most.
      options: Beam's, for its filesystems.

    Returns:
      A file descriptor for `wait_for_engine`; None where it is not worth it.
    """
    if n_bytes < WORTH_BYTES:
        return None
    ended, end = os.pipe()
    # What the reference takes for long texts, it keeps: hence a process.
    argv = [
        sys.executable,
        "-P",
        "-m",
        "pipeline.engine",
        str(out),
        "{}/{}".format(*which),
        *options,
    ]
    os.posix_spawn(argv[0], argv, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, end, 1)])
    os.close(end)
    return ended


def wait_for_engine(out: Place, looked_at: int) -> None:
    """Wait until the verdict is there.

    Args:
      out: the output.
      looked_at: what `begin_choosing` gave this process, or the one that it is a fork of.
    """
    # The pipe ends with the process, whatever its libraries may print.
    while os.read(looked_at, 1024):
        pass
    if not _noted(out):
        _note(out, REFERENCE, f"{FAST} cannot be looked at (it ends the process that does)")


def engine_words(out: Place) -> str | None:
    """What is to be said of a run's engine: nothing of the fast one; None until it is known."""
    noted = _noted(out)
    if "engine" not in noted:
        return None
    return (
        "" if noted["engine"] == FAST else f"{noted['why']}: {REFERENCE} does it, which is slower"
    )


def forget_engine(out: Place) -> None:
    """Take back what an earlier run noted: other workers may do this one, of another version."""
    remove([out / NOTE])


def main() -> None:
    """Look at the fast engine for the output that the command line names."""
    name, which, *options = sys.argv[1:]
    out = place(name)
    try:
        use_options(options)
        index, count = map(int, which.split("/"))
        files, config = inputs_of(out / RUN, (index, count)).files, read_config(out)
        _note(out, *_chosen(load_output_tokenizer(out), files, config))
    except Exception as error:
        _note(out, REFERENCE, f"{FAST} cannot be looked at ({' '.join(str(error).split())})")


def _chosen(
    tokenizer: OutputTokenizer, files: Iterable[InputFile], config: PrepareConfig
) -> tuple[str, str]:
    """The engine, and why."""
    segments = tokenizer.segment_tokenizer(engine=FAST)
    if not segments.is_fast:
        return REFERENCE, f"{FAST} is not installed, or does not take this tokenizer"
    own = _first(sampled_texts(files, config), SAMPLE_CHARACTERS)
    text = segments.differing(chain(hard_texts(segments.text_tokens), own))
    if text is None:
        return FAST, "it gives the same ids"
    return REFERENCE, f"{FAST} gives other ids for {text[:30]!r}"


def segment_tokenizer(out: Place, sha256: str, looked_at: int | None = None) -> SegmentTokenizer:
    """The tokenizer of an output, with the engine that was chosen; loaded once a process.

    Args:
      out: the output.
      sha256: of its tokenizer; a worker may outlive an output.
      looked_at: as of `wait_for_engine`, if anybody may be looking.
    """
    if looked_at is not None:
        wait_for_engine(out, looked_at)
    noted = _noted(out)
    is_fast = noted.get("engine") == FAST and noted.get("version") == _version()
    return loaded_tokenizer(out, sha256, FAST if is_fast else REFERENCE)


@functools.lru_cache(maxsize=1)
def loaded_tokenizer(out: Place, sha256: str, engine: str) -> SegmentTokenizer:  # noqa: ARG001
    """The tokenizer of an output with an engine, whatever was chosen."""
    return load_output_tokenizer(out).segment_tokenizer(engine=engine)


@functools.cache
def _version() -> str | None:
    """Of the fast engine."""
    try:
        return importlib.metadata.version(FAST)
    except importlib.metadata.PackageNotFoundError:
        return None


def _noted(out: Place) -> dict[str, Any]:
    try:
        noted = parsed_json((out / NOTE).read_bytes())
    except (OSError, ValueError):
        return {}
    return noted if isinstance(noted, dict) else {}


def _note(out: Place, engine: str, why: str) -> None:
    write_json(out / NOTE, {"engine": engine, "version": _version(), "why": why})


def _first(texts: Iterable[str], n_characters: int) -> Iterator[str]:
    """Pieces of the first texts."""
    for text in texts:
        for at in range(0, min(len(text), n_characters), PIECE):
            yield text[at : at + PIECE]
        n_characters -= len(text)
        if n_characters <= 0:
            return


if __name__ == "__main__":
    main()
