"""Trains the byte-level BPE of `--tokenizer train:N`."""

from collections.abc import Iterable

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

MIN_ENTRIES = 256
"""The bytes themselves: with each of them in the vocabulary, any text has ids."""

TRAINED_EOS = "<eos>"
"""What ends a turn in a tokenizer that brings no token for it; the paper's name (Figure 5)."""


def train_bpe(texts: Iterable[str], n_entries: int) -> str:
    r"""Trains a byte-level BPE that gives every text back byte for byte.

    No space is put before a text, so that a segment tokenised on its own gets the same bytes back
    as in its document. The result depends on the texts, not on their order, the hash seed or the
    number of threads.

    Args:
      texts: documents, or any parts of them; order does not matter.
      n_entries: the most vocabulary entries, control tokens not counted; a small corpus, which
        has fewer pairs to merge, gives fewer.

    Returns:
      The text of a tokenizer.json without any added token.

    Raises:
      ValueError: if n_entries leaves no room for the 256 bytes.

    Example:
      >>> vocabulary = Tokenizer.from_str(train_bpe(["so it goes"], 300))
      >>> vocabulary.decode(vocabulary.encode("  goes\n").ids)
      '  goes\n'
    """
    if n_entries < MIN_ENTRIES:
        msg = (
            f"a vocabulary of {n_entries} entries cannot hold the {MIN_ENTRIES} bytes; "
            f"ask for at least {MIN_ENTRIES}"
        )
        raise ValueError(msg)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=n_entries,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer.to_str()
