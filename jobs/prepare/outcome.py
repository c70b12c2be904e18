"""What a finished output holds and lacks, as `prepare` and `finish` print it."""

import math
from typing import Any

from jobs.view import on_one_line
from pipeline.changes import NAMED
from pipeline.commit import REJECTED
from pipeline.output import MANIFEST
from pipeline.readers import INVALID_UTF8, MENDS
from pipeline.remote import Place
from schemas.config import MIN_TEST_SOURCES
from schemas.words import counted

# The most that is proposed for test, and as much for validation: half is left to train on.
MAX_HOLDOUT = 0.25


def show_outcome(out: Place, manifest: dict[str, Any]) -> bool:
    """Print what an output holds and lacks; returns whether nothing was rejected or damaged."""
    for name in manifest["config"]["configs"]:
        shards = [shard for shard in manifest["shards"] if shard["config"] == name]
        rows, tokens = (sum(shard[key] for shard in shards) for key in ("rows", "tokens"))
        drops = ", ".join(f"{n} {why}" for why, n in sorted(manifest["drops"][name].items()))
        dropped = f" (documents without a row: {drops})" if drops else ""
        sizes = ((rows, "row"), (tokens, "token"), (len(shards), "shard"))
        print(f"{name}: {', '.join(counted(*size) for size in sizes)}{dropped}")
        for why, count in sorted(manifest["episode_drops"][name].items()):
            print(f"{name}: {counted(count, 'episode')} left out, {why}")
    for why, count in sorted(manifest["rejected"].items()):
        print(
            f"rejected: {counted(count, 'document')}, {why}; see {on_one_line(str(out / REJECTED))}"
        )
    for why, mend in MENDS.items():
        if why in manifest["rejected"]:
            then = "in a new --out" if why == INVALID_UTF8 else "then run with --update"
            print(f"{mend}, {then}")
    damaged = manifest["damaged_inputs"]
    # Very many stand in a file of their own.
    listed = damaged if isinstance(damaged, list) else []
    for each in listed[:NAMED]:
        print(f"damaged: {on_one_line(each['source'])}: {on_one_line(each['reason'])}")
    more = (len(damaged) if listed else damaged["rows"] if damaged else 0) - NAMED
    if more > 0:
        print(f"damaged: and {more} more; see {MANIFEST}")
    if hint := _holdout_hint(manifest):
        print(hint)
    print(f"shards: {on_one_line(str(out))}")
    return not manifest["rejected"]


def _holdout_hint(manifest: dict[str, Any]) -> str | None:
    """What `duologue compare` lacks in the test split, and the --holdout that may give it."""
    found = sum(
        shard["rows"]
        for shard in manifest["shards"]
        if (shard["config"], shard["split"]) == ("documents", "test")
    )
    if "documents" not in manifest["config"]["configs"] or found >= MIN_TEST_SOURCES:
        return None
    documents = manifest["counts"]["documents"] - manifest["counts"]["documents_rejected"]
    # Twice what is needed: splits are drawn by hash, and not every document has an answer.
    wanted = 2 * MIN_TEST_SOURCES
    share = min(math.ceil(100 * wanted / max(documents, 1)) / 100, MAX_HOLDOUT)
    enough = math.ceil(wanted / MAX_HOLDOUT)
    larger = f"{counted(enough, 'document')} or more " if documents < enough else ""
    mend = f"prepare {larger}with --holdout {share}"
    return (
        f"test: {counted(found, 'document')}; duologue compare needs answers of {MIN_TEST_SOURCES} "
        f"test sources: for it, {mend}"
    )
