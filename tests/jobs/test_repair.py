"""Damage after the commit: `verify` names it, and `prepare --repair` makes just that again."""

import dataclasses
import io
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from jobs.prepare.command import prepare
from jobs.prepare.options import PrepareOptions
from jobs.verify import verify
from pipeline import lists
from pipeline.atomic import remove
from pipeline.changes import damaged_chunks, take_back
from pipeline.output import misplaced
from schemas.errors import UserError
from tests.pipeline.making import CONFIG, TOKENIZER, put, update
from tests.running import exchange, jsonl, tiny_tokenizer, tree

SAVED = dataclasses.replace(CONFIG, tokenizer_sha256=TOKENIZER.sha256)
FILES = {
    **{f"{i:02d}.txt": exchange(i) for i in range(6)},
    **{f"deep/latin {i}.txt": b"caf\xe9 " * 300 for i in range(2)},
    "talk.jsonl": jsonl([exchange(100 + i) for i in range(9)]),
}

DERIVED = (
    *("manifest.json", "README.md", "tokenizer.json", "tokenizer_config.json"),
    *("_run/config.json", "_run/inputs.jsonl"),
)
"""Made of other files, which are still there; or of the command, or the inputs."""

MADE = ("documents/train/*.arrow", "rejected/*.jsonl", "_chunks/*.json")
"""What chunks are; the first of each kind is damaged, and takes the place of a sibling."""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(inputs, a finished output of them, a tokenizer)."""
    root = tmp_path_factory.mktemp("made")
    update(root / "out", put(root / "in", FILES), SAVED)
    (root / "tokenizer.json").write_text(tiny_tokenizer())
    return root


@pytest.fixture
def root(made, tmp_path):
    return shutil.copytree(made, tmp_path / "copy")


def first(out, pattern):
    return sorted(out.glob(pattern))[0]


def flip(path, at=0.5, bits=1):
    data = bytearray(path.read_bytes())
    data[int(at * len(data))] ^= bits
    path.write_bytes(data)


def swap(path):
    """With another file of its folder, of the same kind where there is one."""
    others = [each for each in sorted(path.parent.iterdir()) if each.is_file() and each != path]
    other = next((each for each in others if each.suffix == path.suffix), others[0])
    one, two = path.read_bytes(), other.read_bytes()
    path.write_bytes(two)
    other.write_bytes(one)


def fold(path):
    path.unlink()
    path.mkdir()
    (path / "inside").touch()


def dangle(path):
    path.unlink()
    path.symlink_to("nowhere")


DAMAGES = {
    "flip": flip,
    "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
    "empty": lambda path: os.truncate(path, 0),
    "lose": lambda path: path.unlink(),
    "swap": swap,
    "fold": fold,
    "dangle": dangle,
}
all_damages = pytest.mark.parametrize("damage", DAMAGES.values(), ids=[*DAMAGES])


def faults_of(out):
    """What verify says, or refuses with."""
    try:
        return list(verify(out))
    except UserError as error:
        return [str(error)]


def refusal(action):
    """What a call refuses with, or None."""
    try:
        action()
    except UserError as error:
        return str(error)
    return None


def run(root, **options):
    """`prepare` in this process: for an output whose chunks are all whole."""
    given = PrepareOptions(tokenizer=str(root / "tokenizer.json"), workers=1, **options)
    console = Console(file=io.StringIO())
    return prepare([str(root / "in")], root / "out", CONFIG, given, console=console)


def bytes_of(out):
    """The bytes of all files, those that tell of the run too."""
    paths = (path for path in out.rglob("*") if path.is_file())
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in paths}


def files_of(out):
    """(inode, time stamp) of all that chunks wrote."""
    paths = [path for pattern in ("*/*/*.arrow", *MADE[1:]) for path in out.glob(pattern)]
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in paths}


def test_folders_among_files_are_named_and_go_in_a_repair(root):
    out = root / "out"
    whole = tree(out)
    strays = ["documents/train/stray.arrow", "rejected/stray.jsonl"]
    for stray in strays:
        (out / stray).mkdir()
        (out / stray / "inside").touch()
    assert faults_of(out) == [f"{stray}: no record names it" for stray in strays]
    run(root, repair=True)
    assert tree(out) == whole
    assert faults_of(out) == []


@all_damages
@pytest.mark.parametrize("pattern", MADE)
def test_a_damaged_chunk_is_named_and_only_it_is_made_again(root, pattern, damage):
    out = root / "out"
    whole, files = tree(out), files_of(out)
    path = first(out, pattern)
    damage(path)
    faults = faults_of(out)
    hurt = {name for name in whole if tree(out).get(name) != whole[name]}
    # A copy that was swapped in is damage to both.
    assert len(hurt) == (2 if damage is swap else 1)
    assert {fault.partition(": ")[0] for fault in faults} == hurt
    remove(misplaced(out))
    take_back(out, damaged_chunks(out))
    assert update(out, root / "in", SAVED) == whole
    of_hurt = {Path(name).name[:32] for name in hurt}
    written = {path.name[:32] for path, stat in files_of(out).items() if files[path] != stat}
    assert written <= of_hurt
    assert faults_of(out) == []


@all_damages
@pytest.mark.parametrize("name", DERIVED)
def test_a_file_that_follows_from_others_is_named_and_written_again(root, name, damage):
    out = root / "out"
    whole, files, everything = tree(out), files_of(out), bytes_of(out)
    damage(out / name)
    faults = faults_of(out)
    now = bytes_of(out)
    # Of two that were swapped, one may keep the other from being looked at.
    hurt = {each for each in everything if now.get(each) != everything[each]}
    assert faults or all(each.startswith("_run/") for each in hurt)
    assert all(any(each in fault for each in hurt) for fault in faults)
    if refused := refusal(lambda: run(root)):
        assert any(each in refused for each in hurt)
        assert "--repair" in refused
    else:
        assert tree(out) == whole
    run(root, repair=True)
    assert tree(out) == whole
    assert files_of(out) == files
    assert faults_of(out) == []


@all_damages
def test_a_plan_is_written_again(root, damage):
    out = root / "out"
    whole = tree(out)
    damage(out / "_run/plan.jsonl")
    run(root, repair=True)
    assert tree(out) == whole
    assert faults_of(out) == []


@all_damages
@pytest.mark.parametrize("name", ["shards", "rejected_files", "inputs"])
def test_a_long_list_is_named_and_written_again(root, name, damage, monkeypatch):
    monkeypatch.setattr(lists, "INLINE_ROWS", 0)
    out = root / "out"
    run(root)
    assert faults_of(out) == []
    whole = tree(out)
    damage(out / f"{name}.parquet")
    # Of two that were swapped, one may keep the other from being looked at.
    assert any(f"{name}.parquet" in each or damage is swap for each in faults_of(out))
    run(root, repair=True)
    assert tree(out) == whole


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_flipped_byte_is_found_and_mended(made, tmp_path_factory, data):
    root = shutil.copytree(made, tmp_path_factory.mktemp("flip") / "copy")
    out = root / "out"
    whole = tree(out)
    name = data.draw(st.sampled_from(sorted(whole)))
    flip(out / name, data.draw(st.floats(0, 1, exclude_max=True)), data.draw(st.integers(1, 255)))
    faults = faults_of(out)
    assert any(name in fault for fault in faults), faults
    take_back(out, damaged_chunks(out))
    update(out, root / "in", SAVED)
    run(root, repair=True)
    assert tree(out) == whole
