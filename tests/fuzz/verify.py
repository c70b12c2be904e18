"""`verify` names every change of what an output holds, and says so of any damage without a crash."""

import functools
import hashlib
import json
import shutil
import tempfile
from pathlib import Path
from unittest import mock

from backports import zstd

from jobs.verify import verify
from pipeline.commit import CHUNKS, RUN
from pipeline.manifest import write_manifest
from pipeline.output import CARD
from pipeline.tokenizer import OutputTokenizer
from schemas.errors import UserError
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

# A card may be edited, records count through the manifest, `_run` tells of the run alone. Damage
# there must not crash; everywhere else it is named.
UNNAMED = (CARD, CHUNKS, RUN)

UNNAMED_FIELDS = ("tokenizer_class", "clean_up_tokenization_spaces", "x")
"""Of tokenizer_config.json, which transformers reads and people add to."""

VALUES = (None, True, -1, 0, 1 << 70, 0.5, "", "x", "\ud800", [], {}, ["x"], {"x": 1}, [[0]])
"""What takes the place of parts of JSON files."""

EDITS, JSON_EDIT, AGREED_EDIT = range(3)


def make() -> Path:
    """A small output without a fault."""
    folder = Path(tempfile.mkdtemp(prefix="duologue-fuzz-"))
    out = folder / "out"
    write_manifest(out, make_output(out, put(folder / "in", FILES)), CONFIG, TOKENIZER)
    shutil.rmtree(folder / "in")
    assert list(verify(out)) == []
    return out


OUT = make()
PATHS = sorted(path for path in OUT.rglob("*") if path.is_file())
WHOLE = {path: path.read_bytes() for path in PATHS}


def run(data: bytes) -> None:
    """Damage a file; with AGREED_EDIT, manifest and record then say that it is as it should be."""
    draws = Draws(data)
    path, way = draws.choice(PATHS), draws.below(3)
    before = WHOLE[path]
    after = json_edited(before, draws) if way == JSON_EDIT else None
    after = edited(before, draws) if after is None else after
    path.write_bytes(after)
    if way == AGREED_EDIT:
        agree(path, before, after)
    try:
        with mock.patch.object(OutputTokenizer, "segment_tokenizer", segment_tokenizer):
            faults = list(verify(OUT))
    except UserError as error:
        faults = [str(error)]
    finally:
        for each, content in WHOLE.items():
            if each == path or way == AGREED_EDIT:
                each.write_bytes(content)
    relative = path.relative_to(OUT)
    if way != AGREED_EDIT and relative.parts[0] not in UNNAMED and not same(path, before, after):
        assert faults, f"a change of {relative} is not named"


@functools.lru_cache(maxsize=1)
def segment_tokenizer(saved):
    """Loading one anew takes most of the time, and `tokenizers` never frees all of its memory."""
    return SegmentTokenizer(saved.json, eos=saved.eos, bos=saved.bos, pad=saved.pad)


def same(path: Path, before: bytes, after: bytes) -> bool:
    """Whether two contents of a file mean the same."""
    if path.suffix == ".json" and path.name != "tokenizer.json":
        try:
            return told(json.loads(before)) == told(json.loads(after))
        except ValueError:
            return False
    return before == after


def told(fields):
    """JSON where true is not 1, without what `verify` has nothing to hold against."""
    if isinstance(fields, dict):
        fields = {name: value for name, value in fields.items() if name not in UNNAMED_FIELDS}
    return json.dumps(fields, sort_keys=True)


def edited(content: bytes, draws: Draws) -> bytes:
    """Bytes put in the place of others, few times."""
    for _ in range(1 + draws.below(3)):
        start = draws.below(1 << 16) % (len(content) + 1)
        n_out, n_in = draws.below(6), draws.below(6)
        content = content[:start] + bytes(draws.byte() for _ in range(n_in)) + content[start + n_out :]
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


def agree(path: Path, before: bytes, after: bytes) -> None:
    """Put a file's new hash and size in the place of its old ones, wherever they stand."""
    old, new = (hashlib.sha256(each).hexdigest() for each in (before, after))
    for each in PATHS:
        if each.suffix == ".json" and each != path:
            text = WHOLE[each].decode().replace(old, new)
            each.write_text(text.replace(f'"size_bytes": {len(before)}', f'"size_bytes": {len(after)}'))


def _seeds():
    for number in range(len(PATHS)):
        for way in (EDITS, JSON_EDIT, AGREED_EDIT):
            for at in range(0, 16, 3):
                yield bytes([number, way, at, 17 * at, 40, 2, 2, at, 255 - at, 0, 0, 1, 1, 7])


TARGET = Target(run, tuple(_seeds()), most_bytes=256)
