"""Any texts are tiled by spans that keep the rules, whatever documents stand beside them."""

import itertools
import random

from schemas.episode import CONTENT_KINDS, PLAYER_OF_KIND, Player, SegmentKind
from tests.fuzz.drawing import (
    END_OF_DOCUMENT,
    Draws,
    Target,
    bytes_of_documents,
    documents_of,
    fragment_bytes,
)
from tests.running import exchange
from tests.transforms.segmenting import documents, raw_spans
from tests.transforms.test_segment import FRAGMENTS
from transforms.cues import FAMILIES
from transforms.segment import refusals

GAMES = {family.name for family in FAMILIES}

N_SHUFFLED = 128
"""Documents of shuffled lines that an input may ask for."""


def run(data: bytes) -> None:
    """A batch, and one of its documents alone."""
    draws = Draws(data)
    how, number, seed = draws.byte(), draws.byte(), draws.below(1 << 16)
    texts = documents_of(draws.rest())
    # A call costs much and a document little: each comes twice, with other neighbours, and once
    # more with the line ends of another system.
    others = [text and text.replace("\n", "\r\n") for text in texts]
    batch = [*texts, *others, *shuffled(texts, seed), *reversed(texts)]
    found = raw_spans(*batch)
    for text, spans in zip(batch, found, strict=True):
        check_spans(text, spans)
    assert found[: len(texts)] == found[: -len(texts) - 1 : -1], "neighbours change spans"
    if how % 4 == 0:
        number %= len(batch)
        assert raw_spans(batch[number]) == [found[number]], "other documents change spans"
    if how % 4 == 1:
        for each in refusals(documents(*batch)["text"]):
            assert each.family in GAMES
            assert each.reason


def shuffled(texts, seed):
    """Documents of the texts' lines and of fragments, in an order that a seed gives; none for 0."""
    rng = random.Random(seed)
    lines = FRAGMENTS + [line for text in texts for line in (text or "").splitlines()]
    for _ in range(N_SHUFFLED if seed else 0):
        parts = rng.choices(lines, k=rng.randint(2, 16))
        ends = rng.choices(["\n", "\n", "\n\n", "\r\n", " ", ""], k=len(parts))
        yield "".join(itertools.chain.from_iterable(zip(parts, ends, strict=True)))


def check_spans(text, spans, games=GAMES):
    """Raises AssertionError if spans, as dicts, break a rule that all spans keep."""
    if text is None:
        assert spans is None
        return
    data, at = text.encode(), 0
    for span in spans:
        assert span["byte_start"] == at < span["byte_end"], "spans do not tile"
        at = span["byte_end"]
        _check_span(span, data[span["byte_start"] : at].decode(), games)
    assert at == len(data), "spans do not tile"
    kinds = [span["kind"] for span in spans]
    assert ("text", "text") not in itertools.pairwise(kinds)
    _check_turns([span for span in spans if span["episode"] is not None])


def _check_span(span, text, games):
    kind = span["kind"]
    if kind == SegmentKind.TEXT:
        assert [span[name] for name in ("player", "game", "episode", "turn", "cue")] == [
            *(Player.NATURE, "text", None, None, None)
        ]
        return
    assert span["game"] in games
    assert span["cue"]
    if kind == SegmentKind.MARKER:
        assert text.isspace() or text == text.strip()
        assert span["player"] in (Player.NATURE, 1 + span["turn"] % 2)
        return
    assert kind in CONTENT_KINDS
    assert text
    assert text == text.strip(), "contents begin or end with white space"
    assert span["player"] == PLAYER_OF_KIND[kind] == 1 + span["turn"] % 2


def _check_turns(inside):
    """Episodes count from zero, and so do an episode's turns, of which the last is an answer."""
    episodes = list(dict.fromkeys(span["episode"] for span in inside))
    assert episodes == list(range(len(episodes)))
    for episode in episodes:
        own = [span for span in inside if span["episode"] == episode]
        assert len({(span["game"], span["cue"]) for span in own}) == 1
        assert own[0]["kind"] in CONTENT_KINDS or own[0]["player"] == Player.NATURE
        turns = [span["turn"] for span in own if span["kind"] in CONTENT_KINDS]
        assert turns == sorted(turns)
        assert set(turns) == set(range(turns[-1] + 1))
        assert turns[-1] % 2 == 1


def _seeds():
    for number in range(24):
        yield b"\2\0\0\0" + bytes_of_documents([exchange(number)])
    fragments = fragment_bytes()
    for separator in (b"\n", b"\n\n", END_OF_DOCUMENT):
        for start in range(0, len(fragments), 8):
            yield b"\1\0\0\0" + separator.join(fragments[start : start + 8])
    for one, two in itertools.pairwise(fragments):
        yield b"\0\0\0\0" + one + b"\n" + two + b"\n"
    for number in range(1, 400):
        yield bytes([number % 8, number % 251, *divmod(number, 256)]) + fragments[number % 64]


TARGET = Target(run, tuple(_seeds()))
