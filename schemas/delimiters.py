"""Delimiter schemes: what stands around turns and segments.

A new scheme is one entry of SCHEMES.
"""

import dataclasses
from collections.abc import Mapping

from schemas.episode import Player, SegmentKind


@dataclasses.dataclass(frozen=True, slots=True)
class Control:
    """A control token: one id that text never becomes."""

    token: str | None
    """None is the tokenizer's end-of-turn token, whatever it is called."""


Piece = Control | str
"""A delimiter is a sequence of control tokens and of strings that are tokenised as text."""

Pair = tuple[tuple[Piece, ...], tuple[Piece, ...]]
"""What opens and what closes; either may be empty."""

END_OF_TURN = Control(None)
NOTHING: Pair = ((), ())


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class DelimiterScheme:
    """What to put around each turn of a player and, inside it, around each kind of segment.

    An opening delimiter stands right before its segment's first content token, a closing one right
    after the last. Where a turn and its first segment open together, the turn's comes first; where
    they close together, it comes last.
    """

    name: str
    turns: Mapping[Player, Pair] = dataclasses.field(default_factory=dict)
    segments: Mapping[SegmentKind, Pair] = dataclasses.field(default_factory=dict)
    eos: str | None = None
    """The control token that ends a turn by the scheme's own rules; None leaves the tokenizer's."""
    chat_template: str | None = None
    """The same layout for `apply_chat_template` of transformers, where others know it by that."""

    def control_tokens(self) -> tuple[str, ...]:
        """The control tokens by name, in order of first use; the end-of-turn token left out."""
        pairs = (*self.turns.values(), *self.segments.values())
        pieces = (piece for pair in pairs for side in pair for piece in side)
        names = (piece.token for piece in pieces if isinstance(piece, Control))
        return tuple(dict.fromkeys(name for name in names if name is not None))


def _tag(name: str) -> Pair:
    return (Control(f"<{name}>"),), (Control(f"</{name}>"),)


def _spelled(opening: str, closing: str) -> Pair:
    return (opening,) if opening else (), (closing,)


# BOS stands before every document in training. What TRL's assistant_only_loss trains on, and what
# stands between the marks of generation, is what player two emits after the opening of its turn.
_CHATML_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if message['role'] == 'assistant' %}"
    "{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}"
    "{% else %}{{ message['content'] + '<|im_end|>' }}{% endif %}"
    "{{ '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)

SCHEMES: dict[str, DelimiterScheme] = {
    scheme.name: scheme
    for scheme in (
        # The paper's: <eos> ends a turn and belongs to its player (Figure 5).
        DelimiterScheme(
            name="eos",
            turns={Player.ONE: ((), (END_OF_TURN,)), Player.TWO: ((), (END_OF_TURN,))},
        ),
        # The paper's section 4.2.
        DelimiterScheme(
            name="tags",
            segments={
                SegmentKind.QUESTION: _tag("question"),
                SegmentKind.REASONING: _tag("reasoning"),
                SegmentKind.ANSWER: _tag("answer"),
            },
        ),
        DelimiterScheme(
            name="chatml",
            turns={
                Player.ONE: (
                    (Control("<|im_start|>"), "user\n"),
                    (Control("<|im_end|>"), "\n"),
                ),
                Player.TWO: (
                    (Control("<|im_start|>"), "assistant\n"),
                    (Control("<|im_end|>"), "\n"),
                ),
            },
            segments={SegmentKind.REASONING: _tag("think")},
            eos="<|im_end|>",
            chat_template=_CHATML_TEMPLATE,
        ),
        DelimiterScheme(
            name="plain",
            segments={
                SegmentKind.QUESTION: _spelled("Question: ", "\n"),
                SegmentKind.REASONING: _spelled("Reasoning: ", "\n"),
                SegmentKind.ANSWER: _spelled("Answer: ", "\n\n"),
            },
        ),
        DelimiterScheme(
            name="none",
            segments={
                SegmentKind.QUESTION: _spelled("", "\n"),
                SegmentKind.REASONING: _spelled("", "\n"),
                SegmentKind.ANSWER: _spelled("", "\n\n"),
            },
        ),
    )
}

CONTROL_TOKENS: tuple[str, ...] = tuple(
    dict.fromkeys(token for scheme in SCHEMES.values() for token in scheme.control_tokens())
)
"""Control tokens of all schemes in fixed order, so that any output can be re-delimited."""
