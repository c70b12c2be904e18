"""Other tools, each installed into a virtual environment of its own below build/peers."""

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

FOLDER = Path("build/peers")

PACKAGES = {
    # orjson and tokenizers are what its extras have for JSON lines and for tokenising.
    "datatrove": ["datatrove==0.10.1", "orjson", "tokenizers"],
    # dolma pins s3fs; unless what that needs is named, pip looks for it for many minutes.
    "dolma": ["dolma==1.2.1", "aiobotocore==2.5.0", "boto3==1.26.76", "fsspec==2023.6.0"],
    "litdata": ["litdata==0.2.76"],
    "megatron": ["megatron-core==0.16.0"],
    "snaptokens": ["snaptokens==0.2.6", "numpy"],
}

ON_OURS = {"litdata", "megatron"}
"""Need torch, 5 GB: their environments see the packages of ours behind their own."""


class NotInstalledError(Exception):
    """A tool cannot be installed here."""


def python_of(peer: str) -> Path:
    """The interpreter of a peer's own environment, made when it is not there.

    Raises:
      NotInstalledError: with pip's last line.
    """
    folder = FOLDER.absolute() / peer
    python, done = folder / "bin/python", folder / "installed"
    if not done.exists():
        print(f"installing {peer} into {FOLDER / peer}", file=sys.stderr)
        venv.create(folder, clear=True, with_pip=True)
        if peer in ON_OURS:
            (_site_packages(folder) / "ours.pth").write_text(sysconfig.get_path("purelib") + "\n")
        argv = [python, "-m", "pip", "install", "--quiet", "--no-cache-dir"]
        pip = subprocess.run(
            [*argv, "--only-binary", ":all:", *PACKAGES[peer]], stderr=subprocess.PIPE, text=True
        )
        if pip.returncode:
            raise NotInstalledError((pip.stderr.strip().splitlines() or ["pip failed"])[-1])
        done.touch()
    return python


def version_of(peer: str, package: str) -> str:
    """The version of a package in a peer's environment."""
    say = "import sys, importlib.metadata as m; print(m.version(sys.argv[1]))"
    return subprocess.check_output([python_of(peer), "-c", say, package], text=True).strip()


def _site_packages(folder: Path) -> Path:
    return Path(sysconfig.get_path("purelib", "venv", {"base": str(folder)}))
