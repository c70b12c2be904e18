from hypothesis import given
from hypothesis import strategies as st

from pipeline.driver import dealt
from pipeline.plan import PlannedChunk

COSTS = st.lists(st.integers(1, 1000), max_size=40)


def chunks_of(costs):
    return [PlannedChunk(f"{i:032x}", cost, 100 * i) for i, cost in enumerate(costs)]


def loads(costs, workers):
    """What each worker gets of the chunks, when every Nth is its own."""
    order = [chunk.cost for chunk in dealt(chunks_of(costs), workers)]
    return [sum(order[worker::workers]) for worker in range(workers)]


@given(COSTS, st.integers(0, 9))
def test_every_chunk_is_dealt_once(costs, workers):
    chunks = chunks_of(costs)
    order = dealt(chunks, workers)
    assert sorted(order) == chunks
    assert order == dealt(reversed(chunks), workers)


@given(COSTS, st.integers(1, 9))
def test_no_worker_has_more_than_the_largest_chunk_above_another(costs, workers):
    shares = loads(costs, workers)
    assert max(shares) - min(shares) <= max(costs, default=0)


def test_the_largest_chunk_is_paired_with_the_smallest():
    assert loads([30, 15, 12, 4], workers=2) == [34, 27]
    assert loads([4, 12, 15, 30, 3], workers=2) == [37, 27]
