"""`duologue prepare` end to end: the same bytes however it ran, and files that others open."""

import contextlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tokenizers import Tokenizer

from jobs.verify import verify
from tests.running import (
    COMMON,
    command,
    duologue,
    exchange,
    jsonl,
    manifest_of,
    once,
    rows_of,
    rows_of_shard,
    text_of,
    tree,
    write_corpus,
)
from transforms.train_tokenizer import train_bpe

WATCH_SECONDS = 300


@pytest.fixture
def argv(corpus, tokenizer_file):
    """A function from an output to the command that `prepared` was made with."""
    return lambda out, *more: [
        *("prepare", corpus, "--out", out, "--tokenizer", tokenizer_file),
        *COMMON,
        *more,
    ]


def chunks_of(out):
    return list((out / "_chunks").glob("*.json"))


def until(holds, running):
    """Wait until holds(); the command must still run then."""
    end = time.monotonic() + WATCH_SECONDS
    while not holds():
        assert running.poll() is None, f"ended with {running.returncode} before its time"
        assert time.monotonic() < end
        running_out = max(0.0, end - time.monotonic())
        # Not a sleep: it returns as soon as the command ends.
        try:
            running.wait(min(0.005, running_out))
        except subprocess.TimeoutExpired:
            continue


@contextlib.contextmanager
def started(argv, said=subprocess.DEVNULL):
    """The command, running; killed if it still is in the end."""
    running = subprocess.Popen(
        command(*argv), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said
    )
    try:
        yield running
    finally:
        running.kill()
        running.wait()


def test_a_prepared_corpus_keeps_every_document(prepared, corpus):
    tokenizer = Tokenizer.from_file(str(prepared / "tokenizer.json"))
    text = {row["source"]: text_of(row, tokenizer) for row in rows_of(prepared, "documents")}
    files = {path.relative_to(corpus).as_posix(): path for path in corpus.rglob("*.*")}
    for name, path in files.items():
        if path.suffix in {".txt", ".md"} and path.stat().st_size:
            assert text.pop(name) == path.read_text()
    assert text.pop("old.txt.gz") == exchange(300)
    offset = 0
    for line in (corpus / "talk.jsonl").read_bytes().splitlines(keepends=True):
        assert text.pop(f"talk.jsonl#{offset}") == json.loads(line)["text"]
        offset += len(line)
    assert [text.pop(f"rows.parquet#{i}") for i in range(120)] == [
        exchange(1000 + i) for i in range(120)
    ]
    assert {name.partition("#")[0] for name in text} == {"pieces.jsonl.zst"}
    assert sorted(text.values()) == sorted(exchange(700 + i) for i in range(200))
    assert manifest_of(prepared)["drops"]["documents"] == {"empty": 1}


def test_what_is_read_in_pieces_gives_a_shard_a_piece_and_one_record(prepared):
    names = {
        path.name
        for path in prepared.glob("documents/*/*.arrow")
        if rows_of_shard(path)[0]["source"].startswith("pieces.jsonl.zst#")
    }
    [digest] = {name.partition("-")[0] for name in names}
    assert names == {f"{digest}-{i:05d}.arrow" for i in range(len(names))}
    assert (prepared / f"_chunks/{digest}.json").exists()
    assert len(names) > 2
    assert not list((prepared / "_run").glob("pieces/*/*"))


def test_every_split_has_whole_sources(prepared):
    sources = {
        split: {
            row["source"]
            for config in ("documents", "episodes")
            for row in rows_of(prepared, config, split)
        }
        for split in ("train", "validation", "test")
    }
    assert all(sources.values())
    assert sum(map(len, sources.values())) == len(set.union(*sources.values()))


def test_two_workers_give_the_same_bytes(argv, prepared, tmp_path):
    ran = duologue(*argv(tmp_path / "out", "--workers", 2))
    assert ran.code == 0, ran.err
    assert tree(tmp_path / "out") == tree(prepared)


