import io
import json

import pyarrow as pa
import pytest
from rich.console import Console
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from jobs.inspect import draw_rows, inspect
from schemas.episode import row_schema
from schemas.errors import UserError
from schemas.keys import digest
from tests.running import duologue

EOS = "<eos>"


def byte_tokenizer():
    """A token a byte, so that characters are split wherever they can be."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({c: i for i, c in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([EOS])
    return tokenizer


def row(name, parts, tokenizer, *, game="label"):
    """A row of `parts`, (kind, player, text); a delimiter is one token."""
    ids, player, segments, byte = [], [], [], 0
    for kind, owner, text in parts:
        piece = tokenizer.encode(text, add_special_tokens=False).ids
        start, size = len(ids), 0 if kind == "delimiter" else len(text.encode())
        ids += piece
        player += [owner] * len(piece)
        segments.append(
            {
                "kind": kind,
                "player": owner,
                "game": "text" if kind == "text" else game,
                "episode": None if kind == "text" else 0,
                "turn": None if kind == "text" else max(owner - 1, 0),
                "start": start,
                "end": len(ids),
                "byte_start": byte,
                "byte_end": byte + size,
            }
        )
        byte += size
    return {
        "id": digest([name]),
        "source": f"{name}.txt",
        "source_offset": 0,
        "game": game,
        "input_ids": ids,
        "player": player,
        "segments": segments,
        "is_truncated": False,
    }


def write_shard(path, rows, *, batch_rows=2):
    path.parent.mkdir(parents=True, exist_ok=True)
    shard = pa.Table.from_pylist(rows, schema=row_schema(pa.uint16()))
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, shard.schema) as writer:
        writer.write_table(shard, max_chunksize=batch_rows)
    by_player = [sum(row["player"].count(p) for row in rows) for p in range(3)]
    return {
        "path": f"{path.parent.parent.name}/{path.parent.name}/{path.name}",
        "config": path.parent.parent.name,
        "split": path.parent.name,
        "rows": len(rows),
        "tokens": sum(by_player),
        "tokens_by_player": by_player,
        "size_bytes": path.stat().st_size,
        "sha256": "0" * 64,
    }


@pytest.fixture
def output(tmp_path):
    """An output of two shards in episodes/train and one in documents/train."""
    tokenizer = byte_tokenizer()
    tokenizer.save(str(tmp_path / "tokenizer.json"))

    def qa(name):
        question, answer = f"Où est {name} ?", f"Là: {name} 日本[b]"
        return row(
            name,
            [
                ("question", 1, question),
                ("delimiter", 1, EOS),
                ("answer", 2, answer),
                ("delimiter", 2, EOS),
            ],
            tokenizer,
        )

    document = row("prose", [("text", 0, "Only nature.\x1b[2J\n" * 20)], tokenizer, game="text")
    shards = [
        write_shard(tmp_path / "episodes/train/a.arrow", [qa(f"a{i}") for i in range(5)]),
        write_shard(tmp_path / "episodes/train/b.arrow", [qa(f"b{i}") for i in range(4)]),
        write_shard(tmp_path / "documents/train/a.arrow", [document]),
        write_shard(tmp_path / "documents/test/a.arrow", []),
    ]
    manifest = {
        "schema_version": 1,
        "config": {},
        "tokenizer_sha256": "0" * 64,
        "tokenizer": {"eos": EOS, "bos": EOS, "pad": EOS, "is_lossless": True},
        "shards": shards,
        "inputs": [],
        "skipped_inputs": {},
        "rejected_files": [],
        "bytes_left_out": {},
        "counts": {
            "documents": 40,
            "documents_rejected": 2,
            "bytes": 2000,
            "bytes_by_kind": {},
            "bytes_by_game": {"text": 500, "label": 1400, "doctest": 100},
            "episodes_by_game": {"doctest": 12, "label": 1234567},
        },
        "drops": {"episodes": {"too-long": 3, "empty": 14}},
        "episode_drops": {"episodes": {"over max-tokens": 5}},
        "rejected": {"invalid UTF-8": 2},
        "damaged_inputs": [
            {"source": "bad\x1b[31m.gz", "byte_offset": None, "reason": "ends too early"}
        ],
    }
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    return tmp_path


def printed(out_dir, **options):
    console = Console(file=io.StringIO(), width=80, _environ={})
    inspect(out_dir, console=console, **options)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def cells(line):
    return line.split()


def test_summary_adds_up_the_shards_of_a_split(output):
    lines = printed(output, n_rows=0).splitlines()
    by_name = {tuple(cells(line)[:2]): cells(line)[2:] for line in lines[1:5]}
    # Nine rows. "Où est a0 ?" has 12 bytes, "Là: a0 日本[b]" 17, and each turn ends in one token.
    assert by_name["episodes", "train"] == [
        "9", "279", "0", "(0%)", "117", "(42%)", "162", "(58%)",
    ]  # fmt: skip
    assert by_name["documents", "train"][0] == "1"


def test_summary_shows_games_drops_rejects_and_damage(output):
    shown = printed(output, n_rows=0)
    assert "bytes in episodes: 75.0% of 2,000" in shown
    rows = [cells(line) for line in shown.splitlines()]
    games = [row for row in rows if row[:1] in (["label"], ["doctest"])]
    assert games == [["label", "1,234,567", "1,400", "70.0%"], ["doctest", "12", "100", "5.0%"]]
    assert "documents dropped from episodes: empty 14, too-long 3" in shown
    assert "episodes dropped from episodes: over max-tokens 5" in shown
    assert "documents rejected: invalid UTF-8 2" in shown
    assert "bad␛[31m.gz: ends too early" in shown
    assert "\x1b" not in shown


def test_damage_too_long_for_the_manifest_is_named(output):
    manifest = json.loads((output / "manifest.json").read_text())
    manifest["damaged_inputs"] = {"path": "damaged.parquet", "rows": 123456, "sha256": ""}
    (output / "manifest.json").write_text(json.dumps(manifest))
    assert "damaged inputs: 123,456, listed in damaged.parquet" in printed(output, n_rows=0)


def test_rows_are_decoded_segment_by_segment(output):
    lines = printed(output, n_rows=9).splitlines()
    start = lines.index("[Q|label] Où est b2 ?")
    assert lines[start - 1 : start + 4] == [
        "‹episode 0: label›",
        "[Q|label] Où est b2 ?",
        "[delimiter|label] <eos>",
        "[A|label] Là: b2 日本[b]",
        "[delimiter|label] <eos>",
    ]
    assert sum(line.startswith("[Q|label]") for line in lines) == 9


def test_nature_is_escaped_and_shortened(output):
    shown = printed(output, config="documents")
    assert "\x1b" not in shown
    assert shown.count("Only nature.␛[2J") == 6
    assert "… 14 lines …" in shown


def drawn_ids(shards, n_rows, seed=0):
    return [row["id"] for row in draw_rows(shards, n_rows, seed=seed)]


def test_the_draw_does_not_depend_on_shards_or_batches(output):
    shards = sorted((output / "episodes/train").glob("*.arrow"))
    rows = draw_rows(shards, 99)
    assert len(rows) == 9
    write_shard(output / "again/train/all.arrow", rows[::-1], batch_rows=7)
    again = [output / "again/train/all.arrow"]
    for n_rows in range(1, 10):
        assert drawn_ids(again, n_rows) == drawn_ids(shards, n_rows)
        assert drawn_ids(shards[::-1], n_rows) == drawn_ids(shards, 99)[:n_rows]


def test_another_seed_draws_other_rows(output):
    shards = sorted((output / "episodes/train").glob("*.arrow"))
    first = {drawn_ids(shards, 1, seed)[0] for seed in range(200)}
    assert first <= set(drawn_ids(shards, 9))
    assert len(first) > 4


def test_counts_of_nothing_are_left_out(output):
    manifest = json.loads((output / "manifest.json").read_text())
    manifest["counts"] |= {"bytes": 0, "bytes_by_game": {}, "episodes_by_game": {}}
    manifest |= {"drops": {"episodes": {}}, "episode_drops": {}, "rejected": {}}
    (output / "manifest.json").write_text(json.dumps(manifest | {"damaged_inputs": []}))
    shown = printed(output)
    for words in ("dropped", "share of bytes", "rejected", "damaged"):
        assert words not in shown
    assert shown.count("[Q|label]") == 3


def remove_manifest(out_dir):
    (out_dir / "manifest.json").unlink()


def spoil_manifest(out_dir):
    (out_dir / "manifest.json").write_text('{"shards": [')


def empty_manifest(out_dir):
    (out_dir / "manifest.json").write_text("[]")


def remove_shard(out_dir):
    (out_dir / "episodes/train/a.arrow").unlink()


def cut_shard(out_dir):
    shard = out_dir / "episodes/train/a.arrow"
    shard.write_bytes(shard.read_bytes()[:700])


def empty_shard(out_dir):
    (out_dir / "episodes/train/a.arrow").write_bytes(b"")


def fold_shard(out_dir):
    remove_shard(out_dir)
    (out_dir / "episodes/train/a.arrow").mkdir()


def other_shard(out_dir):
    """Of another schema."""
    table = pa.table({"id": ["x"]})
    with (
        pa.OSFile(str(out_dir / "episodes/train/a.arrow"), "wb") as sink,
        pa.ipc.new_stream(sink, table.schema) as writer,
    ):
        writer.write_table(table)


def spoil_offsets(column):
    """Offsets of a column's strings or lists lead out of their buffer; reading them may crash."""

    def spoil(out_dir):
        for shard in (out_dir / "episodes/train").iterdir():
            data = shard.read_bytes()
            with pa.BufferReader(data) as file, pa.ipc.open_stream(file) as reader:
                at = data.index(reader.read_next_batch()[column].buffers()[1].to_pybytes())
            shard.write_bytes(data[: at + 4] + b"\xff\xff\xff\x7f" + data[at + 8 :])

    return spoil


