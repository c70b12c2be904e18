import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from schemas.delimiters import CONTROL_TOKENS, END_OF_TURN, Control
from schemas.episode import REJECTED_BYTES
from tests.transforms.documents import (
    CORPUS,
    EOS,
    byte_level,
    document,
    load,
    metaspace,
    metaspace_json,
    qa,
    table,
    tables,
    whole_words_json,
    words,
    words_json,
)
from transforms import text_blocks
from transforms.segment_tokenizer import SegmentTokenizer
from transforms.tokenize import tokenize_documents, with_control_tokens
from transforms.train_tokenizer import train_bpe

FORGED = (EOS, "<|endoftext|>", "</answer>", "<|im_start|>", "<pad>", "<question>")


def merged_json(word):
    """Byte-level BPE whose merges build a word from the left."""
    config = json.loads(train_bpe(["nothing"], 256))
    model = config["model"]
    for end in range(2, len(word) + 1):
        model["vocab"][word[:end]] = len(model["vocab"])
        model["merges"].append([word[: end - 1], word[end - 1]])
    # Without the regex, the word is not broken at its punctuation.
    config["pre_tokenizer"]["use_regex"] = False
    return json.dumps(config)


def unflagged_json(token):
    """A vocabulary with an added token that is not flagged special."""
    tokenizer = Tokenizer.from_str(train_bpe(CORPUS, 300))
    tokenizer.add_tokens([token])
    return tokenizer.to_str()


VOCABULARIES = {
    "bytes": load(train_bpe(CORPUS, 400)),
    "words": load(words_json("</answer>", EOS, "<|endoftext|>", "text")),
    "merges": load(merged_json("<|endoftext|>"), eos="<|endoftext|>"),
    "whole words": load(whole_words_json("</answer>", EOS)),
    "unflagged": load(unflagged_json("<|endoftext|>"), eos="<|endoftext|>"),
    "metaspace": load(metaspace_json()),
}
EVERY = pytest.mark.parametrize("tokenizer", VOCABULARIES.values(), ids=VOCABULARIES)
LOSSLESS = {name: each for name, each in VOCABULARIES.items() if each.is_lossless}


def encoded(tokenizer, *texts):
    return tokenizer.encode(pa.array(texts, pa.large_string())).to_pylist()


# --- Text is text. --------------------------------------------------------------------------------


@EVERY
@given(
    parts=st.lists(st.sampled_from([*FORGED, "text", " ", "\n", "é", "<", "|>"]), max_size=12),
)
@settings(max_examples=60, deadline=None)
def test_text_never_becomes_a_control_id(tokenizer, parts):
    ids = encoded(tokenizer, "".join(parts), *parts)
    assert not tokenizer.control_ids.intersection(token for each in ids for token in each)


@pytest.mark.parametrize("name", LOSSLESS)
@given(parts=st.lists(st.sampled_from([*FORGED, "text", " ", "\n", "é"]), max_size=12))
@settings(max_examples=40, deadline=None)
def test_forged_tokens_come_back_as_text(name, parts):
    tokenizer = LOSSLESS[name]
    text = "".join(parts)
    assert tokenizer.decode(encoded(tokenizer, text)[0]) == text


def test_vocabularies_would_forge_control_tokens_if_let():
    """Guards the tests above: these vocabularies do hold control tokens as ordinary words."""
    for name, text in (("words", EOS), ("merges", "<|endoftext|>"), ("whole words", EOS)):
        tokenizer = VOCABULARIES[name]
        bare = tokenizer._reference(pa.array([text]))[0]
        assert tokenizer.is_control(bare).any(), name


def test_texts_around_forged_ones_are_tokenised_as_if_alone():
    tokenizer = VOCABULARIES["merges"]
    together = encoded(tokenizer, "before", "a<|endoftext|>b", "after")
    assert [together[0], together[2]] == encoded(tokenizer, "before", "after")
    assert together[1] == encoded(tokenizer, "a<|endoftext|>b")[0]


def test_a_control_token_of_one_character_cannot_be_kept_off():
    assert load(train_bpe(CORPUS, 300), eos="→").encode_text("a → b") is not None
    # As an entry of a byte-level vocabulary, § is the byte 0xA7.
    assert load(train_bpe(CORPUS, 300), eos="§").encode_text("a § b") is None
    letters = Tokenizer(models.WordLevel({"<unk>": 0, "§": 1, "a": 2}, unk_token="<unk>"))
    letters.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = load(letters.to_str(), eos="§")
    assert encoded(tokenizer, "a", "a § a", "§a") == [[2], None, [0]]


