"""Episodes as chat messages: player one is the user, player two the assistant.

Reasoning stands in the assistant's content, before the answer, between `<think>` and `</think>`:
every chat template keeps content, while most leave out other keys of a message without a word.
"""

import dataclasses
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pyarrow as pa

from schemas.episode import Player, SegmentKind
from schemas.messages import CHAT, MESSAGE, ROLES
from transforms.flat import KIND_CODE, Segments, starts_of_runs
from transforms.rows import segments_of_rows
from transforms.segment_tokenizer import SegmentTokenizer

_REASONING = KIND_CODE[SegmentKind.REASONING]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Chats:
    """Chat examples, and what cannot be one.

    Attributes:
      table: CHAT.
      counts: "episodes" of the table; "answers_cut", turns of player two with no question before
        them, and "questions_cut", turns of player one with no answer after them, in these episodes;
        "episodes_left_out", which have no question that an answer follows.
    """

    table: pa.Table
    counts: dict[str, int]


def messages_of_rows(rows: pa.Table, tokenizer: SegmentTokenizer) -> Chats:
    r"""Turns episodes into chat examples.

    A turn is a message: its segments, each decoded on its own, delimiters left out, joined by a
    newline, reasoning first as `<think>\n...\n</think>\n\n`. Templates want the user first, and
    many trainers the assistant last: what stands before the first turn of player one, or after the
    last one of player two, is cut off and counted.

    Args:
      rows: row_schema, of the `episodes` config, with delimiters of any scheme or without.
      tokenizer: the one that the rows were tokenised with.
    """
    everything = segments_of_rows(rows)
    turns = list(_turns(everything.take(everything.is_content), tokenizer))
    of_rows = np.array([row for row, _, _ in turns], np.int64)
    edges = np.searchsorted(of_rows, np.arange(len(rows) + 1)).tolist()
    counts = {"episodes": 0, "answers_cut": 0, "questions_cut": 0, "episodes_left_out": 0}
    kept, messages = [], []
    for row, (start, end) in enumerate(pairwise(edges)):
        players = [player for _, player, _ in turns[start:end]]
        # Turns alternate, so that no more than one stands at each end.
        starts_late = players[:1] == [Player.TWO]
        ends_early = players[-1:] == [Player.ONE]
        if end - start - starts_late - ends_early < len(ROLES):
            counts["episodes_left_out"] += 1
            continue
        counts["answers_cut"] += starts_late
        counts["questions_cut"] += ends_early
        counts["episodes"] += 1
        kept.append(row)
        messages.append(
            [
                {"role": ROLES[player], "content": content}
                for _, player, content in turns[start + starts_late : end - ends_early]
            ]
        )
    chosen = rows.select(["id", "source", "game"]).take(pa.array(kept, pa.int64()))
    columns = {name: chosen[name] for name in chosen.column_names}
    columns["messages"] = pa.array(messages, pa.list_(MESSAGE))
    return Chats(table=pa.table(columns, schema=CHAT), counts=counts)


def _turns(content: Segments, tokenizer: SegmentTokenizer) -> Iterator[tuple[int, Player, str]]:
    """(row, player, text) of each run of segments of one player."""
    texts = tokenizer.decode_lists(content.token_lists())
    is_reasoning = content.kind == _REASONING
    starts = np.flatnonzero(starts_of_runs(content.rows, content.player)).tolist()
    for start, end in pairwise([*starts, len(content)]):
        reasoning = [texts[at] for at in range(start, end) if is_reasoning[at]]
        rest = "\n".join(texts[at] for at in range(start, end) if not is_reasoning[at])
        thought = "<think>\n{}\n</think>\n\n".format("\n".join(reasoning)) if reasoning else ""
        yield int(content.rows[start]), Player(int(content.player[start])), thought + rest
