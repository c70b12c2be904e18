"""Players, segment kinds and the Arrow schemas that stand between the stages.

Words follow Liu, Sun, Li (2024), arXiv:2402.08078: text is the log of a two-player game, a state
s_t is the tokens so far, an action a_t is the next token, and the player function P(s_t) says who
chooses it. With 1-based t, a_t = input_ids[t-1] and P(s_t) = player[t-1].
"""

import enum

import pyarrow as pa


class Player(enum.IntEnum):
    """Who emits a token: P(s_t).

    NATURE is the chance player of game theory: it owns what neither player chose, such as text
    that no cue attributes and the BOS that training puts before a document.
    """

    NATURE = 0
    ONE = 1
    TWO = 2


class SegmentKind(enum.StrEnum):
    """What a stretch of text is in its episode.

    QUESTION is player one's turn; REASONING and ANSWER make up player two's. A MARKER is a native
    label ("Q:", "####") or the white space between content. A DELIMITER is inserted by us and has
    no bytes in the document. TEXT lies outside every episode.
    """

    QUESTION = "question"
    REASONING = "reasoning"
    ANSWER = "answer"
    TEXT = "text"
    MARKER = "marker"
    DELIMITER = "delimiter"


CONTENT_KINDS = (SegmentKind.QUESTION, SegmentKind.REASONING, SegmentKind.ANSWER)
"""The kinds that players choose; an episode of the `episodes` config holds only these."""

PLAYER_OF_KIND = {
    SegmentKind.QUESTION: Player.ONE,
    SegmentKind.REASONING: Player.TWO,
    SegmentKind.ANSWER: Player.TWO,
    SegmentKind.TEXT: Player.NATURE,
}
"""Markers and delimiters are absent: the turn they stand in owns them."""

SPAN = pa.struct(
    [
        pa.field("kind", pa.string(), nullable=False),
        pa.field("player", pa.uint8(), nullable=False),
        # Family of the episode the span belongs to ("label", "doctest", ...), "text" outside.
        pa.field("game", pa.string(), nullable=False),
        # Ordinal of the episode in its document, and of the turn in its episode; null outside.
        pa.field("episode", pa.int32()),
        pa.field("turn", pa.int32()),
        # [byte_start, byte_end) in the document's UTF-8 text.
        pa.field("byte_start", pa.int64(), nullable=False),
        pa.field("byte_end", pa.int64(), nullable=False),
        # What fired, for people ("Q:", "heading?"); null outside episodes.
        pa.field("cue", pa.string()),
    ]
)
"""One span of a segmented document. A document's spans tile its bytes, in order, none empty."""

DOCUMENTS = pa.schema(
    [
        pa.field("source", pa.string(), nullable=False),
        # Byte offset of the document in its (decompressed) file; null where the format has none.
        pa.field("source_offset", pa.int64()),
        # The value of --id-column; null without it.
        pa.field("id_key", pa.string()),
        # Null when the document is rejected.
        pa.field("text", pa.large_string()),
        # Why a document can't be used; null when it can.
        pa.field("reason", pa.string()),
        # The first REJECTED_BYTES bytes of a rejected document.
        pa.field("raw", pa.binary()),
    ]
)
"""What readers yield: one row a document, used or rejected. Segmentation adds `spans`."""

REJECTED_BYTES = 64 * 1024

SEGMENT = pa.struct(
    [
        pa.field("kind", pa.string(), nullable=False),
        pa.field("player", pa.uint8(), nullable=False),
        pa.field("game", pa.string(), nullable=False),
        pa.field("episode", pa.int32()),
        pa.field("turn", pa.int32()),
        # Token range [start, end) in the row.
        pa.field("start", pa.int32(), nullable=False),
        pa.field("end", pa.int32(), nullable=False),
        pa.field("byte_start", pa.int64(), nullable=False),
        pa.field("byte_end", pa.int64(), nullable=False),
    ]
)
"""One segment of a written row; a row's segments tile its tokens."""


def token_type(vocabulary_size: int) -> pa.DataType:
    """The dtype of `input_ids`: uint16 when every id fits, else uint32."""
    return pa.uint16() if vocabulary_size <= 2**16 else pa.uint32()


def row_schema(token: pa.DataType) -> pa.Schema:
    """The schema of written shards, for both configs (`documents`, `episodes`).

    Args:
      token: uint16 or uint32, the same in a whole output.
    """
    return pa.schema(
        [
            pa.field("id", pa.string(), nullable=False),
            pa.field("source", pa.string(), nullable=False),
            pa.field("source_offset", pa.int64()),
            pa.field("game", pa.string(), nullable=False),
            pa.field("input_ids", pa.list_(token), nullable=False),
            pa.field("player", pa.list_(pa.uint8()), nullable=False),
            pa.field("segments", pa.list_(SEGMENT), nullable=False),
            pa.field("is_truncated", pa.bool_(), nullable=False),
        ]
    )