def test_added_tokens_that_are_not_special_and_unknown_words_are_text():
    tokenizer = Tokenizer.from_str(train_bpe(CORPUS, 300))
    tokenizer.add_tokens(["    "])
    spaces = load(tokenizer.to_str())
    assert len(encoded(spaces, "    ")[0]) == 1
    assert spaces.is_lossless
    unknown = words("a")
    assert encoded(unknown, "b") == [[0]]
    assert 0 not in unknown.control_ids


# --- Ids. -----------------------------------------------------------------------------------------


@given(st.lists(st.text(), max_size=8))
@example(["", "", "a"])
@settings(deadline=None)
def test_ids_are_those_of_tokenizers_for_plain_text(texts):
    tokenizer = byte_level()
    reference = Tokenizer.from_str(train_bpe(CORPUS, 400))
    assert encoded(tokenizer, *texts) == [reference.encode(text).ids for text in texts]


def test_batches_and_slices_change_nothing(monkeypatch):
    tokenizer = byte_level()
    texts = pa.array([text * n for n, text in enumerate(CORPUS)], pa.large_string())
    whole = tokenizer.encode(texts)
    assert tokenizer.encode(texts.slice(3, 4)).equals(whole.slice(3, 4))
    longest = max(len(text.encode()) for text in texts.to_pylist())
    monkeypatch.setattr(text_blocks, "BLOCK_BYTES", longest)
    assert tokenizer.encode(texts).equals(whole)


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("ab\ncd ef\nghi", ["ab\n", "cd ef\n", "ghi"]),  # after the last line end
        ("abc defghijk", ["abc ", "defghijk"]),  # else after the last white space
        ("世世世世", ["世世", "世世"]),  # else before a character
        ("abcdefgh", ["abcdefgh"]),
        ("", [""]),
    ],
)
def test_long_texts_are_cut_into_blocks(monkeypatch, text, blocks):
    monkeypatch.setattr(text_blocks, "BLOCK_BYTES", 8)
    assert list(text_blocks.blocks(text)) == blocks
    tokenizer = byte_level()
    separate = [token for ids in encoded(tokenizer, *blocks) for token in ids]
    assert encoded(tokenizer, text)[0] == separate
    assert len(tokenizer.token_starts(text, np.array(separate, np.uint16))) == len(separate)


def test_one_dtype_holds_all_ids():
    small = load(words_json("a"))
    large = load(words_json(*map(str, range(2**16))))
    assert (small.token_type, large.token_type) == (pa.uint16(), pa.uint32())
    assert encoded(large, "65535")[0] == [2**16]
    assert large.encode(pa.array(["1"])).type == pa.list_(pa.uint32())


def test_delimiters_are_control_tokens_and_text():
    tokenizer = byte_level()
    ids = tokenizer.delimiter_ids((Control("<|im_start|>"), "user\n", END_OF_TURN)).tolist()
    assert tokenizer.decode(ids) == f"<|im_start|>user\n{EOS}"
    assert ids[0] in tokenizer.control_ids
    assert ids[-1] == tokenizer.eos_id
    assert not tokenizer.control_ids.intersection(ids[1:-1])
    assert tokenizer.delimiter_ids(()).tolist() == []


# --- What a tokenizer is. -------------------------------------------------------------------------


def test_losslessness():
    lossless = {name for name, each in VOCABULARIES.items() if each.is_lossless}
    assert lossless == {"bytes", "merges", "whole words", "unflagged"}
    assert not words("a").is_lossless
    prefixed = json.loads(train_bpe(CORPUS, 300))
    prefixed["pre_tokenizer"]["add_prefix_space"] = True
    assert not load(json.dumps(prefixed)).is_lossless


