"""A Flink session cluster: a JobManager, Beam's job server, and TaskManagers of two slots each."""

import contextlib
import json
import shutil
from collections.abc import Iterator

from tests.clusters import install
from tests.clusters.engine import Engine
from tests.clusters.machines import HEAD, POOL_PORT, Machines, address, wait_for

JOB_PORT = 8099
REST = f"http://{address(HEAD)}:8081"

# The other TaskManager has a slot to spare for what ran on one that was killed.
SLOTS = 2

CONFIG = f"""\
jobmanager.rpc.address: {address(HEAD)}
jobmanager.bind-host: 0.0.0.0
taskmanager.bind-host: 0.0.0.0
rest.address: {address(HEAD)}
rest.bind-address: 0.0.0.0
taskmanager.numberOfTaskSlots: {SLOTS}
cluster.evenly-spread-out-slots: true
classloader.resolve-order: parent-first
restart-strategy.type: fixed-delay
restart-strategy.fixed-delay.attempts: 5
restart-strategy.fixed-delay.delay: 2 s
heartbeat.interval: 2000
heartbeat.timeout: 10000
"""

LOGGING = """\
rootLogger.level = INFO
rootLogger.appenderRef.console.ref = C
appender.console.name = C
appender.console.type = CONSOLE
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{HH:mm:ss} %-5p %c{1} %m%n
"""

# Flink's scripts derive these from the sizes of a process; here is no script.
_OVERHEAD = {"jvm-metaspace.size": 256, "jvm-overhead.min": 192, "jvm-overhead.max": 192}
_JOB_MANAGER = {"heap.size": 768, "off-heap.size": 128, **_OVERHEAD}
_TASK_MANAGER = {
    "task.heap.size": 384,
    "framework.heap.size": 128,
    "task.off-heap.size": 0,
    "framework.off-heap.size": 128,
    "network.min": 128,
    "network.max": 128,
    "managed.size": 256,
    **_OVERHEAD,
}

# Java hides them from libraries of this age.
_OPENED = [
    *("java.lang", "java.lang.reflect", "java.io", "java.net", "java.nio", "java.text"),
    *("java.time", "java.util", "java.util.concurrent", "java.util.concurrent.atomic"),
    *("java.util.concurrent.locks", "sun.nio.ch"),
]
OPENED = [f"--add-opens=java.base/{name}=ALL-UNNAMED" for name in _OPENED]


def _memory(owner: str, sizes: dict[str, int]) -> list[str]:
    return [f"-D{owner}.memory.{name}={mib}m" for name, mib in sizes.items()]


@contextlib.contextmanager
def started(machines: Machines, n_workers: int) -> Iterator[Engine]:
    """Start the cluster; it ends with its machines."""
    # What a killed TaskManager leaves in its folder the next of its name reads and hashes.
    conf, own = machines.logs / "conf", machines.logs / "own"
    for folder in (conf, own):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    (conf / "flink-conf.yaml").write_text(CONFIG)
    (conf / "log4j.properties").write_text(LOGGING)
    logged = f"-Dlog4j.configurationFile=file:{conf}/log4j.properties"
    java = (install.java(), *OPENED, f"-Djava.io.tmpdir={own}", logged, "-Xms256m")
    flink = (*java, "-cp", f"{install.flink()}/*")
    runtime = "org.apache.flink.runtime"
    master = f"{runtime}.entrypoint.StandaloneSessionClusterEntrypoint"
    memory = _memory("jobmanager", _JOB_MANAGER)
    machines.start(HEAD, "job-manager", *flink, "-Xmx768m", master, "--configDir", conf, *memory)
    worker = f"{runtime}.taskexecutor.TaskManagerRunner"
    memory = ["-Dtaskmanager.cpu.cores=1.0", *_memory("taskmanager", _TASK_MANAGER)]
    for number in range(1, n_workers + 1):
        named = [f"-Dtaskmanager.host={address(number)}", f"-Dtaskmanager.resource-id=tm{number}"]
        options = ("--configDir", conf, *named, *memory)
        machines.start(number, f"task-manager-{number}", *flink, "-Xmx512m", worker, *options)
        machines.start_pool(number)
    log4j = ":".join(map(str, sorted(install.flink().glob("log4j-*2.17.1.jar"))))
    libraries = ("-cp", f"{install.job_server('flink')}/*:{log4j}", install.FLINK_DRIVER)
    ports = ("--job-host=localhost", f"--job-port={JOB_PORT}", "--artifact-port=8098")
    place = f"--artifacts-dir={machines.logs}/artifacts"
    master = f"--flink-master={address(HEAD)}:8081"
    machines.start(HEAD, "job-server", *java, *libraries, master, *ports, place)

    def slots() -> int:
        said = machines.output(HEAD, "curl", "-s", f"{REST}/overview")
        # It answers before it knows, with a list of errors.
        return json.loads(said).get("slots-total", 0) if said else 0

    wait_for("Flink's slots", lambda: slots() == n_workers * SLOTS, 120)
    machines.wait_for_port(HEAD, JOB_PORT)
    yield Engine(
        name="Flink",
        version=f"{install.FLINK}, job server {install.JOB_SERVER}",
        options=[
            "--runner=PortableRunner",
            f"--job_endpoint=localhost:{JOB_PORT}",
            "--environment_type=EXTERNAL",
            f"--environment_config=localhost:{POOL_PORT}",
            f"--parallelism={n_workers}",
        ],
        victims={"TaskManager": worker, "SDK worker": "SdkHarness("},
    )
