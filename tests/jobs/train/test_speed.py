"""FLOPs of a token, counted by hand."""

import pytest

from jobs.train.speed import flops_per_token
from tests.jobs.train.making import packed, rows, tiny_policy

# Of 2 layers of width 16: query, key, value and output; gate, up and down; then the head.
N_MATMUL = 2 * (4 * 16 * 16 + 3 * 16 * 32) + 16 * 50


@pytest.mark.parametrize("tied", [True, False])
def test_looking_up_embeddings_is_no_matrix_product(tied):
    policy = tiny_policy(tie_word_embeddings=tied)
    # With their BOS, documents of 4 and 2 tokens.
    effective = (4**2 + 2**2) / (4 + 2)
    expected = 6 * N_MATMUL + 12 * 2 * 16 * effective
    assert flops_per_token(policy, packed(rows([3, 1]))) == pytest.approx(expected)
