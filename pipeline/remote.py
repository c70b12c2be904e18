"""Folders of object stores over Beam's filesystems: as much of a path as a run needs.

An object is there whole or not at all, and a folder is only what names begin with. Every failure
but "there is none" becomes one line that names the object, the cause and the mend.
"""

import contextlib
import dataclasses
import functools
import importlib.util
import io
import logging
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, cast

from schemas.errors import UserError

READ_BYTES = 1 << 16
"""Fetched at once where little is wanted: one line of a plan."""

_MENDS = (
    ("NoSuchBucket", "make the bucket, or name another"),
    ("bucket does not exist", "make the bucket, or name another"),
    (
        "credentials",
        "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or use another way that boto3 knows",
    ),
    (
        "connect to the endpoint",
        "see that it runs, and that AWS_ENDPOINT_URL or -- --s3_endpoint_url names it",
    ),
    ("ccess key", "check AWS_ACCESS_KEY_ID"),
    ("InvalidAccessKeyId", "check AWS_ACCESS_KEY_ID"),
    ("SignatureDoesNotMatch", "check AWS_SECRET_ACCESS_KEY"),
    ("AccessDenied", "let this key list, read, write and delete there"),
    ("Forbidden", "let this key list, read, write and delete there"),
    ("Unable to get filesystem", "Beam knows s3:// and gs://, each with its package installed"),
    ("Failed to import", "install what it names"),
)
_LACKS_SLASH = re.compile(r"[a-z][a-z0-9+.-]+:/[^/]", re.IGNORECASE)

_ANY_MEND = "run the same command again: what is committed is kept"


@dataclasses.dataclass(frozen=True, order=True, slots=True)
class RemotePath:
    """An object, or what the names of objects begin with; the methods are those of `Path`.

    Attributes:
      url: scheme://bucket/name, without a slash at its end.
    """

    url: str

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, name: str | PurePosixPath) -> "RemotePath":
        return RemotePath(f"{self.url}/{name}")

    @property
    def name(self) -> str:
        """What stands behind the last slash."""
        return self.url.rpartition("/")[2]

    @property
    def stem(self) -> str:
        """The name without its suffix."""
        return PurePosixPath(self.name).stem

    @property
    def suffix(self) -> str:
        """Of the name."""
        return PurePosixPath(self.name).suffix

    @property
    def parent(self) -> "RemotePath":
        """What stands before the last slash."""
        return RemotePath(self.url.rpartition("/")[0])

    def with_name(self, name: str) -> "RemotePath":
        """Another name in the same folder."""
        return self.parent / name

    def relative_to(self, above: "RemotePath") -> PurePosixPath:
        """The path below a folder."""
        return PurePosixPath(self.url.removeprefix(f"{above.url}/"))

    def absolute(self) -> "RemotePath":
        """Itself."""
        return self

    def exists(self) -> bool:
        """Whether there is an object of this name."""
        with failures_named(self.url):
            return bool(filesystems().exists(self.url))

    def is_file(self) -> bool:
        """Whether there is an object of this name."""
        return self.exists()

    def is_dir(self) -> bool:
        """Whether there is an object below this name."""
        return bool(self._matching("**", limit=1))

    def iterdir(self) -> Iterator["RemotePath"]:
        """What is in the folder; all below it is listed for that."""
        below = (path.relative_to(self).parts[0] for path in self.glob("**"))
        return (self / name for name in dict.fromkeys(below))

    def glob(self, pattern: str) -> Iterator["RemotePath"]:
        """The objects whose name below this one matches; `**` also takes slashes."""
        return (RemotePath(file.path) for file in self._matching(pattern))

    def sizes(self) -> dict[str, int]:
        """Bytes of all objects below this name, by their relative path."""
        found = self._matching("**")
        return {str(RemotePath(file.path).relative_to(self)): file.size_in_bytes for file in found}

    def _matching(self, pattern: str, limit: int | None = None) -> list[Any]:
        # Beam's patterns have no way to say a star: any character, and then those of this name.
        plain = "".join("?" if each in "*?[" else each for each in self.url)
        with failures_named(self.url):
            [found] = filesystems().match([f"{plain}/{pattern}"], [limit])
        return [file for file in found.metadata_list if file.path.startswith(f"{self.url}/")]

    def open(self, mode: str = "rb") -> io.BufferedReader:
        """The object for reading.

        Raises:
          FileNotFoundError: if there is none.
          UserError: if it can't be read.
        """
        if mode != "rb":
            msg = f"objects are opened to be read, not for {mode!r}; write_bytes() writes them"
            raise ValueError(msg)
        with failures_named(self.url):
            file = filesystems().open(self.url, compression_type="uncompressed")
        if isinstance(file, io.BufferedReader):
            # Beam's own buffer fetches 16 MB for a line.
            file = io.BufferedReader(file.detach(), READ_BYTES)
        return cast("io.BufferedReader", file)  # Or what can as much.

    def read_bytes(self) -> bytes:
        """All of the object.

        Raises:
          FileNotFoundError: if there is none.
          UserError: if it can't be read.
        """
        with self.open() as file, failures_named(self.url):
            # In large steps: asked for all, Beam takes 8 kB at a time.
            return b"".join(iter(lambda: file.read(1 << 20), b""))

    def write_bytes(self, data: bytes | memoryview) -> None:
        """Put the object in the place of an older one, whole or not at all.

        Raises:
          UserError: if it can't be written.
        """
        with failures_named(self.url):
            file = filesystems().create(self.url, compression_type="uncompressed")
            # By one call: Beam cannot take an upload back, and completes what it was given when an
            # unclosed file is collected. So that is nothing, or all.
            file.write(data)
            file.close()


