"""A real object store on this machine: versitygw, which keeps objects as files of a folder."""

import dataclasses
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.running import Ran, duologue

ROOT = Path(__file__).parents[2]
KEY, SECRET = "tester", "a-secret-of-tests"
READY_SECONDS = 30


def program():
    """The server, as `make store` installs it or as it is on the path; None where it is not."""
    made = ROOT / "build/store/versitygw"
    return str(made) if made.exists() else shutil.which("versitygw")


@dataclasses.dataclass
class Store:
    """A server, and the folder whose folders are its buckets."""

    root: Path
    port: int
    process: subprocess.Popen | None = None

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self):
        """A line a request."""
        return self.root.with_name("requests.log")

    def start(self):
        root = {"ROOT_ACCESS_KEY": KEY, "ROOT_SECRET_KEY": SECRET}
        beside = [self.root.with_name(name) for name in ("users", "metadata")]
        for folder in (self.root, *beside):
            folder.mkdir(exist_ok=True)
        users, metadata = beside
        options = ["--port", f"127.0.0.1:{self.port}", "--iam-dir", users]
        options += ["--access-log", self.log, "posix", "--sidecar", metadata, self.root]
        self.process = subprocess.Popen(
            [program(), "--quiet", *options],
            env={**os.environ, **root},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                assert self.process.poll() is None, "the server ended"
                assert time.monotonic() < deadline, "the server does not answer"

    def stop(self):
        """At once, in the middle of whatever it does."""
        self.process.kill()
        self.process.wait()

    def add_user(self, key, secret):
        """One who may do nothing yet."""
        argv = ["admin", "--access", KEY, "--secret", SECRET, "--endpoint-url", self.endpoint]
        user = ["create-user", "--access", key, "--secret", secret, "--role", "user"]
        subprocess.run([program(), *argv, *user], check=True, capture_output=True, timeout=60)

    @property
    def env(self):
        """How boto3 finds it."""
        return {
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "HOME": str(self.root.parent),
        }

    def duologue(self, *argv, **env) -> Ran:
        """Run a command that finds it; a variable that is None is taken away."""
        more = {**self.env, **env}
        return duologue(*argv, env={name: value for name, value in more.items() if value})


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A server for a module of tests."""
    pytest.importorskip("boto3", reason="needs boto3: pip install '.[s3]'")
    if program() is None:
        pytest.skip("needs versitygw: make store")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = Store(tmp_path_factory.mktemp("store") / "buckets", port)
    started.start()
    yield started
    started.stop()


@pytest.fixture
def bucket(store, tmp_path):
    """A new bucket: its name, and the folder that it is."""
    name = "".join(each if each.isalnum() else "-" for each in tmp_path.name.lower()).strip("-")
    (store.root / name).mkdir()
    return store.root / name


@pytest.fixture
def as_store(store, monkeypatch):
    """This process finds the server."""
    from pipeline.remote import use_options

    for name, value in store.env.items():
        monkeypatch.setenv(name, value)
    use_options([])