def test_nothing_written_names_the_output_or_the_machine(prepared, corpus):
    for path in prepared.rglob("*"):
        if path.is_file() and "_run" not in path.parts:
            data = path.read_bytes()
            assert os.fsencode(prepared) not in data
            assert os.fsencode(corpus) not in data


def test_a_finished_job_run_again_changes_no_byte(argv, prepared, tmp_path):
    # A copy: others read the fixture at the same time.
    out = tmp_path / "out"
    shutil.copytree(prepared, out)
    ran = duologue(*argv(out))
    assert ran.code == 0, ran.err
    assert "committed already: " in ran.err
    assert tree(out) == tree(prepared)


def test_a_killed_run_goes_on_to_the_same_bytes(argv, prepared, tmp_path):
    out = tmp_path / "out"
    rng = random.Random(5)
    moments = [
        # Before the config says what the folder is.
        lambda: (out / "_run/lock").exists(),
        lambda: (out / "_run/plan.jsonl").exists(),
        # Amid the chunks.
        *(lambda k=k: len(chunks_of(out)) >= k for k in sorted(rng.sample(range(1, 20), 8))),
    ]
    for moment in moments:
        with started(argv(out, "--workers", 1)) as running:
            until(moment, running)
        assert not (out / "manifest.json").exists()
    ran = duologue(*argv(out, "--workers", 1))
    assert ran.code == 0, ran.err
    assert "resuming: " in ran.err
    assert tree(out) == tree(prepared)


def test_a_killed_worker_does_not_end_the_command(argv, prepared, tmp_path):
    out = tmp_path / "out"
    with (
        (tmp_path / "said").open("w+") as said,
        started(argv(out, "--workers", 2), said) as running,
    ):
        until(lambda: chunks_of(out), running)
        [driver] = psutil.Process(running.pid).children()
        workers = driver.children()
        assert len(workers) == 2
        workers[0].kill()
        code = running.wait(WATCH_SECONDS)
    said = (tmp_path / "said").read_text()
    assert code == 0, said
    assert "a worker process died" in said
    assert tree(out) == tree(prepared)


def test_a_worker_that_stands_still_is_waited_for_by_name(argv, prepared, tmp_path):
    out, said = tmp_path / "out", tmp_path / "said"
    with said.open("w+") as log, started(argv(out, "--workers", 2), log) as running:
        until(lambda: chunks_of(out), running)
        [driver] = psutil.Process(running.pid).children()
        straggler, other = driver.children()
        straggler.suspend()
        until(lambda: "waiting for" in said.read_text(), running)
        words = " ".join(said.read_text().split())
        found = re.search(r"waiting for (\d+) of (\d+) chunks: (\S+)", words)
        assert found, words
        n_left, n_chunks, name = int(found[1]), int(found[2]), found[3].rstrip(",")
        # The other worker has done its whole share, and ended.
        assert not other.is_running() or other.status() == psutil.STATUS_ZOMBIE
        assert n_left == n_chunks - len(chunks_of(out)) < n_chunks - 1
        assert (argv(out)[1] / name).exists()
        straggler.resume()
        assert running.wait(WATCH_SECONDS) == 0, said.read_text()
    assert tree(out) == tree(prepared)


def test_a_killed_command_leaves_no_process(argv, tmp_path):
    with started(argv(tmp_path / "out", "--workers", 2)) as running:
        until(lambda: chunks_of(tmp_path / "out"), running)
        children = psutil.Process(running.pid).children(recursive=True)
    # The driver and two workers.
    assert len(children) >= 3
    _, alive = psutil.wait_procs(children, timeout=WATCH_SECONDS)
    assert alive == []


def test_slices_and_finish_equal_one_run(argv, prepared, tmp_path):
    out = tmp_path / "out"
    first = duologue(*argv(out, "--slice", "0/2", "--workers", 1))
    assert first.code == 0, first.err
    assert f"duologue finish {out}" in first.out
    other = duologue(*argv(out, "--slice", "1/3"))
    assert other.code == 1
    assert "is being made in 2 slices, not 3: give --slice I/N with that N" in other.last_line
    early = duologue("finish", out)
    assert early.code == 1
    assert "are not committed; run prepare again with --slice 1/2, then finish" in early.err
    assert duologue(*argv(out, "--slice", "1/2", "--workers", 1)).code == 0
    assert duologue("finish", out).code == 0
    assert tree(out) == tree(prepared)