Place = Path | RemotePath
"""Where outputs are: a folder, or one in an object store."""


def place(given: str) -> Place:
    """What was typed as a folder, as a path.

    Example:
      >>> place("s3://bucket/shards/") / "manifest.json"
      RemotePath(url='s3://bucket/shards/manifest.json')
      >>> place("shards/").name
      'shards'
    """
    return RemotePath(given.rstrip("/")) if "://" in given else Path(given)


def delete(paths: Iterable[RemotePath]) -> None:
    """Delete objects, those that are there.

    Raises:
      UserError: if one can't be deleted.
    """
    if urls := [path.url for path in paths]:
        with failures_named(urls[0]):
            filesystems().delete(urls)


_given_options: list[list[str]] = []
"""Once, what `use_options` was given; without that, Beam's workers know theirs."""


def use_options(options: Sequence[str]) -> None:
    """Take Beam's options for its filesystems: endpoints and keys.

    They are parsed once a URL is asked for: importing Beam takes a second.
    """
    _given_options[:] = [list(options)]
    filesystems.cache_clear()


@functools.cache
def filesystems() -> Any:  # noqa: ANN401 Beam is untyped here
    """Beam's `FileSystems`, with the options that were given."""
    # It warns of Google's packages, of which nobody asked.
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    from apache_beam.io.filesystems import FileSystems

    logging.disable(level)
    if _given_options:
        FileSystems.set_options(_parsed_options())
    if importlib.util.find_spec("boto3"):
        _share_clients()
    return FileSystems


def _parsed_options() -> Any:  # noqa: ANN401 Beam is untyped here
    from apache_beam.options.pipeline_options import PipelineOptions

    return PipelineOptions([option for options in _given_options for option in options])


def _share_clients() -> None:
    """Make Beam's S3 files share a client in each process.

    Beam makes one for every look at an object, which takes longer than the look: 70 ms.
    """
    from apache_beam.io.aws.clients.s3 import boto3_client

    made = boto3_client.Client
    if made.__module__ == __name__:
        return

    @functools.lru_cache(maxsize=4)
    def shared(options: Any, _process: int) -> Any:  # noqa: ANN401
        return made(options).client

    class Client(made):  # type: ignore[misc, valid-type] # Beam is untyped here
        """Has a stream of its own, as Beam's, but not a client."""

        def __init__(self, options: Any) -> None:  # noqa: ANN401
            # A process that was forked must not use the connections of its parent.
            self.client = shared(options, os.getpid())
            self._download_request = self._download_stream = None
            self._download_pos = 0

    boto3_client.Client = Client


def check_stores(urls: Iterable[str]) -> None:
    """Refuse what is nearly a URL, and what Beam's S3 filesystem would try for ten minutes.

    Raises:
      UserError: no library, no credentials, no such bucket, no permission, or no server there.
    """
    for url in urls:
        if _LACKS_SLASH.match(url) and not os.path.lexists(url):
            msg = f"{url} is neither a path nor a URL: write {url.replace(':/', '://', 1)}"
            raise UserError(msg)
        if url.startswith("s3://"):
            with failures_named(url):
                _check_s3(url)


def _check_s3(url: str) -> None:
    if not importlib.util.find_spec("boto3"):
        msg = f"{url} needs the package boto3: pip install '.[s3]'"
        raise UserError(msg)
    filesystems()
    from apache_beam.io.aws.clients.s3 import boto3_client, messages

    client = boto3_client.Client(_parsed_options())
    bucket, _, name = url.removeprefix("s3://").partition("/")
    try:
        client.list(messages.ListRequest(bucket, name))
    except messages.S3ClientError as error:
        # Beam calls it an error, too, that nothing has such a name.
        if "nonexistent" not in str(error):
            raise


@contextlib.contextmanager
def failures_named(url: str) -> Iterator[None]:
    """Raise what goes wrong in a store as one line; FileNotFoundError, for no such object, stays.

    Raises:
      UserError: names the URL, the cause and the mend.
    """
    try:
        yield
    except (UserError, FileNotFoundError):
        raise
    except Exception as error:
        # Whatever the store's library raises: Beam wraps it, or does not.
        why = " ".join(str(_cause(error)).split())
        if why.startswith("Unable to get filesystem"):
            # It goes on about a package of one store, whichever was asked for.
            why = "Unable to get filesystem of this kind"
        mend = next((mend for sign, mend in _MENDS if sign in why), _ANY_MEND)
        msg = f"{url}: {why.rstrip('.')}: {mend}"
        raise UserError(msg) from error


def _cause(error: Any) -> Any:  # noqa: ANN401 Beam is untyped here
    """The text, or the error, that Beam's errors wrap."""
    while details := getattr(error, "exception_details", None):
        error = next(iter(details.values()))
    return getattr(error, "message", error)
