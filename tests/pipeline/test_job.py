"""The Beam job in this process: offsets in, committed chunks out, no table ever encoded."""

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from pipeline.coder import PieceCoder
from pipeline.commit import committed
from pipeline.job import PrepareChunks, ReadChunks
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
def test_no_table_is_pickled_between_the_steps(folder, tmp_path):
    out = tmp_path / "out"
    plan = plan_of(folder)
    begin(out, CONFIG)
    TOKENIZER.save(out)
    write_plan(plan, out / "_run")
    offsets = [chunk.offset for chunk in planned_chunks(out / "_run/plan.jsonl")]
    with beam.Pipeline(options=PipelineOptions([LOCAL_RUNNER])) as pipeline:
        _ = (
            pipeline
            | beam.Create(offsets, reshuffle=False).with_output_types(int)
            | PrepareChunks(out, out / "_run/plan.jsonl", CONFIG)
        )
    assert len(offsets) == len(plan.chunks) > 4
    assert committed(out) == {chunk.digest for chunk in plan.chunks}
    make_output(tmp_path / "plain", folder)
    assert tree(out) == tree(tmp_path / "plain")


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
