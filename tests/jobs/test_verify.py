"""`duologue verify`: silent on a whole output, and every damage is named."""

import dataclasses
import hashlib
import json
import shutil

import pyarrow as pa
import pytest

from jobs.verify import verify
from pipeline.commit import read_record, record_bytes, record_path
from pipeline.manifest import write_manifest
from pipeline.output import read_config
from pipeline.plan import read_plan
from pipeline.tokenizer import load_output_tokenizer
from schemas.errors import UserError
from tests.running import duologue, manifest_of


@pytest.fixture
def out(prepared, tmp_path):
    """A copy to damage."""
    return shutil.copytree(prepared, tmp_path / "copy")


def shard_of(out, config="documents"):
    return min(out.glob(f"{config}/train/*.arrow"))


def edit_manifest(out, edit):
    manifest = manifest_of(out)
    edit(manifest)
    (out / "manifest.json").write_text(json.dumps(manifest))


def rewrite(out, edit, config="documents"):
    """Change the rows of a shard, and make record and manifest agree with the new file."""
    path = shard_of(out, config)
    with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as reader:
        table = reader.read_all()
    rows = table.to_pylist()
    edit(rows)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(pa.Table.from_pylist(rows, schema=table.schema))
    players = [sum(row["player"].count(player) for row in rows) for player in range(3)]
    agree(out, path, rows=len(rows), tokens_by_player=players, tokens=sum(players))


def agree(out, path, **fields):
    """Make record and manifest agree with a shard as it is."""
    data = path.read_bytes()
    now = {"sha256": hashlib.sha256(data).hexdigest(), "size_bytes": len(data), **fields}
    edit_shard_records(out, path, lambda shard: dataclasses.replace(shard, **now))


def edit_shard_records(out, path, edit):
    """Edit what is recorded of a shard, and finish the output anew."""
    record_file = record_path(out, path.name.partition("-")[0])
    record = read_record(record_file)
    shards = [edit(each) if out / each.path == path else each for each in record.shards]
    record_file.write_bytes(record_bytes(dataclasses.replace(record, shards=shards)))
    write_manifest(out, read_plan(out / "_run"), read_config(out), load_output_tokenizer(out))


def flip_byte(out):
    path = shard_of(out)
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)
    return [f"{path.parent.parent.name}/train/{path.name}: its sha256 is not its record's"]


def lose_shard(out):
    path = shard_of(out)
    path.unlink()
    return [f"documents/train/{path.name}: is missing"]


def add_shard(out):
    shutil.copy(shard_of(out), out / "documents/train/extra.arrow")
    return ["documents/train/extra.arrow: no record names it"]


def edit_count(out):
    def edit(manifest):
        manifest["shards"][0]["rows"] += 1

    edit_manifest(out, edit)
    return ["manifest.json: shards: not what _chunks says"]


def record_another_count(out):
    path = shard_of(out)
    edit_shard_records(out, path, lambda shard: dataclasses.replace(shard, rows=shard.rows + 1))
    return [f"{path.name}: (rows, tokens by player, tokens)"]


def record_another_drop(out):
    record_file = min((out / "_chunks").iterdir())
    record = read_record(record_file)
    record.counts["configs"]["episodes"]["documents_dropped"]["empty"] = 1
    record_file.write_bytes(record_bytes(record))
    write_manifest(out, read_plan(out / "_run"), read_config(out), load_output_tokenizer(out))
    return ["manifest.json: episodes: ", "are not the"]


def change_player(out):
    def edit(rows):
        rows[0]["player"][0] = 2 - rows[0]["player"][0] % 2

    rewrite(out, edit)
    return [shard_of(out).name]


def change_token(out):
    def edit(rows):
        rows[0]["input_ids"][0] ^= 1

    rewrite(out, edit)
    return [shard_of(out).name]


def forge_control(out):
    def edit(rows):
        content = next(s for s in rows[0]["segments"] if s["kind"] == "question")
        end_of_turn = next(s for s in rows[0]["segments"] if s["kind"] == "delimiter")
        rows[0]["input_ids"][content["start"]] = rows[0]["input_ids"][end_of_turn["start"]]

    rewrite(out, edit, "episodes")
    return [shard_of(out, "episodes").name, "control"]


