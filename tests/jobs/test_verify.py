"""`duologue verify`: silent on a whole output, and every damage is named."""

import hashlib
import json
import shutil

import pyarrow as pa
import pytest

from jobs.verify import verify
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


def edit_record(out, edit, name=""):
    """Edit the record of the chunk whose paths begin with the name, else the first."""
    path = min(out.glob(f"_chunks/{name.partition('-')[0]}*.json"))
    record = json.loads(path.read_bytes())
    edit(record)
    path.write_text(json.dumps(record))


def edit_shard(out, path, **fields):
    """Say something else of a shard, in manifest and record."""

    def edit(told):
        [shard] = [each for each in told["shards"] if out / each["path"] == path]
        shard.update(fields)

    edit_manifest(out, edit)
    edit_record(out, edit, path.name)


def agree(out, path, **fields):
    """Make manifest and record agree with a shard as it is."""
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    edit_shard(out, path, sha256=digest, size_bytes=len(data), **fields)


def rewrite(out, edit, config="documents"):
    """Change the rows of a shard, and make manifest and record agree with the new file."""
    path = shard_of(out, config)
    with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as reader:
        table = reader.read_all()
    rows = table.to_pylist()
    edit(rows)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(pa.Table.from_pylist(rows, schema=table.schema))
    players = [sum(row["player"].count(player) for row in rows) for player in range(3)]
    agree(out, path, rows=len(rows), tokens_by_player=players, tokens=sum(players))


def flip_byte(out):
    path = shard_of(out)
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)
    return [f"{path.parent.parent.name}/train/{path.name}: its sha256 is not the manifest's"]


def lose_shard(out):
    path = shard_of(out)
    path.unlink()
    return [f"documents/train/{path.name}: is missing"]


def add_shard(out):
    shutil.copy(shard_of(out), out / "documents/train/extra.arrow")
    return ["documents/train/extra.arrow: no shard of the manifest"]


def edit_count(out):
    path = shard_of(out)
    edit_shard(out, path, rows=10_000)
    return [f"{path.relative_to(out).as_posix()}: (rows, tokens by player, tokens)"]


def edit_drops(out):
    def edit(drops):
        drops["empty"] = drops.get("empty", 0) + 1

    edit_manifest(out, lambda told: edit(told["drops"]["episodes"]))
    edit_record(out, lambda told: edit(told["counts"]["configs"]["episodes"]["documents_dropped"]))
    return ["manifest.json: episodes: ", "are not the"]


def edit_manifest_alone(out):
    def edit(manifest):
        manifest["inputs"][0]["size_bytes"] += 1
        manifest["counts"]["bytes"] = True
        manifest["config"]["holdout"] = 0.3
        del manifest["shards"][0]["rows"]

    edit_manifest(out, edit)
    return ["manifest.json: config, shards, counts, inputs: not what the records beside it"]


def edit_tokenizer_names(out):
    path = out / "tokenizer_config.json"
    path.write_text(path.read_text().replace("<pad>", "<eos>"))
    return ["manifest.json: tokenizer: not what the records beside it"]


def spoil_tokenizer_names(out):
    path = out / "tokenizer_config.json"
    path.write_text(path.read_text().replace('"<pad>"', "{}"))
    return ["tokenizer.json: is no tokenizer, or lacks what tokenizer_config.json names"]


def spoil_tokenizer(out):
    path = out / "tokenizer.json"
    path.write_text(path.read_text().replace('"BPE"', '"?"'))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    edit_manifest(out, lambda told: told.update(tokenizer_sha256=digest))
    return ["tokenizer.json: is no tokenizer, or lacks what tokenizer_config.json names"]


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


def lose_rejected(out):
    lost = [{"path": "rejected/x.jsonl", "rows": 0, "sha256": ""}]
    edit_manifest(out, lambda told: told.update(rejected_files=lost))
    edit_record(out, lambda told: told.update(rejected=lost))
    return ["rejected/x.jsonl: is missing"]


def add_rejected(out):
    (out / "rejected").mkdir(exist_ok=True)
    (out / "rejected/x.jsonl").touch()
    return ["rejected/x.jsonl: not named by the manifest"]


def change_tokenizer(out):
    path = out / "tokenizer.json"
    path.write_text(path.read_text() + "\n")
    return ["tokenizer.json: is not the one that the manifest names"]


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
    *(flip_byte, lose_shard, add_shard, edit_count, edit_drops, change_player, change_token),
    *(forge_control, shift_bytes, move_split, lose_rejected, add_rejected, change_tokenizer),
    *(edit_manifest_alone, edit_tokenizer_names, spoil_tokenizer_names, spoil_tokenizer),
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
    assert "its sha256 is not the manifest's" in damaged.err
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
