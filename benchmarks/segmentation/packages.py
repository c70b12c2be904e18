"""Packages that carry marked-up text: fetched by their registries' clients, unpacked only."""

import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

_APT = Path("/etc/apt")


class MissingPackageError(Exception):
    """A package cannot be had here; the message says which and why."""


class Packages:
    """Unpacked packages in a cache folder, fetched when first asked for.

    Args:
      cache: a folder; what is in it is not fetched again.
      offline: fetch nothing.
    """

    def __init__(self, cache: Path, *, offline: bool = False) -> None:
        self.cache = cache.resolve()
        self.offline = offline

    def debian(self, *names: str) -> Path:
        """The root of the first of these Debian packages that can be had."""
        return self._first(names, "debian", self._fetch_debian)

    def debian_source(self, name: str) -> Path:
        """The folder that holds a Debian source package's unpacked archives."""
        return self._first((name,), "debian-source", self._fetch_debian_source)

    def pypi(self, requirement: str, *, source: bool = False) -> Path:
        """The folder that holds an unpacked wheel, or the source of `name==version`."""
        registry = "pypi-source" if source else "pypi"
        return self._first(
            (requirement,), registry, self._fetch_source if source else self._fetch_wheel
        )

    def _first(
        self, names: Sequence[str], registry: str, fetch: Callable[[str, Path, Path], None]
    ) -> Path:
        reasons = []
        for name in names:
            folder = self.cache / registry / name
            root = folder / "root"
            if root.is_dir():
                return root
            try:
                if self.offline:
                    _fail("not in the cache, and --offline")
                (folder / "files").mkdir(parents=True, exist_ok=True)
                unpacking = folder / "unpacking"
                unpacking.mkdir(exist_ok=True)
                fetch(name, folder / "files", unpacking)
                unpacking.rename(root)
            except MissingPackageError as error:
                reasons.append(f"{registry} {name}: {error}")
            else:
                return root
        raise MissingPackageError("; ".join(reasons))

    def _fetch_debian(self, name: str, files: Path, root: Path) -> None:
        _run(["apt-get", "download", "-qq", name], files)
        for package in files.glob("*.deb"):
            _run(["dpkg-deb", "-x", str(package), str(root)], files)

    def _fetch_debian_source(self, name: str, files: Path, root: Path) -> None:
        apt = self.cache / "apt"
        (apt / "lists" / "partial").mkdir(parents=True, exist_ok=True)
        _source_entries(apt / "entries")
        options = [
            "-oDir::Etc::SourceList=-",
            f"-oDir::Etc::SourceParts={apt / 'entries'}",
            f"-oDir::State::Lists={apt / 'lists'}",
        ]
        if not list((apt / "lists").glob("*Sources*")):
            _run(["apt-get", "-qq", *options, "update"], files)
        _run(["apt-get", "-qq", *options, "source", "--download-only", name], files)
        for archive in files.glob("*.orig*.tar.*[!c]"):
            _run(["tar", "-xf", str(archive), "-C", str(root)], files)

    def _fetch_wheel(self, requirement: str, files: Path, root: Path) -> None:
        self._fetch_pypi(["--only-binary=:all:", requirement], files, root)

    def _fetch_source(self, requirement: str, files: Path, root: Path) -> None:
        # Without isolation pip looks for no newer build tools; the package must be of setuptools.
        options = ["--no-binary=:all:", "--no-build-isolation"]
        self._fetch_pypi([*options, requirement], files, root)

    def _fetch_pypi(self, options: list[str], files: Path, root: Path) -> None:
        pip = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check"]
        _run([*pip, "--no-deps", "-d", str(files), *options], files)
        for archive in files.iterdir():
            command = ["tar", "-xf", str(archive), "-C", str(root)]
            if archive.suffix == ".whl":
                command = [sys.executable, "-m", "zipfile", "-e", str(archive), str(root)]
            _run(command, files)


def found_in(root: Path, pattern: str) -> list[Path]:
    """What matches a pattern below a package's root, each file once, links resolved.

    Raises:
      MissingPackageError: if nothing does.
    """
    inside = root.resolve()
    found = sorted({p.resolve() for p in root.glob(pattern)})
    found = [path for path in found if path.exists() and path.is_relative_to(inside)]
    if not found:
        msg = f"no {pattern} in {root.parent.name}: the package has changed"
        raise MissingPackageError(msg)
    return found


def _source_entries(folder: Path) -> None:
    """Writes apt's own entries into a folder again, for source packages."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in [_APT / "sources.list", *sorted((_APT / "sources.list.d").glob("*"))]:
        if path.suffix in (".list", ".sources") and path.is_file():
            text = re.sub(r"(?m)^(Types:\s*deb|deb)(?=\s)", r"\1-src", path.read_text())
            (folder / path.name).write_text(text)


def _run(command: list[str], folder: Path) -> None:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        _fail(f"{command[0]} is not installed")
    if done.returncode:
        tail = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        hint = " (apt-get update first?)" if command[0] == "apt-get" else ""
        _fail(f"{' '.join(command[:2])} failed{hint}: {''.join(tail)[:200]}")


def _fail(reason: str) -> None:
    raise MissingPackageError(reason)
