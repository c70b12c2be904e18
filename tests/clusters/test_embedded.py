"""Embedded Flink: the cheapest run of a real engine, so part of all tests wherever Java is."""

import copyreg
import pickle
import shutil

import apache_beam as beam
import pyarrow as pa
import pytest

from pipeline.coder import PieceCoder
from pipeline.commit import is_committed
from pipeline.job import ReadChunks, run_job
from pipeline.output import begin
from pipeline.piece import Piece
from pipeline.plan import WHOLE, write_plan
from pipeline.supervise import LOCAL_RUNNER
from tests.clusters import install
from tests.pipeline.making import CONFIG, TOKENIZER, plan_of
from tests.running import COMMON, duologue, tree

ENCODED: list[str] = []
"""What was encoded or pickled while `counted` held; workers are threads of this process."""


class CountingCoder(PieceCoder):
    """Notes every piece that is encoded."""

    def encode(self, value):
        ENCODED.append("piece")
        return super().encode(value)


def _reduced(table):
    ENCODED.append("table")
    return pa.Table.from_batches, (table.to_batches(), table.schema)


@pytest.fixture
def counted():
    """Pickles of tables and pieces are counted while this holds."""
    ENCODED.clear()
    beam.coders.registry.register_coder(Piece, CountingCoder)
    copyreg.pickle(pa.Table, _reduced)
    pickle.dumps(pa.table({"x": [1]}))
    assert ENCODED == ["table"]  # It does count.
    ENCODED.clear()
    yield ENCODED
    del copyreg.dispatch_table[pa.Table]
    beam.coders.registry.register_coder(Piece, PieceCoder)


@pytest.fixture(scope="module")
def flink():
    """Beam's options of embedded Flink."""
    if not (shutil.which("java") and shutil.which("mvn")):
        pytest.skip(f"no java and mvn: apt-get install {' '.join(install.JAVA_PACKAGES)}")
    try:
        jar = install.flink_jar()
    except install.CannotInstallError as error:
        pytest.skip(f"no job server of Flink: {error}")
    return [
        "--runner=FlinkRunner",
        "--flink_master=[local]",
        f"--flink_job_server_jar={jar}",
        "--environment_type=LOOPBACK",
        "--parallelism=1",
    ]


@pytest.fixture(params=["local", "flink"])
def options(request):
    """Beam's options of each runner."""
    return [LOCAL_RUNNER] if request.param == "local" else request.getfixturevalue("flink")


@pytest.fixture
def plan(corpus, tmp_path):
    """Of an output that is begun."""
    made = plan_of(corpus)
    begin(tmp_path, CONFIG)
    TOKENIZER.save(tmp_path)
    write_plan(made, tmp_path / "_run")
    return made


@pytest.mark.cluster
def test_embedded_flink_gives_the_bytes_of_a_local_run(
    flink, corpus, tokenizer_file, prepared, tmp_path
):
    argv = ["prepare", corpus, "--out", tmp_path / "out", "--tokenizer", tokenizer_file]
    ran = duologue(*argv, *COMMON, "--", *flink)
    assert ran.code == 0, ran.err
    assert tree(tmp_path / "out") == tree(prepared)


@pytest.mark.cluster
@pytest.mark.filterwarnings("default")
def test_no_table_is_pickled(options, counted, plan, tmp_path):
    run_job(tmp_path, WHOLE, None, options)
    assert len(plan.chunks) > 4
    assert all(is_committed(tmp_path, chunk.digest) for chunk in plan.chunks)
    assert counted == []


@pytest.mark.cluster
@pytest.mark.filterwarnings("default")
def test_no_worker_is_given_all_chunks(flink, plan, monkeypatch, tmp_path):
    process, workers = ReadChunks.process, []

    def noted(self, offset):
        workers.append(self)
        return process(self, offset)

    monkeypatch.setattr(ReadChunks, "process", noted)
    run_job(tmp_path, WHOLE, None, [*flink[:-1], "--parallelism=2"])
    assert len(workers) == len(plan.chunks)
    assert len({*map(id, workers)}) == 2
