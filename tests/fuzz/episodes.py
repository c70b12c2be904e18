"""Whatever episodes families propose, documents are tiled and their rows keep every promise."""

import functools
import random
from unittest import mock

from schemas.delimiters import SCHEMES
from schemas.episode import CONTENT_KINDS, SegmentKind
from tests.fuzz.drawing import Draws, Target, bytes_of_documents, documents_of
from tests.fuzz.segmenter import check_spans
from tests.running import exchange
from tests.transforms.documents import byte_level, load, metaspace, words
from tests.transforms.segmenting import documents
from transforms import segment
from transforms.cues.family import Content, CueFamily, Episode
from transforms.invariants import row_faults
from transforms.rows import RowConfig, document_rows, episode_rows
from transforms.segment import segment_documents
from transforms.split import MIN_ROW_TOKENS
from transforms.tokenize import tokenize_documents
from transforms.train_tokenizer import train_bpe

END_OF_PLAN = b"\x1d"
MOST_PROPOSED = 12
GAMES = ("one", "two")


@functools.cache
def tokenizers():
    """Lossless and lossy ones, and two whose end of turn is text."""
    plain = train_bpe(["It is so. Why?"] * 9, 300)
    # One that cuts keep out of a text, and one that none does.
    inside = load(plain, eos=" is"), load(plain, eos="x")
    return byte_level(), metaspace(), words("It", "is", "Why?", "so"), *inside


def run(data: bytes) -> None:
    """Documents, and episodes proposed in them; what is made of these, and the rows of that."""
    plan, _, rest = data.partition(END_OF_PLAN)
    draws = Draws(plan)
    tokenizer, scheme = draws.choice(tokenizers()), draws.choice(sorted(SCHEMES))
    room = draws.byte()
    config = RowConfig(delimiters=scheme, max_tokens=MIN_ROW_TOKENS + room - 1 if room else None)
    table = documents(*documents_of(rest))
    with proposing(draws):
        segmented = segment_documents(table)
    for text, spans in zip(table["text"].to_pylist(), segmented["spans"].to_pylist(), strict=True):
        check_spans(text, spans, GAMES)
    tokenized = tokenize_documents(segmented, tokenizer)
    used = tokenized.filter(tokenized["key"].is_valid())
    texts = dict(zip(used["source"].to_pylist(), used["text"].to_pylist(), strict=True))
    for build, name in ((document_rows, "documents"), (episode_rows, "episodes")):
        made = build(tokenized, tokenizer, config)
        assert row_faults(made.table, tokenizer, name) == []
        rows = made.table.to_pylist()
        check_bytes(rows, texts, tokenizer)
        kept = sum(map(size_bytes, rows))
        total = sum(len(text.encode()) for text in texts.values())
        assert kept + sum(made.bytes_left_out.values()) == total
        with_row = {row["source"] for row in rows}
        assert len(with_row) + sum(made.documents_dropped.values()) == len(texts)
        for row in rows:
            assert room == 0 or len(row["input_ids"]) <= config.max_tokens
        if name == "episodes":
            check_episodes(rows)
        elif not room:
            assert [size_bytes(row) for row in rows] == [
                len(texts[row["source"]].encode()) for row in rows
            ]


def size_bytes(row: dict) -> int:
    """Bytes of text that a row holds."""
    return sum(each["byte_end"] - each["byte_start"] for each in row["segments"])


def check_bytes(rows, texts, tokenizer):
    """A segment's tokens are those of its bytes."""
    for row in rows:
        data = texts[row["source"]].encode()
        for each in row["segments"]:
            text = data[each["byte_start"] : each["byte_end"]].decode()
            ids = row["input_ids"][each["start"] : each["end"]]
            if tokenizer.is_lossless and each["kind"] != SegmentKind.DELIMITER:
                assert tokenizer.decode(ids) == text


def check_episodes(rows):
    """A row of `episodes` is of one episode, and holds what players said and delimiters alone."""
    for row in rows:
        assert {each["kind"] for each in row["segments"]} <= {*CONTENT_KINDS, "delimiter"}
        assert len({(each["game"], each["episode"]) for each in row["segments"]}) == 1
        assert row["game"] == row["segments"][0]["game"]
        turns = [each["turn"] for each in row["segments"]]
        assert turns == sorted(turns)
        assert turns[0] % 2 == 0


def proposing(draws):
    """Instead of all families, two that propose what is drawn."""

    def find(candidates, _name):
        found = (propose(draws, candidates.lines) for _ in range(draws.below(MOST_PROPOSED)))
        return [each for each in found if each is not None]

    families = [CueFamily(name=name, find=functools.partial(find, _name=name)) for name in GAMES]
    return mock.patch.object(segment, "FAMILIES", tuple(families))


def propose(draws, lines):
    """An episode of contents in order, which may be white space; None where there is no room."""
    number = draws.below(len(lines.document_start) - 1)
    at, last = (int(at) for at in lines.document_start[number : number + 2])

    def step(least, most):
        nonlocal at
        at = min(last, at + least + draws.below(most))
        while at < last and 0x80 <= lines.data[at] < 0xC0:  # not inside a character
            at += 1
        return at

    start, contents, gaps = step(0, 1 << 9), [], []
    for kind, turn in kinds(draws):
        if contents and draws.below(4) == 3:
            gaps.append((at, step(1, 32)))
        begin, end = step(0, 4), step(1, 24)
        if begin == end:
            return None
        contents.append(Content(kind, turn, begin, end))
    return Episode(start, step(0, 4), tuple(contents), "drawn", tuple(gaps))


def kinds(draws):
    """(kind, turn) of the contents of one to three exchanges."""
    for turn in range(0, 2 + 2 * draws.below(3), 2):
        for _ in range(1 + draws.below(2)):
            yield SegmentKind.QUESTION, turn
        for kind in (SegmentKind.REASONING,) * draws.below(2) + (SegmentKind.ANSWER,):
            for _ in range(1 + draws.below(2)):
                yield kind, turn + 1


def _seeds():
    for number in range(40):
        plan = random.Random(number).randbytes(96).replace(END_OF_PLAN, b"")
        plan = bytes([number % 5, number // 5, 0 if number % 3 else 6 * number, 3]) + plan
        texts = [exchange(number), exchange(number + 40)[: 10 * number]]
        yield plan + END_OF_PLAN + bytes_of_documents(texts)


TARGET = Target(run, tuple(_seeds()))
