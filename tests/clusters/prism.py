"""Prism, Beam's runner for trials: one process on one machine, and one worker."""

import contextlib
from collections.abc import Iterator

from tests.clusters import install
from tests.clusters.engine import Engine
from tests.clusters.machines import HEAD, POOL_PORT, Machines

JOB_PORT = 8073


@contextlib.contextmanager
def started(machines: Machines, n_workers: int) -> Iterator[Engine]:
    """Start it on the head, for its workers have to be where it is; it ends with its machine."""
    del n_workers
    options = ("--job_port", JOB_PORT, "--serve_http=false", "--log_kind", "text")
    machines.start(HEAD, "prism", install.prism(), *options)
    machines.start_pool(HEAD)
    machines.wait_for_port(HEAD, JOB_PORT)
    yield Engine(
        name="Prism",
        version=install.BEAM,
        options=[
            "--runner=PortableRunner",
            f"--job_endpoint=localhost:{JOB_PORT}",
            "--environment_type=EXTERNAL",
            f"--environment_config=localhost:{POOL_PORT}",
        ],
        victims={"SDK worker": "SdkHarness("},
    )
