from itertools import chain

from hypothesis import given
from hypothesis import strategies as st

from pipeline.driver import shares
from pipeline.plan import PlannedChunk

COSTS = st.lists(st.integers(1, 1000), max_size=40)


def chunks_of(costs):
    return [PlannedChunk(f"{i:032x}", cost, 100 * i) for i, cost in enumerate(costs)]


def costs_of(given):
    return [sum(chunk.cost for chunk in share) for share in given]


@given(COSTS, st.integers(1, 9))
def test_every_chunk_is_in_one_share(costs, workers):
    chunks = chunks_of(costs)
    given = shares(chunks, workers)
    assert sorted(chain.from_iterable(given)) == chunks
    assert len(given) == min(workers, len(chunks))
    assert given == shares(reversed(chunks), workers)


@given(COSTS, st.integers(1, 9))
def test_no_share_is_more_than_the_largest_chunk_above_another(costs, workers):
    found = costs_of(shares(chunks_of(costs), workers))
    assert max(found, default=0) - min(found, default=0) <= max(costs, default=0)


def test_the_largest_chunk_stands_against_several_small_ones():
    assert costs_of(shares(chunks_of([4, 12, 15, 30, 3]), 2)) == [33, 31]
