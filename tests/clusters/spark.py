"""A standalone Spark cluster: a master, Beam's job server, and workers of one core each."""

import contextlib
import json
from collections.abc import Iterator

from tests.clusters import install
from tests.clusters.engine import Engine
from tests.clusters.machines import HEAD, POOL_PORT, Machines, address, wait_for

JOB_PORT = 8099
MASTER_PORT = 7077
MASTER = f"spark://{address(HEAD)}:{MASTER_PORT}"

# Java hides them from libraries of this age.
_OPENED = [
    *("java.lang", "java.lang.invoke", "java.io", "java.net", "java.nio", "java.util"),
    *("java.util.concurrent", "sun.nio.ch", "sun.util.calendar"),
]
OPENED = [f"--add-opens=java.base/{name}=ALL-UNNAMED" for name in _OPENED]


@contextlib.contextmanager
def started(machines: Machines, n_workers: int) -> Iterator[Engine]:
    """Start the cluster; it ends with its machines."""
    home, beam = install.spark(), install.job_server("spark")
    java = (install.java(), *OPENED)
    # Beam brings an older slf4j than Spark binds to: Spark's is to be found first. Of the rest
    # Beam's come first, for Spark's guava is too old for Beam.
    [slf4j] = (home / "jars").glob("slf4j-api-*.jar")

    def env(machine: int) -> dict[str, str]:
        places = {"SPARK_HOME": str(home), "SPARK_LOCAL_DIRS": str(machines.logs / "local")}
        names = {"SPARK_LOCAL_IP": address(machine), "SPARK_LOCAL_HOSTNAME": address(machine)}
        return {**places, **names, "SPARK_SCALA_VERSION": "2.12"}

    spark = (*java, "-Xmx512m", "-cp", f"{home}/jars/*")
    at = ("--host", address(HEAD), "--port", MASTER_PORT, "--webui-port", 8082)
    machines.start(HEAD, "master", *spark, "org.apache.spark.deploy.master.Master", *at, env=env(0))
    machines.wait_for_port(HEAD, MASTER_PORT)
    for number in range(1, n_workers + 1):
        size = ("--cores", 1, "--memory", "1g", "--work-dir", machines.logs / "work")
        worker = ("org.apache.spark.deploy.worker.Worker", "--host", address(number), *size)
        machines.start(number, f"worker-{number}", *spark, *worker, MASTER, env=env(number))
        machines.start_pool(number)
    # The server's own properties become those of its jobs.
    settings = {
        "executor.extraClassPath": f"{slf4j}:{beam}/*",
        "executor.memory": "768m",
        "ui.enabled": "false",
        "driver.host": address(HEAD),
        "driver.bindAddress": address(HEAD),
        "task.maxFailures": "4",
    }
    properties = [f"-Dspark.{name}={value}" for name, value in settings.items()]
    server = ("-cp", f"{slf4j}:{beam}/*:{home}/jars/*", install.SPARK_DRIVER)
    ports = ("--job-host=localhost", f"--job-port={JOB_PORT}", "--artifact-port=8098")
    options = (f"--spark-master-url={MASTER}", *ports, f"--artifacts-dir={machines.logs}/artifacts")
    program = (*java, "-Xmx768m", *properties, *server, *options)
    machines.start(HEAD, "job-server", *program, env=env(HEAD))

    def alive() -> int:
        said = machines.output(HEAD, "curl", "-s", f"http://{address(HEAD)}:8082/json/")
        return json.loads(said)["aliveworkers"] if said else 0

    wait_for("Spark's workers", lambda: alive() == n_workers, 120)
    machines.wait_for_port(HEAD, JOB_PORT)
    # One small jar, so that not the whole class path is sent with each job.
    [guava] = beam.glob("beam-vendor-guava*.jar")
    yield Engine(
        name="Spark",
        version=f"{install.SPARK}, job server {install.JOB_SERVER}",
        options=[
            "--runner=PortableRunner",
            f"--job_endpoint=localhost:{JOB_PORT}",
            "--environment_type=EXTERNAL",
            f"--environment_config=localhost:{POOL_PORT}",
            f"--files_to_stage={guava}",
        ],
        victims={"executor": "CoarseGrainedExecutorBackend", "SDK worker": "SdkHarness("},
    )
