"""Which engine a run's workers use: the fast one where it is shown to be right."""

import json
import os

import pytest

from pipeline.engine import (
    NOTE,
    WORTH_BYTES,
    begin_choosing,
    engine_words,
    forget_engine,
    segment_tokenizer,
    wait_for_engine,
)
from pipeline.plan import WHOLE
from tests.pipeline.making import make_output, put
from tests.running import exchange
from transforms.engines import FAST

pytest.importorskip(FAST)

SHA256 = "0" * 64


@pytest.fixture
def out(tmp_path):
    put(tmp_path / "in", {"a.txt": exchange(1)})
    make_output(tmp_path / "out", tmp_path / "in")
    return tmp_path / "out"


def engine(out):
    return json.loads((out / NOTE).read_bytes())["engine"]


def test_a_big_run_takes_the_fast_engine(out):
    looked_at = begin_choosing(out, WHOLE, WORTH_BYTES, [])
    assert not (out / NOTE).exists()
    assert segment_tokenizer(out, SHA256, looked_at).is_fast
    assert engine(out) == FAST
    assert segment_tokenizer(out, SHA256).is_fast
    (out / NOTE).write_text((out / NOTE).read_text().replace('"version": "', '"version": "9'))
    assert not segment_tokenizer(out, SHA256).is_fast, "proven for another version"
    assert engine_words(out) == ""


def test_a_small_run_forgets_what_a_big_one_found(out):
    (out / NOTE).write_text(json.dumps({"engine": FAST}))
    forget_engine(out)
    assert begin_choosing(out, WHOLE, WORTH_BYTES - 1, []) is None
    assert not segment_tokenizer(out, SHA256).is_fast
    assert engine_words(out) is None


def changed(pre_tokenizer, normalizer):
    def change(config):
        config["pre_tokenizer"], config["normalizer"] = pre_tokenizer, normalizer

    return change


WORDS = {"type": "Split", "pattern": {"Regex": r"[a-z]+(?=ing)|\s"}, "behavior": "Isolated"}
STRIP = {"type": "Strip", "strip_left": True, "strip_right": False}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (changed({"type": "ByteLevel", "add_prefix_space": True}, STRIP), FAST),
        (changed({**WORDS, "invert": False}, None), FAST),
        (lambda config: config.clear(), f"{FAST} cannot be looked at"),
    ],
    ids=["strips white space", "odd words", "no tokenizer"],
)
def test_what_the_fast_engine_does_not_do_right_is_left_to_the_reference(out, change, why):
    path = out / "tokenizer.json"
    config = json.loads(path.read_bytes())
    change(config)
    path.write_text(json.dumps(config))
    wait_for_engine(out, begin_choosing(out, WHOLE, WORTH_BYTES, []))
    assert engine(out) == "tokenizers"
    assert why in engine_words(out)
    assert engine_words(out).endswith("tokenizers does it, which is slower")


def test_a_verdict_that_never_comes_is_noted(out):
    ended, end = os.pipe()
    os.close(end)
    assert not segment_tokenizer(out, SHA256, ended).is_fast
    assert "cannot be looked at" in engine_words(out)
