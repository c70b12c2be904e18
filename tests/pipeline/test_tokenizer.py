"""The tokenizer of an output: which token ends a turn, and the same one every time."""

import json

import pytest
from tokenizers import Tokenizer

from pipeline.inputs import list_inputs
from pipeline.tokenizer import given_tokenizer, load_output_tokenizer, trained_tokenizer
from schemas.delimiters import CONTROL_TOKENS
from schemas.errors import UserError
from tests.pipeline.making import CONFIG, put
from tests.running import exchange, tiny_tokenizer


@pytest.mark.parametrize(
    ("has", "config", "eos", "expected"),
    [
        # (token of the vocabulary, tokenizer_config.json, --eos, (eos, bos, pad))
        ("<eos>", None, None, ("<eos>", "<eos>", "<pad>")),
        ("</s>", None, None, ("</s>", "</s>", "<pad>")),
        ("<|im_end|>", None, None, ("<|im_end|>", "<|im_end|>", "<pad>")),
        # The config names a token of its own, as a string or as the library spells it.
        ("<eos>", {"eos_token": "<end>", "bos_token": "<s>"}, None, ("<end>", "<s>", "<pad>")),
        ("<eos>", {"eos_token": {"content": "<end>"}}, None, ("<end>", "<end>", "<pad>")),
        ("<eos>", {"eos_token": None, "pad_token": "<p>"}, None, ("<eos>", "<eos>", "<p>")),
        # The command line wins.
        ("<eos>", {"eos_token": "<end>"}, "<stop>", ("<stop>", "<stop>", "<pad>")),
        (None, None, "<stop>", ("<stop>", "<stop>", "<pad>")),
    ],
)
def test_the_end_of_turn_is_given_or_found(tmp_path, has, config, eos, expected):
    put(tmp_path, {"tokenizer.json": tiny_tokenizer(has)})
    if config is not None:
        put(tmp_path, {"tokenizer_config.json": json.dumps(config)})
    for path in (tmp_path, tmp_path / "tokenizer.json"):
        found = given_tokenizer(path, eos=eos)
        assert (found.eos, found.bos, found.pad) == expected
        vocabulary = Tokenizer.from_str(found.json).get_vocab()
        assert vocabulary.keys() >= {*CONTROL_TOKENS, *expected}


def test_without_an_end_of_turn_it_is_refused(tmp_path):
    put(tmp_path, {"tokenizer.json": tiny_tokenizer(None)})
    with pytest.raises(UserError, match=r"no end-of-turn token .*--eos TOKEN"):
        given_tokenizer(tmp_path, eos=None)


@pytest.mark.parametrize("text", ["", "{", "{}", "[]", "hello", b"\xff\xfe"])
def test_what_is_no_tokenizer_is_refused(tmp_path, text):
    put(tmp_path, {"tokenizer.json": text})
    with pytest.raises(UserError, match=r"is no tokenizer\.json"):
        given_tokenizer(tmp_path, eos=None)


@pytest.mark.parametrize("text", ["{", "[]", '{"eos_token": {"id": 3}}'])
def test_a_broken_config_is_refused(tmp_path, text):
    put(tmp_path, {"tokenizer.json": tiny_tokenizer(), "tokenizer_config.json": text})
    with pytest.raises(UserError, match=r"is no tokenizer_config\.json"):
        given_tokenizer(tmp_path, eos=None)


def test_what_is_saved_is_loaded_and_adding_again_adds_nothing(tmp_path):
    put(tmp_path / "in", {"tokenizer.json": tiny_tokenizer()})
    saved = given_tokenizer(tmp_path / "in", eos=None)
    saved.save(tmp_path)
    assert load_output_tokenizer(tmp_path) == saved
    assert given_tokenizer(tmp_path, eos=None) == saved


@pytest.mark.parametrize("lost", ["tokenizer.json", "tokenizer_config.json"])
def test_half_an_output_tokenizer_is_refused(tmp_path, lost):
    put(tmp_path / "in", {"tokenizer.json": tiny_tokenizer()})
    given_tokenizer(tmp_path / "in", eos=None).save(tmp_path)
    (tmp_path / lost).unlink()
    with pytest.raises(UserError, match="no whole tokenizer"):
        load_output_tokenizer(tmp_path)


@pytest.fixture
def folder(tmp_path):
    return put(tmp_path / "in", {f"{i}.txt": exchange(i) for i in range(20)} | {"z.txt": b"\xff"})


def test_training_does_not_depend_on_order_or_place(folder, tmp_path):
    files = list_inputs([str(folder)])
    one = trained_tokenizer(files, CONFIG, 300, eos=None)
    folder.rename(tmp_path / "moved")
    two = trained_tokenizer(
        reversed([*list_inputs([str(tmp_path / "moved")])]), CONFIG, 300, eos=None
    )
    assert one == two
    assert one.sha256 == two.sha256
    assert len(Tokenizer.from_str(one.json).get_vocab(with_added_tokens=False)) == 300


def test_another_end_of_turn_is_another_tokenizer(folder):
    files = list_inputs([str(folder)])
    one, two = (trained_tokenizer(files, CONFIG, 300, eos=eos) for eos in (None, "<stop>"))
    assert (one.eos, two.eos) == ("<eos>", "<stop>")
    assert one.sha256 != two.sha256


def test_too_few_entries_are_refused(folder):
    with pytest.raises(UserError, match=r"train:255: .*at least 256"):
        trained_tokenizer(list_inputs([str(folder)]), CONFIG, 255, eos=None)