def test_a_damaged_plan_of_slices_is_noticed_and_mended_by_an_update(argv, prepared, tmp_path):
    out = tmp_path / "out"
    assert duologue(*argv(out, "--slice", "1/2", "--workers", 1)).code == 0
    shared = out / "_run/plan-2.jsonl"
    # Every second chunk is of the other slice.
    first, _, *others = shared.read_bytes().splitlines(keepends=True)
    shared.write_bytes(b"".join([first, *others]))
    ran = duologue(*argv(out, "--slice", "2/2", "--workers", 1))
    assert ran.code == 1
    assert "the job ended, and " in ran.last_line
    assert ran.last_line.endswith("plan-2.jsonl is damaged, with --update")
    ran = duologue("finish", out)
    assert ran.code == 1
    assert ran.last_line.endswith("run prepare again with --update")
    assert duologue(*argv(out, "--slice", "2/2", "--update")).code == 0
    assert duologue(*argv(out, "--slice", "1/2")).code == 0
    assert duologue("finish", out).code == 0
    assert tree(out) == tree(prepared)


def test_slices_that_see_the_inputs_elsewhere_are_updated(corpus, tokenizer_file, tmp_path):
    """Of two machines each has its own plan; then both see a new file."""
    out = tmp_path / "out"
    folders = [shutil.copytree(corpus, tmp_path / name / "corpus") for name in "ab"]

    def run(slice_number, *more):
        made = [*COMMON, "--workers", 1, "--slice", f"{slice_number}/2", *more]
        argv = ["prepare", folders[slice_number - 1], "--tokenizer", tokenizer_file, "--out", out]
        ran = duologue(*argv, *made)
        assert ran.code == 0, ran.err

    run(1)
    run(2)
    for folder in folders:
        (folder / "faq/new.txt").write_text(exchange(3000))
        os.utime(folder / "faq/new.txt", (1, 1))
    run(2, "--update")
    run(1)
    assert duologue("finish", out).code == 0
    argv = ["prepare", folders[0], "--tokenizer", tokenizer_file, *COMMON]
    assert duologue(*argv, "--out", tmp_path / "fresh").code == 0
    assert tree(out) == tree(tmp_path / "fresh")


def test_update_equals_a_fresh_run(corpus, prepared, tokenizer_file, tmp_path):
    changed, out = tmp_path / "corpus", tmp_path / "out"
    shutil.copytree(corpus, changed)
    shutil.copytree(prepared, out)
    (changed / "faq/00.txt").unlink()
    (changed / "faq/10b.txt").write_text(exchange(2000))
    edited = changed / "notes/old/05.md"
    # Of the same size: only the time stamp and the bytes tell.
    edited.write_text(edited.read_text().swapcase())
    # In another chunk: of one only the hash of all its bytes is known.
    os.utime(changed / "notes/old/10.md", (1, 1))
    argv = ["prepare", changed, "--tokenizer", tokenizer_file, *COMMON, "--workers", 1, "--out"]
    refused = duologue(*argv, out)
    assert refused.code == 1
    assert (
        "faq/00.txt (gone), faq/10b.txt (new), notes/old/05.md (edited); run with --update"
        in refused.err
    )
    assert tree(out) == tree(prepared)
    untouched = {path.name: path.stat().st_ino for path in chunks_of(out)}
    updated = duologue(*argv, out, "--update")
    assert updated.code == 0, updated.err
    kept = [path for path in chunks_of(out) if untouched.get(path.name) == path.stat().st_ino]
    assert len(kept) >= len(untouched) - 6
    fresh = duologue(*argv, tmp_path / "fresh")
    assert fresh.code == 0, fresh.err
    assert tree(out) == tree(tmp_path / "fresh")


