"""Files that could not be opened when the inputs were listed: each is a rejected document."""

from collections.abc import Iterator
from pathlib import Path

from pipeline.readers.base import DAMAGED, Document, InputRange, Reader, rejected
from pipeline.streams import ReadBytes
from schemas.config import PrepareConfig
from schemas.errors import UserError


def _read(part: InputRange, _config: PrepareConfig, read: ReadBytes) -> Iterator[Document]:
    try:
        Path(part.path).open("rb").close()
    except OSError as error:
        is_link = isinstance(error, FileNotFoundError)
        why = "a link that leads nowhere" if is_link else error.strerror
        read.update(str(why).encode())
        yield rejected(part.relative, None, f"{DAMAGED}{why}", b"")
        return
    msg = f"{part.path} can be read now, but could not before: run again with --update"
    raise UserError(msg)


READER = Reader(
    name="unreadable",
    suffixes=(),
    can_be_compressed=False,
    cut=lambda _file, _bytes: [(0, 0)],
    read=_read,
    columns=lambda _file: None,
)
