"""`verify` names every change of what an output holds, and no damage brings it down."""

import dataclasses
import functools
import hashlib
import json
import tempfile
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import msgspec
from backports import zstd

from jobs.verify import verify
from pipeline.commit import CHUNKS, RUN, record_bytes
from pipeline.manifest import write_manifest
from pipeline.tokenizer import OutputTokenizer
from schemas.errors import UserError
from schemas.manifest import ChunkRecord
from tests.fuzz.drawing import Draws, Target
from tests.pipeline.making import CONFIG, TOKENIZER, make_output, put
from tests.running import exchange
from tests.running import jsonl as json_lines
from transforms.tokenize import SegmentTokenizer

FILES = {
    **{f"{number}.txt": exchange(number) for number in range(3)},
    "talk.jsonl": json_lines([exchange(number) for number in range(10, 14)]) + b"{\n",
    "latin.txt": b"caf\xe9",
    "cut.txt.zst": zstd.compress(b"cut")[:-2],
}

VALUES = (None, True, -1, 0, 1 << 70, 0.5, "", "x", "\ud800", [], {}, ["x"], {"x": 1}, [[0]])
"""What takes the place of parts of JSON files."""

EDITS, JSON_EDIT, AGREED_EDIT = range(3)


class Output(NamedTuple):
    """A small output without a fault, and what its files hold."""

    folder: tempfile.TemporaryDirectory
    out: Path
    files: dict[Path, bytes]


@functools.cache
def made() -> Output:
    """Made once; whoever damages it puts it right again."""
    folder = tempfile.TemporaryDirectory(prefix="duologue-fuzz-")
    out, inputs = Path(folder.name) / "out", put(Path(folder.name) / "in", FILES)
    config = dataclasses.replace(CONFIG, tokenizer_sha256=TOKENIZER.sha256)
    write_manifest(out, make_output(out, inputs, config), config, TOKENIZER)
    assert list(verify(out)) == []
    paths = sorted(path for path in out.rglob("*") if path.is_file())
    return Output(folder, out, {path: path.read_bytes() for path in paths})


def run(data: bytes) -> None:
    """Damage a file; with AGREED_EDIT, manifest and record then say that it is as it should be."""
    draws, (_, out, files) = Draws(data), made()
    path, way = draws.choice(list(files)), draws.below(3)
    after = json_edited(files[path], draws) if way == JSON_EDIT else None
    after = edited(files[path], draws) if after is None else after
    damaged = {path: after}
    if way == AGREED_EDIT:
        damaged |= agreed(files, path, after)
    try:
        faults = faults_of(out, damaged)
    finally:
        for each in damaged:
            each.write_bytes(files[each])
    relative = path.relative_to(out)
    # `_run` tells of the run alone: damage there must only not crash.
    if way != AGREED_EDIT and relative.parts[0] != RUN:
        assert faults or files[path] == after, f"a change of {relative} is not named"


def faults_of(out, damaged):
    """What `verify` says of an output with some files damaged."""
    for path, content in damaged.items():
        path.write_bytes(content)
    try:
        with mock.patch.object(OutputTokenizer, "segment_tokenizer", segment_tokenizer):
            return list(verify(out))
    except UserError as error:
        return [str(error)]


@functools.lru_cache(maxsize=1)
def segment_tokenizer(saved):
    """Loading one anew takes most of the time, and `tokenizers` never frees all of its memory."""
    return SegmentTokenizer(saved.json, eos=saved.eos, bos=saved.bos, pad=saved.pad)


def edited(content: bytes, draws: Draws) -> bytes:
    """Bytes put in the place of others, few times."""
    for _ in range(1 + draws.below(3)):
        start = draws.below(1 << 16) % (len(content) + 1)
        n_out, n_in = draws.below(6), draws.below(6)
        content = (
            content[:start] + bytes(draws.byte() for _ in range(n_in)) + content[start + n_out :]
        )
    return content


def json_edited(content: bytes, draws: Draws) -> bytes | None:
    """A part of a JSON file taken out, or another in its place; None if it is none."""
    try:
        root = json.loads(content)
    except ValueError:
        return None
    node = root
    while True:
        keys = sorted(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            return None
        key = draws.choice(keys)
        if isinstance(node[key], list | dict) and node[key] and draws.below(4):
            node = node[key]
            continue
        if draws.below(4):
            node[key] = draws.choice(VALUES)
        else:
            del node[key]
        return json.dumps(root).encode()


def agreed(files, path, after):
    """Other files with a file's new hash and size in the place of its old ones, records sealed."""
    old, new = (hashlib.sha256(each).hexdigest() for each in (files[path], after))
    old_size, new_size = (f'"size_bytes": {len(each)}' for each in (files[path], after))
    damaged = {}
    for each, content in files.items():
        if each.suffix == ".json" and each != path and old.encode() in content:
            damaged[each] = content.decode().replace(old, new).replace(old_size, new_size).encode()
            if each.parent.name == CHUNKS:
                fields = json.loads(damaged[each])
                del fields["sha256"]
                damaged[each] = record_bytes(msgspec.convert(fields, ChunkRecord))
    return damaged


def _seeds():
    for number in range(24):
        for way in (EDITS, JSON_EDIT, AGREED_EDIT):
            for at in range(0, 16, 3):
                yield bytes([number, way, at, 17 * at, 40, 2, 2, at, 255 - at, 0, 0, 1, 1, 7])


TARGET = Target(run, tuple(_seeds()), most_bytes=256)
