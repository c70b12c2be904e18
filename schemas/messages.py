"""Chat examples: what `duologue export --format messages` writes."""

import pyarrow as pa

from schemas.episode import Player

ROLES = {Player.ONE: "user", Player.TWO: "assistant"}

MESSAGE = pa.struct(
    [
        pa.field("role", pa.string(), nullable=False),
        pa.field("content", pa.string(), nullable=False),
    ]
)

CHAT = pa.schema(
    [
        # Of an episode: user first, assistant last, in turn.
        pa.field("messages", pa.list_(MESSAGE), nullable=False),
        pa.field("id", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("game", pa.string(), nullable=False),
    ]
)
"""One chat example a row; id, source and game are the episode's."""