def test_vocabularies_that_lack_a_byte_lose_text():
    tokenizer = Tokenizer(models.BPE({"a": 0, "b": 1}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    assert not load(tokenizer.to_str()).is_lossless


def test_a_tokenizer_may_say_nothing_of_added_tokens():
    config = json.loads(train_bpe(CORPUS, 300))
    del config["added_tokens"]
    completed = json.loads(with_control_tokens(json.dumps(config), eos=EOS, bos=EOS, pad=EOS))
    assert EOS in {token["content"] for token in completed["added_tokens"]}


def test_control_tokens_are_added_once_and_in_order():
    text = with_control_tokens(train_bpe(CORPUS, 300), eos=EOS, bos="<s>", pad="<pad>")
    added = json.loads(text)["added_tokens"]
    assert [each["content"] for each in added] == [*CONTROL_TOKENS, EOS, "<s>", "<pad>"]
    assert [each["id"] for each in added] == list(range(300, 300 + len(added)))
    assert all(each["special"] for each in added)
    assert with_control_tokens(text, eos=EOS, bos="<s>", pad="<pad>") == text


def test_tokens_that_a_vocabulary_has_keep_their_ids():
    config = json.loads(with_control_tokens(words_json("a", EOS), eos=EOS, bos=EOS, pad=EOS))
    assert {each["content"]: each["id"] for each in config["added_tokens"]}[EOS] == 2
    unflagged = unflagged_json("<|endoftext|>")
    config = json.loads(with_control_tokens(unflagged, eos="<|endoftext|>", bos="a", pad="b"))
    flags = {each["content"]: each["special"] for each in config["added_tokens"]}
    assert flags["<|endoftext|>"]


def test_truncation_and_padding_are_taken_out():
    tokenizer = Tokenizer.from_str(train_bpe(CORPUS, 300))
    tokenizer.enable_truncation(2)
    tokenizer.enable_padding(length=9)
    config = json.loads(with_control_tokens(tokenizer.to_str(), eos=EOS, bos=EOS, pad="<pad>"))
    assert (config["truncation"], config["padding"]) == (None, None)
    assert len(encoded(load(tokenizer.to_str()), "abcdef")[0]) > 2


def test_empty_control_tokens_are_refused():
    with pytest.raises(ValueError, match="cannot be empty"):
        with_control_tokens(train_bpe(CORPUS, 300), eos="", bos=EOS, pad=EOS)


def test_control_ids_are_found_by_name():
    tokenizer = SegmentTokenizer(train_bpe(CORPUS, 300), eos=EOS, bos="<s>", pad="<pad>")
    ids = [tokenizer.eos_id, tokenizer.bos_id, tokenizer.pad_id]
    assert tokenizer.decode(ids) == "<eos><s><pad>"
    assert tokenizer.control_ids.issuperset(ids)


# --- Documents. -----------------------------------------------------------------------------------


@given(tables)
@settings(max_examples=40, deadline=None)
def test_each_span_is_tokenised_on_its_own(documents):
    for tokenizer in (byte_level(), metaspace()):
        tokenized = tokenize_documents(documents, tokenizer)
        assert tokenized.select(documents.column_names).equals(documents)
        for row in tokenized.to_pylist():
            raw = row["text"].encode()
            spans = [raw[each["byte_start"] : each["byte_end"]].decode() for each in row["spans"]]
            assert row["tokens"] == encoded(tokenizer, *spans)


def test_rejected_documents_stay_as_they_are():
    rejected = {"source": "x", "text": None, "reason": "damaged", "raw": b"\xff", "spans": None}
    documents = table(rejected, document("a", source="y"), rejected, document(source="z"))
    tokenized = tokenize_documents(documents, byte_level())
    assert tokenized["tokens"].is_valid().to_pylist() == [False, True, False, True]
    assert tokenized["key"].is_valid().to_pylist() == [False, True, False, True]
    assert tokenized["reason"].to_pylist() == ["damaged", None, "damaged", None]


def test_documents_that_cannot_be_tokenised_are_rejected():
    letters = Tokenizer(models.WordLevel({"<unk>": 0, "é": 1, "a": 2}, unk_token="<unk>"))
    letters.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = load(letters.to_str(), eos="é")
    bad = document(qa("a", "é"), "a" * REJECTED_BYTES, source="bad")
    tokenized = tokenize_documents(table(document("a"), bad, document("a a")), tokenizer)
    rows = tokenized.to_pylist()
    assert [row["tokens"] for row in rows] == [[[2]], None, [[2, 2]]]
    assert rows[1]["raw"] == bad["text"].encode()[:REJECTED_BYTES]
    assert "control token of a single character" in rows[1]["reason"]
    assert (rows[1]["text"], rows[1]["spans"], rows[1]["key"]) == (None, None, None)
    assert rows[0]["reason"] is rows[2]["reason"] is None


@pytest.mark.parametrize(
    "edges",
    [
        [(0, 2), (3, 5)],  # a gap
        [(0, 3), (2, 5)],  # an overlap
        [(1, 5)],  # the first bytes are missing
        [(0, 4)],  # the last ones are
        [(0, 1), (1, 5)],  # a cut inside é
        [],
    ],
)
def test_spans_that_do_not_tile_their_document_are_refused(edges):
    bad = document("éabc")
    span = bad["spans"][0]
    bad["spans"] = [span | {"byte_start": start, "byte_end": end} for start, end in edges]
    with pytest.raises(ValueError, match=r"spans of 'a\.txt' do not tile its 5 bytes"):
        tokenize_documents(table(document("fine", source="b"), bad), byte_level())