def shift_bytes(out):
    def edit(rows):
        rows[0]["segments"][-1]["byte_end"] += 1

    rewrite(out, edit)
    return [shard_of(out).name]


def move_split(out):
    def edit(rows):
        for row in rows:
            row["source"] = "elsewhere"

    rewrite(out, edit)
    return [shard_of(out).name]


def name_rejected(out):
    def edit(manifest):
        manifest["rejected_files"] = [{"path": "rejected/x.jsonl", "rows": 0, "sha256": ""}]

    edit_manifest(out, edit)
    return ["manifest.json: rejected_files: not what _chunks says"]


def add_rejected(out):
    (out / "rejected").mkdir(exist_ok=True)
    (out / "rejected/x.jsonl").touch()
    return ["rejected/x.jsonl: no record names it"]


def change_tokenizer(out):
    path = out / "tokenizer.json"
    path.write_text(path.read_text() + "\n")
    return ["tokenizer.json: is missing, or is not the one that the manifest names"]


def spoil_arrow(out):
    """Offsets of strings that lead out of their buffer; reading them would crash."""
    path = shard_of(out)
    data = path.read_bytes()
    with pa.BufferReader(data) as file, pa.ipc.open_stream(file) as reader:
        at = data.index(reader.read_next_batch()["source"].buffers()[1].to_pybytes())
    path.write_bytes(data[: at + 4] + b"\xff\xff\xff\x7f" + data[at + 8 :])
    agree(out, path)
    return [f"{path.relative_to(out).as_posix()}: is no Arrow stream of rows: "]


def cut_arrow(out):
    path = shard_of(out)
    path.write_bytes(path.read_bytes()[:-400])
    agree(out, path)
    return [f"{path.relative_to(out).as_posix()}: is no Arrow stream of rows: "]


def rename_kind(out):
    rewrite(out, lambda rows: rows[0]["segments"][0].update(kind="prose"))
    return [f"{shard_of(out).name}: segments.kind: 'prose' is none"]


def put_nulls(out):
    """Where the schema allows none: Arrow itself does not look."""
    path = shard_of(out)
    with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as reader:
        table = reader.read_all()
    rows = table.to_pylist()
    rows[0]["source"] = None
    rows[0]["player"][0] = None
    rows[0]["segments"][0]["start"] = None
    columns = [pa.array([row[each.name] for row in rows], each.type) for each in table.schema]
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(pa.Table.from_arrays(columns, schema=table.schema))
    agree(out, path)
    return ["source: 1 nulls", "player: 1 nulls", "segments.start: 1 nulls"]


DAMAGES = [
    *(flip_byte, lose_shard, add_shard, edit_count, change_player, change_token),
    *(forge_control, shift_bytes, move_split, name_rejected, add_rejected, change_tokenizer),
    *(record_another_count, record_another_drop),
    *(spoil_arrow, cut_arrow, rename_kind, put_nulls),
]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_damage_is_named(out, damage):
    says = damage(out)
    faults = "\n".join(verify(out))
    for words in says:
        assert words in faults


@pytest.mark.parametrize("damage", [lose_shard, flip_byte])
def test_a_shard_that_is_not_read_is_the_only_fault(out, damage):
    says = damage(out)
    [fault] = verify(out)
    assert says[0] in fault


def test_a_whole_output_has_no_faults(prepared):
    assert list(verify(prepared)) == []


def test_rewriting_alone_is_no_fault(out):
    """So the rows' damages above are found by what they changed."""
    rewrite(out, lambda _: None)
    assert list(verify(out)) == []


def test_the_command_says_so(prepared, out):
    clean = duologue("verify", prepared)
    assert (clean.code, clean.out) == (0, f"{prepared}: no faults\n")
    flip_byte(out)
    damaged = duologue("verify", out)
    assert damaged.code == 1
    assert "its sha256 is not its record's" in damaged.err
    assert damaged.last_line.startswith(f"duologue: {out}: ")
    assert "--repair" in damaged.last_line


@pytest.mark.parametrize(
    ("name", "says"), [(None, r"no manifest\.json"), ("manifest.json", r"can't be read")]
)
def test_what_is_no_finished_output_is_refused(tmp_path, name, says):
    if name:
        (tmp_path / name).write_text("{")
    with pytest.raises(UserError, match=says):
        list(verify(tmp_path))
