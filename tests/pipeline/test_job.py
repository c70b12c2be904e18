"""The Beam job in this process: offsets in, committed chunks out, no table ever encoded."""

import apache_beam as beam
import pytest

from pipeline.changes import take_back
from pipeline.coder import PieceCoder
from pipeline.commit import record_path
from pipeline.job import FindChunks, ReadChunks, run_job
from pipeline.output import begin
from pipeline.piece import Piece
from pipeline.plan import planned_chunks, write_plan
from pipeline.supervise import LOCAL_RUNNER
from tests.pipeline.making import CONFIG, TOKENIZER, make_output, plan_of, put
from tests.running import exchange, jsonl, tree


class RefusingCoder(PieceCoder):
    """Sizes are asked for; bytes never."""

    def encode(self, value):
        msg = f"a piece of {value.table.nbytes} bytes was encoded"
        raise AssertionError(msg)


@pytest.fixture
def refusing():
    """No piece may be encoded while this holds."""
    beam.coders.registry.register_coder(Piece, RefusingCoder)
    yield
    beam.coders.registry.register_coder(Piece, PieceCoder)


@pytest.fixture
def folder(tmp_path):
    files = {f"{i}.txt": exchange(i) for i in range(9)}
    return put(tmp_path / "in", files | {"a.jsonl": jsonl([exchange(i) for i in range(150)])})


@pytest.mark.usefixtures("refusing")
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("which", [(0, 1), (1, 3)])
def test_workers_pass_over_what_is_committed(folder, tmp_path, which):
    """A job on a cluster begins with the plan's name, not with its chunks."""
    out = tmp_path / "out"
    chunks = [*make_output(out, folder).chunks]
    whole = tree(out)
    mine = chunks[which[0] :: which[1]]
    take_back(out, [chunk.digest for chunk in mine[1:]])
    write_plan(plan_of(folder), out / "_run", which)
    kept = record_path(out, mine[0].digest).stat().st_mtime_ns
    run_job(out, which, None, [LOCAL_RUNNER])
    assert len(mine) > 3
    assert record_path(out, mine[0].digest).stat().st_mtime_ns == kept
    assert {name: each for name, each in tree(out).items() if name != "README.md"} == {
        name: each for name, each in whole.items() if name != "README.md"
    }


def test_a_committed_chunk_has_no_pieces(folder, tmp_path):
    out, plan = tmp_path / "out", plan_of(folder)
    begin(out, CONFIG)
    TOKENIZER.save(out)
    write_plan(plan, out / "_run")
    reader = ReadChunks(out, out / "_run/plan.jsonl", CONFIG)
    chunks = list(planned_chunks(out / "_run/plan.jsonl"))
    assert all(any(reader.process(chunk.offset)) for chunk in chunks)
    make_output(out, folder)
    assert not any(list(reader.process(chunk.offset)) for chunk in chunks)


def test_what_is_dealt_out_is_the_same_whatever_is_committed(folder, tmp_path):
    """Spark deals anew when an executor dies: else a chunk may go to nobody."""
    out, plan = tmp_path / "out", plan_of(folder)
    make_output(out, folder)
    find = FindChunks(out / "_run/plan.jsonl", (), seed=7)
    dealt = [*find.process((0, 1))]
    take_back(out, [chunk.digest for chunk in plan.chunks][::2])
    assert [*find.process((0, 1))] == dealt
    offsets = [chunk.offset for chunk in planned_chunks(out / "_run/plan.jsonl")]
    assert sorted(dealt) == offsets != dealt
    assert sorted(find.process((1, 3))) == offsets[1::3]