def test_repair_makes_damaged_chunks_again(argv, prepared, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(prepared, out)
    shards = sorted(out.glob("documents/train/*.arrow"))
    flip(shards[0])
    shards[1].unlink()
    records = sorted(chunks_of(out))
    records[2].unlink()
    records[3].write_text("{")
    shutil.copy(records[5], records[4])
    (out / "README.md").unlink()
    flip(out / "tokenizer_config.json")
    (out / "_run/config.json").write_text("")
    hurt = {path.name[:32] for path in (*shards[:2], *records[2:5])}
    whole = {path: path.stat().st_ino for path in out.glob("*/*/*.arrow")}
    ran = duologue(*argv(out, "--repair", "--workers", 1))
    assert ran.code == 0, ran.err
    assert "damaged chunks to make again" in ran.err
    assert tree(out) == tree(prepared)
    made = {path.name[:32] for path, inode in whole.items() if path.stat().st_ino != inode}
    assert made <= hurt


def test_a_run_again_makes_shards_that_are_gone(argv, prepared, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(prepared, out)
    gone, cut, *_ = sorted(out.glob("documents/train/*.arrow"))
    gone.unlink()
    os.truncate(cut, 100)
    ran = duologue(*argv(out, "--workers", 1))
    assert ran.code == 0, ran.err
    first = "|".join(re.escape(str(each.relative_to(out))) for each in (gone, cut))
    assert re.search(rf"gone or cut short: ({first}) and 1 more; made again", ran.err)
    assert tree(out) == tree(prepared)


LOAD_ANY = """
import sys
import datasets

try:
    datasets.load_dataset(sys.argv[1], *sys.argv[2:], cache_dir="cache")
except Exception as error:
    print(str(error)[:200])
"""


CHAT = """
import json, sys
from transformers import AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
turns = [("user", "What is it?"), ("assistant", "A tide.")]
messages = [{"role": role, "content": content} for role, content in turns]
made = tokenizer.apply_chat_template(
    messages, return_dict=True, return_assistant_tokens_mask=True
)
prompt = tokenizer.apply_chat_template(messages[:1], tokenize=False, add_generation_prompt=True)
print(json.dumps({**made, "prompt": prompt, "eos": tokenizer.eos_token}))
"""


def test_chatml_comes_with_a_template_that_gives_the_same_tokens(tmp_path, tokenizer_file):
    (tmp_path / "a.txt").write_text("Q: What is it?\nA: A tide.\n")
    argv = ["prepare", tmp_path / "a.txt", "--tokenizer", tokenizer_file, "--workers", 1]
    out = tmp_path / "out"
    ran = duologue(*argv, "--out", out, "--delimiters", "chatml", "--holdout", 0)
    assert ran.code == 0, ran.err
    done = subprocess.run(
        [sys.executable, "-c", CHAT, out], stdout=subprocess.PIPE, check=True, text=True
    )
    made = json.loads(done.stdout)
    [row] = rows_of(out, "episodes")
    # BOS stands before every document in training, not in the shards.
    assert made["input_ids"][1:] == row["input_ids"]
    tokenizer = Tokenizer.from_file(str(out / "tokenizer.json"))
    chosen = [i for i, mask in zip(made["input_ids"], made["assistant_masks"], strict=True) if mask]
    assert tokenizer.decode(chosen, skip_special_tokens=False) == "A tide.<|im_end|>"
    assert made["prompt"].endswith("What is it?<|im_end|>\n<|im_start|>assistant\n")
    assert made["eos"] == "<|im_end|>"
    assert "End of turn: `<|im_end|>`" in (out / "README.md").read_text()
    plain = duologue(*argv, "--out", tmp_path / "eos")
    assert plain.code == 0, plain.err
    assert "chat_template" not in (tmp_path / "eos/tokenizer_config.json").read_text()


@pytest.mark.parametrize("config", [[], ["episodes"]])
def test_datasets_does_not_load_an_unfinished_output(argv, tmp_path, config):
    out = tmp_path / "out"
    assert duologue(*argv(out, "--slice", "0/2", "--workers", 1)).code == 0
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": f"{tmp_path}/hf"}
    done = subprocess.run(
        [sys.executable, "-c", LOAD_ANY, out, *config],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **offline},
        cwd=tmp_path,
        check=True,
    )
    assert "NOT FINISHED - run the same duologue prepare again" in done.stdout


def test_a_small_corpus_is_told_what_it_is_too_small_for(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(jsonl([exchange(i) for i in range(200)]))
    argv = ["prepare", tmp_path / "a.jsonl", "--workers", 1, "--tokenizer", "train:9999", "--out"]
    ran = duologue(*argv, tmp_path / "out")
    assert ran.code == 0, ran.err
    made = Tokenizer.from_file(str(tmp_path / "out/tokenizer.json"))
    n_entries = len(made.get_vocab(with_added_tokens=False))
    assert f"too small for that: the tokenizer has {n_entries}" in ran.err
    assert (
        "duologue compare needs answers of 20 test sources: for it, prepare with --holdout 0.2"
        in (ran.out)
    )
    assert "duologue compare" not in duologue(*argv, tmp_path / "two", "--holdout", 0.2).out
    (tmp_path / "a.jsonl").write_bytes(jsonl([exchange(i) for i in range(20)]))
    ran = duologue(*argv, tmp_path / "three")
    assert "for it, prepare 160 documents or more with --holdout 0.25" in ran.out


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_plan_says_how_an_output_stands(corpus, tokenizer_file, tmp_path):
    changed, out = shutil.copytree(corpus, tmp_path / "corpus"), tmp_path / "out"
    argv = ["prepare", changed, "--tokenizer", tokenizer_file, *COMMON, "--out", out]
    assert duologue(*argv, "--slice", "0/2").code == 0
    before = tree(tmp_path)
    half = duologue(*argv, "--plan")
    assert half.code == 0, half.err
    n_committed, n_chunks = map(
        int, re.search(r"(\d+) of (\d+) chunks committed", half.out).groups()
    )
    assert n_committed == len(list((out / "_chunks").iterdir())) < n_chunks
    (changed / "faq/00.txt").unlink()
    refused = duologue(*argv, "--plan")
    assert refused.code == 1
    assert "faq/00.txt (gone); run with --update" in refused.last_line
    updated = duologue(*argv, "--plan", "--update")
    assert updated.code == 0, updated.err
    assert "damaged, gone or out of date" in updated.out
    other = duologue(*argv, "--plan", "--delimiters", "tags")
    assert "was prepared with other options" in other.last_line
    assert {**tree(tmp_path), "corpus/faq/00.txt": before["corpus/faq/00.txt"]} == before


def test_plan_writes_nothing(argv, tmp_path, prepared):
    ran = duologue(*argv(tmp_path / "out", "--plan"))
    assert ran.code == 0, ran.err
    assert f"{len(chunks_of(prepared))} chunks" in ran.out
    assert "left out: 1 file that no reader takes (1 .png), notes/picture.png" in ran.err
    assert "cannot be cut, read as one: pieces.jsonl.zst" in ran.out
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def columns(tmp_path_factory, tokenizer_file):
    """The output of inputs with id and source columns, rows of at most 64 tokens."""
    folder = tmp_path_factory.mktemp("columns")
    texts = [exchange(i) for i in range(30)]
    names = [f"thread {i // 10}" for i in range(30)]
    records = [
        {"body": t, "key": i, "from": n} for i, (t, n) in enumerate(zip(texts, names, strict=True))
    ]
    (folder / "a.jsonl").write_bytes(b"".join(json.dumps(r).encode() + b"\n" for r in records))
    pq.write_table(pa.Table.from_pylist(records[:5]), folder / "b.parquet")
    ran = duologue(
        *("prepare", folder / "a.jsonl", folder / "b.parquet", "--out", folder / "out"),
        *("--text-column", "body", "--id-column", "key", "--source-column", "from"),
        *("--tokenizer", tokenizer_file, "--delimiters", "tags", "--max-tokens", 64),
        *("--configs", "documents", "--workers", 1),
    )
    assert ran.code == 0, ran.err
    return folder / "out"


def test_columns_name_rows_and_sources(columns):
    rows = list(rows_of(columns, "documents"))
    assert {row["source"] for row in rows} == {"thread 0", "thread 1", "thread 2"}
    first = [row["id"] for row in rows if row["source"] == "thread 0"]
    # The five documents of b.parquet have the keys, hence the ids, of five in a.jsonl.
    assert len(first) > len(set(first))
    assert list(verify(columns)) == []


def test_rows_keep_to_max_tokens(columns):
    rows = list(rows_of(columns, "documents"))
    assert max(len(row["input_ids"]) for row in rows) <= 64
    assert any(row["is_truncated"] for row in rows)
    assert not list(rows_of(columns, "episodes"))


def test_a_trained_tokenizer_is_trained_once(tmp_path):
    (tmp_path / "in").mkdir()
    for i in range(6):
        (tmp_path / "in" / f"{i}.txt").write_text(exchange(i))
    argv = ["prepare", tmp_path / "in", "--out", tmp_path / "out", "--workers", 1]
    assert duologue(*argv, "--tokenizer", "train:300").code == 0
    made = (tmp_path / "out/tokenizer.json").read_bytes()
    assert len(Tokenizer.from_str(made.decode()).get_vocab(with_added_tokens=False)) == 300
    (tmp_path / "in/new.txt").write_text("Zebras. " * 50)
    assert duologue(*argv, "--tokenizer", "train:300", "--update").code == 0
    assert (tmp_path / "out/tokenizer.json").read_bytes() == made
    other = duologue(*argv, "--tokenizer", "train:301")
    assert other.code == 1
    assert "--tokenizer is train:300 there, train:301 now" in other.err


LOAD = """
import json, sys
import datasets
from transformers import AutoTokenizer

one, two, shard = sys.argv[1:]
cache = {"cache_dir": "cache"}
def ids(rows):
    return [row["id"] for row in rows]
tokenizer = AutoTokenizer.from_pretrained(one)
mapped = datasets.Dataset.from_file(shard)
print(json.dumps({
    "default": {k: ids(v) for k, v in datasets.load_dataset(one, **cache).items()},
    "episodes": {k: ids(v) for k, v in datasets.load_dataset(one, "episodes", **cache).items()},
    "streaming": ids(datasets.load_dataset(one, split="train", streaming=True)),
    "two": {k: ids(v) for k, v in datasets.load_dataset(two, **cache).items()},
    "mapped": ids(mapped),
    "maps": [each["filename"] for each in mapped.cache_files],
    "special": [tokenizer.eos_token, tokenizer.bos_token, tokenizer.pad_token],
    "encoded": tokenizer.encode(sys.stdin.read(), add_special_tokens=False),
}))
"""


@pytest.fixture(scope="session")
def loaded(tmp_path_factory, prepared, tokenizer_file):
    """What other libraries see of an output, and of another one in a folder of the same name."""

    def make(folder):
        (folder / "in").mkdir(parents=True)
        (folder / "in/a.jsonl").write_bytes(jsonl([exchange(3000 + i) for i in range(9)]))
        two = folder / prepared.name
        argv = ["prepare", folder / "in", "--out", two, "--tokenizer", tokenizer_file]
        ran = duologue(*argv, *COMMON, "--workers", 1)
        assert ran.code == 0, ran.err
        shard = min(prepared.glob("documents/train/*.arrow"))
        offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": f"{folder}/hf"}
        done = subprocess.run(
            [sys.executable, "-c", LOAD, prepared, two, shard],
            input=exchange(1).encode(),
            stdout=subprocess.PIPE,
            env={**os.environ, **offline},
            cwd=folder,
            check=True,
        )
        (folder / "seen.json").write_bytes(done.stdout)

    folder = once(tmp_path_factory.getbasetemp(), "loaded", make)
    return json.loads((folder / "seen.json").read_bytes()), folder / prepared.name


@pytest.mark.parametrize(("seen", "config"), [("default", "documents"), ("episodes", "episodes")])
def test_datasets_loads_each_config_with_its_splits(loaded, prepared, seen, config):
    expected = {
        split: [row["id"] for row in rows_of(prepared, config, split)]
        for split in ("train", "validation", "test")
    }
    assert loaded[0][seen] == expected


def test_datasets_streams(loaded, prepared):
    assert loaded[0]["streaming"] == [row["id"] for row in rows_of(prepared, "documents", "train")]


def test_datasets_keeps_outputs_of_one_name_apart(loaded):
    seen, two = loaded
    assert sorted(each for ids in seen["two"].values() for each in ids) == sorted(
        row["id"] for row in rows_of(two, "documents")
    )


def test_datasets_maps_a_shard_in_place(loaded, prepared):
    shard = min(prepared.glob("documents/train/*.arrow"))
    assert loaded[0]["maps"] == [str(shard)]
    assert set(loaded[0]["mapped"]) <= {row["id"] for row in rows_of(prepared, "documents")}


def test_transformers_opens_the_tokenizer(loaded, prepared):
    tokenizer = Tokenizer.from_file(str(prepared / "tokenizer.json"))
    assert loaded[0]["special"] == ["<eos>", "<eos>", "<pad>"]
    assert loaded[0]["encoded"] == tokenizer.encode(exchange(1), add_special_tokens=False).ids


MEASURE = """
import json, subprocess, sys, time
import psutil

running = subprocess.Popen(sys.argv[1:])
me, peak = psutil.Process(running.pid), 0
while running.poll() is None:
    total = 0
    for process in [me, *me.children(recursive=True)] if me.is_running() else []:
        try:
            total += process.memory_info().rss
        except psutil.Error:
            continue
    peak = max(peak, total)
    try:
        running.wait(0.1)
    except subprocess.TimeoutExpired:
        pass
print(json.dumps([running.returncode, peak]))
"""


def peak_bytes(argv):
    """(exit code, most resident memory of the command's processes at once, shared pages too)."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *command(*argv)], stdout=subprocess.PIPE, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_a_hundred_thousand_small_files_stay_in_memory(tmp_path, tokenizer_file):
    # One text: tokenised once a chunk, so that the time goes into files and rows.
    text = "Q: Where is the tide?\nA: " + "tide harbour moon " * 54
    for i in range(100):
        (tmp_path / f"in/{i:03d}").mkdir(parents=True)
        for j in range(1000):
            (tmp_path / f"in/{i:03d}/{j:03d}.txt").write_text(text)
    out = tmp_path / "out"
    argv = ["prepare", tmp_path / "in", "--out", out, "--tokenizer", tokenizer_file]
    code, peak = peak_bytes([*argv, "--workers", 2])
    assert code == 0
    assert manifest_of(out)["counts"]["documents"] == 100_000
    # Two workers, each with a chunk of 32 MiB of text in its stages, and three interpreters.
    assert peak < 2 << 30


@pytest.mark.slow
def test_a_document_of_one_long_line_stays_in_memory(tmp_path):
    # Words that are a token each, so that tokenising takes seconds, not minutes.
    text = "question answer reasoning " * 2_000_000
    tokenizer = Tokenizer.from_str(train_bpe([text[:1000]], 320))
    tokenizer.add_special_tokens(["<eos>"])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "in").mkdir()
    (tmp_path / "in/long.txt").write_text(text)
    out = tmp_path / "out"
    argv = ["prepare", tmp_path / "in", "--out", out, "--tokenizer", tmp_path / "tokenizer.json"]
    code, peak = peak_bytes([*argv, "--workers", 1])
    assert code == 0
    [shard] = [each for each in manifest_of(out)["shards"] if each["config"] == "documents"]
    assert shard["tokens"] > 6_000_000
    assert peak < 2 << 30


def test_write_corpus_is_the_same_each_time(tmp_path, corpus):
    write_corpus(tmp_path / "again")
    assert tree(tmp_path / "again") == tree(corpus)
