"""Delimiters of every scheme stand where a naive rule puts them, move no content, and come off."""

import random

from schemas.delimiters import SCHEMES
from schemas.episode import CONTENT_KINDS, SegmentKind
from tests.fuzz.drawing import Draws, Target, text_of
from tests.fuzz.episodes import tokenizers
from tests.transforms.documents import MARKER, A, C, Q, document, ids_of_content, table
from transforms.invariants import row_faults
from transforms.rows import RowConfig, document_rows, episode_rows, redelimit
from transforms.tokenize import tokenize_documents

MOST_DOCUMENTS = 3
MOST_BLOCKS = 5
END_OF_PLAN = b"\x1d"


def run(data: bytes) -> None:
    """Segmented documents as a plan says, of the texts that follow it."""
    plan, _, texts = data.partition(END_OF_PLAN)
    draws, parts = Draws(plan), iter(texts.split(b"\x1e"))

    def text(else_: str = "") -> str:
        return text_of(next(parts, b"")) or else_

    tokenizer = draws.choice(tokenizers())
    build, name = draws.choice(((document_rows, "documents"), (episode_rows, "episodes")))
    made = [drawn_document(draws, text) for _ in range(1 + draws.below(MOST_DOCUMENTS))]
    tokenized = tokenize_documents(table(*made), tokenizer)
    rows = {
        scheme: build(tokenized, tokenizer, RowConfig(delimiters=scheme)).table
        for scheme in SCHEMES
    }
    bare = redelimit(rows["eos"], tokenizer, None)
    content = bare["input_ids"].to_pylist()
    old = draws.choice(list(SCHEMES))
    for scheme, of_scheme in rows.items():
        assert row_faults(of_scheme, tokenizer, name) == []
        assert ids_of_content(of_scheme) == content, "a scheme moves content"
        assert redelimit(of_scheme, tokenizer, None).equals(bare), "delimiters do not come off"
        assert redelimit(rows[old], tokenizer, scheme).equals(of_scheme)
        for row, plain in zip(of_scheme.to_pylist(), bare.to_pylist(), strict=True):
            assert outline(row) == delimited(plain, SCHEMES[scheme], tokenizer)


def drawn_document(draws, text):
    """Of texts and episodes."""
    blocks = []
    for number in range(draws.below(MOST_BLOCKS + 1)):
        if draws.below(4) == 0:
            blocks.append(text("-"))
        else:
            blocks.append(list(parts_of_episode(draws, text, number)))
    return document(*blocks, source=draws.choice(["a.txt", "b/c.txt"]))


def parts_of_episode(draws, text, number):
    """Contents with markers between them; there may be none between, and turns of two spans."""
    for turn in range(0, 2 + 2 * draws.below(3), 2):
        for kind, owner in ((Q, turn), (C, turn + 1), (A, turn + 1)):
            for _ in range(draws.below(3) if kind == C else 1 + draws.below(2)):
                if draws.below(2):
                    yield MARKER, text("\n"), owner, 1 + owner % 2 if owner else 0
                yield kind, f"{number}{text()}.", owner


def outline(row):
    """(kind, player, turn, ids) of a row's segments."""
    return [
        (
            each["kind"],
            each["player"],
            each["turn"],
            row["input_ids"][each["start"] : each["end"]],
        )
        for each in row["segments"]
    ]


def delimited(row, scheme, tokenizer):
    """The outline with delimiters, put in one by one."""
    plain = outline(row)
    keys = [(each["episode"], each["turn"]) for each in row["segments"]]
    content = [at for at, (kind, *_) in enumerate(plain) if kind in CONTENT_KINDS]
    found = []
    for at, (kind, player, turn, ids) in enumerate(plain):
        if at not in content:
            found.append((kind, player, turn, ids))
            continue
        place = content.index(at)
        before, after = content[place - 1 : place], content[place + 1 : place + 2]
        opens_turn = all(keys[each] != keys[at] for each in before) if place else True
        closes_turn = all(keys[each] != keys[at] for each in after)
        opens = opens_turn or plain[before[0]][0] != kind
        closes = closes_turn or plain[after[0]][0] != kind
        turn_pair, segment_pair = scheme.turns.get(player), scheme.segments.get(SegmentKind(kind))
        sides = [
            (opens_turn, turn_pair, 0),
            (opens, segment_pair, 0),
            None,
            (closes, segment_pair, 1),
            (closes_turn, turn_pair, 1),
        ]
        for side in sides:
            if side is None:
                found.append((kind, player, turn, ids))
            elif side[0] and side[1]:
                spelled = tokenizer.delimiter_ids(side[1][side[2]]).tolist()
                if spelled:
                    found.append((SegmentKind.DELIMITER, player, turn, spelled))
    return found


def _seeds():
    for number in range(40):
        rng = random.Random(number)
        plan = rng.randbytes(48).replace(END_OF_PLAN, b"")
        texts = [b"Why?", b"\n", b"<eos>", b" is ", b"</answer>", b"x", b"\xff\x6f\x6e", b"\n\n"]
        yield (
            bytes([number % 5, number % 2])
            + plan
            + END_OF_PLAN
            + b"\x1e".join(rng.choices(texts, k=12))
        )


TARGET = Target(run, tuple(_seeds()))
