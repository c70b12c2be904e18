"""Bytes of inputs: whole streams come back, broken ones say so after all that was good."""

import gzip
import hashlib
import io
import random
import zlib

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from pipeline import streams
from pipeline.streams import (
    BLOCK_BYTES,
    STEP_BYTES,
    DamagedInputError,
    ReadBytes,
    blocks,
    compression_of,
)

PACK = {"gzip": lambda data: gzip.compress(data, mtime=0), "zstd": zstd.compress}

each_compression = pytest.mark.parametrize("compression", PACK)


class Trickle(io.BytesIO):
    """A stream that gives at most a few bytes at a time, as networks may."""

    def __init__(self, data, most):
        super().__init__(data)
        self._most = most

    def read(self, size=-1):
        return super().read(min(size, self._most) if size >= 0 else self._most)


def read_until_damage(data, compression):
    good, damage = [], None
    try:
        good.extend(blocks(io.BytesIO(data), compression, ReadBytes()))
    except DamagedInputError as error:
        damage = str(error)
    return b"".join(good), damage


@each_compression
@given(parts=st.lists(st.binary(max_size=200), min_size=1), most=st.integers(1, 300))
def test_members_one_after_another_give_all_their_bytes(compression, parts, most):
    packed = b"".join(PACK[compression](part) for part in parts)
    got = blocks(Trickle(packed, most), compression, ReadBytes())
    assert b"".join(got) == b"".join(parts)


@each_compression
@given(data=st.data())
def test_a_cut_stream_gives_a_prefix_and_says_that_it_is_cut(compression, data):
    text = data.draw(st.binary(min_size=1, max_size=5000))
    packed = PACK[compression](text)
    cut = data.draw(st.integers(0, len(packed) - 1))
    good, damage = read_until_damage(packed[:cut], compression)
    assert text.startswith(good)
    assert damage == f"truncated {compression} stream"


@each_compression
@given(garbage=st.binary(min_size=20).filter(lambda data: data.strip(b"\0")))
def test_garbage_after_a_member_is_damage(compression, garbage):
    packed = PACK[compression](b"good") + b"\x01" + garbage
    good, damage = read_until_damage(packed, compression)
    assert good == b"good"
    assert damage is not None


def test_all_that_stands_before_the_damage_of_gzip_comes():
    """Found by fuzzing: a call of zlib that meets damage gives nothing of what it had good."""
    text = random.Random(1).randbytes(3 * STEP_BYTES + 5)
    packer = zlib.compressobj(wbits=31)
    packed = packer.compress(text) + packer.flush(zlib.Z_FULL_FLUSH)
    assert read_until_damage(packed + b"\xff" * 20, "gzip") == (
        text,
        "corrupt gzip stream: Error -3 while decompressing data: invalid block type",
    )


@pytest.mark.parametrize("room", range(1, 12))
def test_what_a_call_of_zlib_had_no_room_for_comes_before_the_damage(monkeypatch, room):
    monkeypatch.setattr(streams, "BLOCK_BYTES", room)
    packer = zlib.compressobj(wbits=31)
    packed = packer.compress(b"ebb flood " * 9) + packer.flush(zlib.Z_FULL_FLUSH)
    good, damage = read_until_damage(packed + b"\xff" * 20, "gzip")
    assert good == b"ebb flood " * 9
    assert damage is not None


def test_little_is_lost_before_the_damage_of_zstd():
    text = random.Random(1).randbytes(3 * STEP_BYTES + 5)
    packer = zstd.ZstdCompressor()
    packed = packer.compress(text, mode=zstd.ZstdCompressor.FLUSH_BLOCK)
    good, damage = read_until_damage(packed + b"\xff" * 20, "zstd")
    assert text.startswith(good)
    assert len(text) - len(good) < STEP_BYTES
    assert damage is not None


def test_zero_padding_after_gzip_is_allowed():
    packed = PACK["gzip"](b"a") + bytes(BLOCK_BYTES + 7) + PACK["gzip"](b"b") + bytes(3)
    assert read_until_damage(packed, "gzip") == (b"ab", None)


def test_skippable_frames_of_zstd_are_skipped():
    skippable = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"hello"
    packed = skippable + PACK["zstd"](b"a") + skippable
    assert read_until_damage(packed, "zstd") == (b"a", None)


@each_compression
def test_a_bomb_comes_in_bounded_blocks(compression):
    size = 20 * BLOCK_BYTES + 3
    packed = PACK[compression](bytes(size))
    assert len(packed) < size // 100
    sizes = [len(block) for block in blocks(io.BytesIO(packed), compression, ReadBytes())]
    assert sum(sizes) == size
    assert max(sizes) <= BLOCK_BYTES


@given(data=st.binary(max_size=3000), most=st.integers(1, 3000))
def test_what_is_read_is_counted_and_hashed_as_stored(data, most):
    packed = PACK["gzip"](data)
    read = ReadBytes()
    list(blocks(Trickle(packed, most), "gzip", read))
    assert read.n_bytes == len(packed)
    assert read.blake2b == hashlib.blake2b(packed, digest_size=16).hexdigest()


@pytest.mark.parametrize(
    ("path", "compression"),
    [
        ("a/b.txt", None),
        ("a/b.txt.gz", "gzip"),
        # Suffixes are not case-sensitive.
        ("B.JSONL.ZST", "zstd"),
        # The folder's suffix is not the file's.
        ("a.gz/b.txt", None),
        ("s3://bucket/a.jsonl.zst", "zstd"),
    ],
)
def test_compression_goes_by_suffix(path, compression):
    assert compression_of(path) == compression