def spoil_text(out_dir):
    """A game that is no UTF-8."""
    for shard in (out_dir / "episodes/train").iterdir():
        shard.write_bytes(shard.read_bytes().replace(b"labellabel", b"label\xff\xff\xff\xff\xff"))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (remove_manifest, "no manifest.json.*prepare"),
        (spoil_manifest, "can't be read.*prepare"),
        (empty_manifest, "not a manifest.*prepare"),
        (remove_shard, "a.arrow can't be read.*--repair"),
        (cut_shard, "a.arrow can't be read.*--repair"),
        (empty_shard, "a.arrow can't be read.*--repair"),
        (fold_shard, "a.arrow can't be read.*--repair"),
        (other_shard, "a.arrow can't be read.*does not hold rows.*--repair"),
        (spoil_offsets("id"), "arrow can't be read.*--repair"),
        (spoil_offsets("source"), "arrow can't be read.*--repair"),
        (spoil_offsets("input_ids"), "arrow can't be read.*--repair"),
        (spoil_text, "arrow can't be read.*--repair"),
    ],
)
def test_what_is_not_a_finished_output_is_refused_with_the_mend(output, spoil, words):
    spoil(output)
    with pytest.raises(UserError, match=words) as error:
        printed(output)
    assert str(output) in str(error.value)


def test_a_split_without_rows_names_those_that_have_some(output):
    with pytest.raises(UserError, match="documents/train, episodes/train"):
        printed(output, config="documents", split="test")


@pytest.mark.parametrize("options", [("--config", "rows"), ("--split", "dev")])
def test_no_such_config_or_split_is_a_usage_error(tmp_path, options):
    ran = duologue("inspect", tmp_path, *options)
    assert ran.code == 2
    assert f"'{options[1]}' is not one of" in ran.said


def test_no_byte_of_a_shard_brings_it_down(output):
    """Whatever is damaged, there are rows or one error that names the shard."""
    manifest = json.loads((output / "manifest.json").read_text())
    manifest["shards"] = manifest["shards"][:1]
    (output / "manifest.json").write_text(json.dumps(manifest))
    shard = output / "episodes/train/a.arrow"
    data = shard.read_bytes()
    said = []
    for at in range(0, len(data), 7):
        shard.write_bytes(data[:at] + bytes([data[at] ^ 0x81]) + data[at + 1 :])
        try:
            printed(output)
        except UserError as error:
            said.append(str(error))
    assert len(said) > 20
    assert all(str(shard) in words and "--repair" in words for words in said)
