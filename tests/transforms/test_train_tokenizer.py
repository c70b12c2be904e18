import hashlib
import json
import os
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.transforms.documents import CORPUS, byte_level
from transforms.train_tokenizer import MIN_ENTRIES, train_bpe

_TRAIN_ELSEWHERE = """
import hashlib, sys
from tests.transforms.documents import CORPUS
from transforms.train_tokenizer import train_bpe
texts = [f"{text} {number} {number % 7}" for number in range(300) for text in CORPUS]
print(hashlib.sha256(train_bpe(texts, 900).encode()).hexdigest())
"""


def n_entries(tokenizer_json):
    return len(json.loads(tokenizer_json)["model"]["vocab"])


@pytest.mark.parametrize("wanted", [MIN_ENTRIES, 300])
def test_a_vocabulary_has_the_entries_asked_for(wanted):
    assert n_entries(train_bpe(CORPUS, wanted)) == wanted


def test_a_small_corpus_gives_fewer_entries():
    assert MIN_ENTRIES <= n_entries(train_bpe(["ab ab"], 5_000)) < 300
    assert n_entries(train_bpe([], 5_000)) == MIN_ENTRIES


def test_a_vocabulary_without_room_for_the_bytes_is_refused():
    with pytest.raises(ValueError, match="255 entries cannot hold the 256 bytes"):
        train_bpe(CORPUS, MIN_ENTRIES - 1)


def test_the_order_of_texts_does_not_matter():
    texts = [f"{text} {number}" for number in range(50) for text in CORPUS]
    assert train_bpe(texts, 600) == train_bpe(texts[::-1], 600)


def test_processes_seeds_and_threads_do_not_matter():
    digests = set()
    for seed, threads in ((0, 1), (1, 2), (2, 7)):
        environment = os.environ | {
            "PYTHONHASHSEED": str(seed),
            "RAYON_NUM_THREADS": str(threads),
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        command = [sys.executable, "-c", _TRAIN_ELSEWHERE]
        run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        digests.add(run.stdout.strip())
    texts = [f"{text} {number} {number % 7}" for number in range(300) for text in CORPUS]
    assert digests == {hashlib.sha256(train_bpe(texts, 900).encode()).hexdigest()}


@given(st.text())
@settings(deadline=None)
def test_any_text_comes_back(text):
    tokenizer = byte_level()
    assert tokenizer.decode(tokenizer.encode_text(text).tolist()) == text
