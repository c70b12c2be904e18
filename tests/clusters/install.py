"""What the engines need, downloaded once into one folder: from PyPI, Maven's registry and Go's.

Flink and Spark come as the jars of their Python packages' source archives. Beam's job servers come
as libraries: their newest release in Maven's registry is older than our Beam, which they serve.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

HOME = Path(__file__).parents[2] / "build" / "clusters"

BEAM = "2.77.0"
JOB_SERVER = "2.62.0"
FLINK = "1.19.3"
SPARK = "3.5.1"

JAVA_PACKAGES = ("openjdk-17-jre-headless", "maven")

_POM = """\
<project><modelVersion>4.0.0</modelVersion>
<groupId>local</groupId><artifactId>jobserver</artifactId><version>1</version>
<dependencies><dependency><groupId>org.apache.beam</groupId>
<artifactId>{artifact}</artifactId><version>{version}</version></dependency></dependencies></project>
"""
_ARTIFACTS = {"flink": "beam-runners-flink-1.19", "spark": "beam-runners-spark-3"}

FLINK_DRIVER = "org.apache.beam.runners.flink.FlinkJobServerDriver"
SPARK_DRIVER = "org.apache.beam.runners.spark.SparkJobServerDriver"


class CannotInstallError(Exception):
    """What an engine needs is not to be had here; its text says what and why."""


def run(*argv: object, env: dict[str, str] | None = None) -> None:
    """Run a program to its end.

    Raises:
      CannotInstallError: if it is not there or fails; with its last words.
    """
    command = [*map(str, argv)]
    try:
        done = subprocess.run(
            command, env=os.environ | (env or {}), capture_output=True, text=True, check=False
        )
    except OSError as error:
        msg = f"{command[0]}: {error.strerror}"
        raise CannotInstallError(msg) from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-500:]
        msg = f"{' '.join(command)} failed: {said}"
        raise CannotInstallError(msg)


def once(path: Path, make: Callable[[Path], None]) -> Path:
    """A file or folder that `make` writes, unless it is there; half of one is never kept."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            made = Path(folder) / path.name
            make(made)
            made.rename(path)
    return path


def java() -> str:
    """The java program; with root's rights installed where there is none.

    Raises:
      CannotInstallError: if it can't be had.
    """
    if not (shutil.which("java") and shutil.which("mvn")):
        if os.geteuid():
            msg = f"no java and mvn: apt-get install {' '.join(JAVA_PACKAGES)}"
            raise CannotInstallError(msg)
        run("apt-get", "update", "-qq")
        quiet = {"DEBIAN_FRONTEND": "noninteractive"}
        run("apt-get", "install", "-y", "-qq", *JAVA_PACKAGES, env=quiet)
    return shutil.which("java") or "java"


def job_server(engine: str) -> Path:
    """Folder of all jars of Beam's job server for "flink" or "spark"."""

    def make(folder: Path) -> None:
        java()
        folder.mkdir()
        pom = folder / "pom.xml"
        pom.write_text(_POM.format(artifact=_ARTIFACTS[engine], version=JOB_SERVER))
        copy = "dependency:copy-dependencies"
        run("mvn", "-q", "-B", "-f", pom, copy, f"-DoutputDirectory={folder}")

    return once(HOME / f"job-server-{engine}", make)


def flink_jar() -> Path:
    """A jar that is Flink's job server by naming all jars that make it up."""

    def make(path: Path) -> None:
        jars = sorted(job_server("flink").glob("*.jar"))
        # Lines of a manifest are of 72 bytes; those that go on begin with a space.
        text = f"Class-Path: {' '.join(jar.as_uri() for jar in jars)}"
        lines = [text[:70], *(f" {text[at : at + 69]}" for at in range(70, len(text), 69))]
        manifest = "\n".join(["Manifest-Version: 1.0", f"Main-Class: {FLINK_DRIVER}", *lines, ""])
        with zipfile.ZipFile(path, "w") as jar:
            jar.writestr("META-INF/MANIFEST.MF", manifest)

    return once(HOME / "flink-job-server.jar", make)


def flink() -> Path:
    """Folder of Flink's jars."""
    return _unpacked("apache-flink-libraries", FLINK) / "lib"


def spark() -> Path:
    """Spark's home; its jars lie in jars/."""
    return _unpacked("pyspark", SPARK)


def _unpacked(package: str, version: str) -> Path:
    """The jars that a Python package's source archive brings."""

    def make(folder: Path) -> None:
        pip = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps")
        with tempfile.TemporaryDirectory(dir=HOME) as place:
            source = ("--no-binary", ":all:", "--no-build-isolation")
            run(*pip, *source, "--dest", place, f"{package}=={version}")
            [archive] = Path(place).iterdir()
            with tarfile.open(archive) as tar:
                tar.extractall(place, filter="data")
            [deps] = Path(place).glob("*/deps")
            deps.rename(folder)

    return once(HOME / f"{package}-{version}", make)


def prism() -> Path:
    """The Prism runner."""
    return _go("prism", f"github.com/apache/beam/sdks/v2/go/cmd/prism@v{BEAM}")


def _go(name: str, module: str) -> Path:
    def make(path: Path) -> None:
        run("go", "install", module, env={"GOBIN": str(path.parent)})

    return once(HOME / name, make)
