"""Segmented documents written by hand, and the tokenizers that the tests read them with."""

import functools
import itertools
import json

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

from schemas.episode import DOCUMENTS, PLAYER_OF_KIND, SPAN, SegmentKind
from transforms.tokenize import SegmentTokenizer
from transforms.train_tokenizer import train_bpe

EOS = "<eos>"
CORPUS = (
    "What is it? It is what it is.\n\nQ: Who wrote the novel?\nA: Nobody knows who wrote it.\n",
    "So it goes; 1 + 1 = 2, and 2 + 2 = 4.\r\n\tindent   spaces\n\n\n</answer> <|endoftext|>",
    "Der Fuß, naïve café; 世界 👩‍💻 end.",
) * 3


def load(tokenizer_json: str, eos: str = EOS) -> SegmentTokenizer:
    return SegmentTokenizer(tokenizer_json, eos=eos, bos=eos, pad="<pad>")


@functools.cache
def byte_level() -> SegmentTokenizer:
    return load(train_bpe(CORPUS, 400))


def words_json(*words: str) -> str:
    """One word a token; what is no known word is <unk>."""
    vocabulary = {word: index for index, word in enumerate(["<unk>", *dict.fromkeys(words)])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return tokenizer.to_str()


def words(*known: str) -> SegmentTokenizer:
    return load(words_json(*known))


def metaspace_json() -> str:
    """Byte fallback and a space before each text, as in Llama 2; white space is lost."""
    entries = [f"<0x{byte:02X}>" for byte in range(256)]
    letters = ["\u2581", *map(chr, range(33, 127))]
    merges = [("\u2581", "i"), ("\u2581i", "t"), ("i", "s"), ("\u2581", "w"), ("\u2581w", "h")]
    names = ["<unk>", *entries, *letters, *("".join(merge) for merge in merges)]
    model = models.BPE(
        vocab={name: index for index, name in enumerate(dict.fromkeys(names))},
        merges=merges,
        unk_token="<unk>",
        byte_fallback=True,
        fuse_unk=True,
    )
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Strip()])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    return tokenizer.to_str()


@functools.cache
def metaspace() -> SegmentTokenizer:
    return load(metaspace_json())


def whole_words_json(*entries: str) -> str:
    """Byte-level with ignore_merges, as in Llama 3: a word that is an entry is never split."""
    config = json.loads(train_bpe(CORPUS, 300))
    vocabulary = config["model"]["vocab"]
    for entry in entries:
        vocabulary[entry] = len(vocabulary)
    config["model"]["ignore_merges"] = True
    config["pre_tokenizer"]["use_regex"] = False
    config["pre_tokenizer"] = {
        "type": "Sequence",
        "pretokenizers": [
            {
                "type": "Split",
                "pattern": {"Regex": r"\s?\S+|\s"},
                "behavior": "Isolated",
                "invert": False,
            },
            config["pre_tokenizer"],
        ],
    }
    return json.dumps(config)


Part = tuple[str, str] | tuple[str, str, int] | tuple[str, str, int, int]
"""(kind, text), in an episode (kind, text, turn) or (kind, text, turn, player)."""

TEXT, MARKER = SegmentKind.TEXT.value, SegmentKind.MARKER.value
Q, C, A = (kind.value for kind in (SegmentKind.QUESTION, SegmentKind.REASONING, SegmentKind.ANSWER))


def document(*blocks: str | list[Part], source: str = "a.txt", game: str = "label") -> dict:
    """A document of nature's texts (strings) and of episodes (lists of parts)."""
    spans, text, episodes = [], "", itertools.count()
    for block in blocks:
        parts = [(TEXT, block)] if isinstance(block, str) else block
        episode = None if isinstance(block, str) else next(episodes)
        for kind, part, *rest in parts:
            turn = rest[0] if rest else None
            player = rest[1] if len(rest) > 1 else int(PLAYER_OF_KIND.get(SegmentKind(kind), 0))
            spans.append(
                {
                    "kind": kind,
                    "player": player,
                    "game": "text" if episode is None else game,
                    "episode": episode,
                    "turn": turn,
                    "byte_start": len(text.encode()),
                    "byte_end": len((text + part).encode()),
                    "cue": None,
                }
            )
            text += part
    return {"source": source, "text": text, "spans": spans}


def table(*documents: dict) -> pa.Table:
    """DOCUMENTS with `spans`."""
    schema = DOCUMENTS.append(pa.field("spans", pa.list_(SPAN)))
    return pa.Table.from_pylist(list(documents), schema=schema)


def qa(question: str, answer: str, *, turn: int = 0) -> list[Part]:
    """One exchange of an episode with its labels, as in "Q: ...\\nA: ...\\n"."""
    return [
        (MARKER, "Q: ", turn, 1 if turn else 0),
        (Q, question, turn),
        (MARKER, "\nA: ", turn + 1, 2),
        (A, answer, turn + 1),
    ]


# Few draws of nasty texts: hypothesis takes its time over lists of characters.
_texts = st.sampled_from(
    [
        "a",
        "it is",
        " é\n",
        "世 界\n\n  a\n",
        "👩‍💻\r\nit",
        "<eos> is <|im_end|>\n",
        "  ",
        "\n",
        "is? " * 20,
    ]
)
_lines = st.integers(1, 12).flatmap(lambda n: _texts.map(lambda text: (text + "\n") * n))
_contents = _texts.map(lambda text: f"x{text}y")


@st.composite
def _episodes(draw: st.DrawFn) -> list[Part]:
    parts: list[Part] = []
    for turn in range(0, 2 * draw(st.integers(1, 3)), 2):
        parts.append((MARKER, draw(st.sampled_from(["Q: ", "\n\n"])), turn, 1 if turn else 0))
        parts.append((Q, draw(_contents), turn))
        parts.append((MARKER, "\n", turn + 1, 2))
        if draw(st.booleans()):
            parts += [(C, draw(_contents), turn + 1), (MARKER, " So: ", turn + 1, 2)]
        parts.append((A, draw(_contents), turn + 1))
        if draw(st.booleans()):
            parts += [(MARKER, "\n> \n", turn + 1, 2), (A, draw(_contents), turn + 1)]
    if draw(st.booleans()):
        parts.append((MARKER, "\n", turn + 2, 1))
        parts.append((Q, draw(_contents), turn + 2))
    return parts


@st.composite
def documents(draw: st.DrawFn) -> dict:
    """Documents of texts and episodes of several turns, some of them empty."""
    blocks = draw(st.lists(_lines | _episodes(), max_size=4))
    source = draw(st.sampled_from(["a.txt", "b/c.txt"]))
    return document(*blocks, source=source, game=draw(st.sampled_from(["label", "doctest"])))


tables = st.lists(documents(), max_size=3).map(lambda each: table(*each))


def ids_of_content(rows: pa.Table) -> list[list[int]]:
    """The ids of each row without its delimiters."""
    return [
        [
            token
            for segment in row["segments"]
            if segment["kind"] != "delimiter"
            for token in row["input_ids"][segment["start"] : segment["end"]]
        ]
        for row in rows.to_pylist()
    ]


def players(rows: pa.Table, row: int = 0) -> np.ndarray:
    return np.array(rows["player"][row].as_py(), np.uint8)
