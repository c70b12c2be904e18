"""Which tokenizer engine a run uses: the fast one, once it is shown to give the same ids."""

import functools
import importlib.metadata
import subprocess
import sys
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from pipeline.atomic import write_json
from pipeline.commit import RUN
from pipeline.inputs import InputFile
from pipeline.output import read_config
from pipeline.plan import Plan, read_plan
from pipeline.tokenizer import OutputTokenizer, load_output_tokenizer, sampled_texts
from schemas.config import PrepareConfig
from schemas.parse import parsed_json
from transforms.engines import FAST, PIECE, REFERENCE, hard_texts
from transforms.segment_tokenizer import SegmentTokenizer

NOTE = f"{RUN}/engine.json"

WORTH_BYTES = 32 << 20
"""The proof takes two seconds; the reference takes longer for more text than this."""

SAMPLE_CHARACTERS = 1 << 20
"""Of the run's own text."""


def choose_engine(out: Path, plan: Plan) -> str | None:
    """Note the engine for a run's workers in OUT/_run: shards never depend on it.

    The fast one is taken if it gives the ids of the reference for a fixed set of hard texts and a
    sample of the inputs. Workers go on looking at a hundredth of what they tokenise.

    Args:
      out: an output whose plan, config and tokenizer are written.
      plan: that plan.

    Returns:
      What is to be said where a big run has to do with the reference, or None.
    """
    if plan.n_bytes < WORTH_BYTES:
        return None
    # In a process of its own: what the reference takes for long texts, it keeps.
    argv = [sys.executable, "-P", "-m", "pipeline.engine", str(out)]
    ran = subprocess.run(argv, capture_output=True, text=True, check=False)
    if ran.returncode:
        last = (ran.stderr.strip().splitlines() or ["no word"])[-1]
        return f"{FAST} cannot be looked at ({last}): {REFERENCE} does it, which is slower"
    return ran.stdout.strip() or None


def main() -> None:
    """Look at the fast engine for the output that the command line names."""
    out = Path(sys.argv[1])
    words = _choose(out, load_output_tokenizer(out), read_plan(out / RUN).files, read_config(out))
    print(words or "")


def _choose(
    out: Path, tokenizer: OutputTokenizer, files: Iterable[InputFile], config: PrepareConfig
) -> str | None:
    segments = tokenizer.segment_tokenizer(engine=FAST)
    if not segments.is_fast:
        _note(out, REFERENCE, f"{FAST} is not installed, or does not take this tokenizer")
        return f"{FAST} is not installed or does not take this tokenizer: {REFERENCE} does it"
    own = _first(sampled_texts(files, config), SAMPLE_CHARACTERS)
    text = segments.differing(chain(hard_texts(), own))
    if text is None:
        _note(out, FAST, f"version {importlib.metadata.version(FAST)} gives the same ids")
        return None
    _note(out, REFERENCE, f"{FAST} gives other ids for {text[:100]!r}")
    return f"{FAST} gives other ids for {text[:30]!r}: {REFERENCE} does it, which is slower"


@functools.lru_cache(maxsize=1)
def segment_tokenizer(out: Path) -> SegmentTokenizer:
    """The tokenizer of an output, with the engine that was chosen; loaded once a process."""
    return load_output_tokenizer(out).segment_tokenizer(engine=_noted(out))


def _noted(out: Path) -> str:
    try:
        engine = parsed_json((out / NOTE).read_bytes())["engine"]
    except (OSError, ValueError, KeyError, TypeError):
        return REFERENCE
    return FAST if engine == FAST else REFERENCE


def _note(out: Path, engine: str, why: str) -> None:
    write_json(out / NOTE, {"engine": engine, "why": why})


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
