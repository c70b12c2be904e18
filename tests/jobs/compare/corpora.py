"""Made-up corpora whose answers are known to gain from structure, or known not to.

A token is a word, and white space is none, so that with its labels stripped nothing in a text says
where a question ends: `q`-words and answers are of the same sixteen words.
"""

import json
import random
from pathlib import Path

from tokenizers import Tokenizer, models, pre_tokenizers

WORDS = [f"w{i:x}" for i in range(16)]
"""Two bytes each."""

ANSWERS = WORDS[:4]
"""Words of the answers that structure tells of: with it 2 bits a word, without it more."""

TINY = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "max_position_embeddings": 64,
    "tie_word_embeddings": True,
}


def write_texts(folder: Path, answers: list[str], n_files: int = 600) -> None:
    """Files of labelled pairs; questions are of all words, answers of the given ones."""
    folder.mkdir()
    draw = random.Random(7)
    for number in range(n_files):
        pairs = [
            f"Q: {' '.join(draw.choices(WORDS, k=draw.randint(2, 6)))}\n"
            f"A: {' '.join(draw.choices(answers, k=draw.randint(2, 6)))}\n"
            for _ in range(4)
        ]
        (folder / f"{number:03d}.txt").write_text("\n".join(pairs))


def write_tokenizer(path: Path) -> None:
    """A word a token; labels are words too."""
    known = ["<unk>", "<eos>", "Q:", "A:", "Question:", "Reasoning:", "Answer:", *WORDS]
    vocabulary = {word: i for i, word in enumerate(known)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(path))


def write_model(path: Path) -> None:
    """A LlamaConfig of one layer."""
    path.write_text(json.dumps(TINY))
