"""Outputs in an object store: the bytes of a local run, killed or not, and clear refusals."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time

import pytest

from pipeline.remote import place, use_options
from tests.running import COMMON, command, tree

KILL_SECONDS = 120


@pytest.fixture
def url(bucket):
    """Where the output goes."""
    return f"s3://{bucket.name}/shards"


@pytest.fixture
def raw(bucket, corpus, as_store):  # noqa: ARG001 for what it does
    """The corpus in the store."""
    client = pytest.importorskip("boto3").client("s3")
    for path in corpus.rglob("*"):
        if path.is_file():
            client.upload_file(path, bucket.name, f"raw/{path.relative_to(corpus).as_posix()}")
    client.close()
    return f"s3://{bucket.name}/raw"


@pytest.fixture
def prepare(store, corpus, tokenizer_file, url):
    """Prepare the corpus into the store."""

    def run(*more, inputs=corpus, **env):
        return store.duologue(*argv(inputs, url, tokenizer_file), *more, **env)

    return run


def argv(inputs, url, tokenizer):
    return ["prepare", inputs, "--out", url, "--tokenizer", tokenizer, *COMMON, "--workers", 2]


def test_the_bytes_are_those_of_a_local_run(store, bucket, url, prepare, prepared):
    ran = prepare()
    assert ran.code == 0, ran.err
    assert ran.out.endswith(f"shards: {url}\n")
    assert "WARNING" not in ran.err
    assert tree(bucket / "shards") == tree(prepared)
    assert "committed already: " in prepare().err
    assert store.duologue("verify", url).out == f"{url}: no faults\n"
    assert "rows" in store.duologue("inspect", url, "-n", 2).out


def test_inputs_of_a_store_give_the_same_shards(bucket, raw, prepare, prepared):
    ran = prepare(inputs=raw)
    assert ran.code == 0, ran.err
    assert tree(bucket / "shards") == tree(prepared)


def test_an_output_below_an_input_is_no_input(store, bucket, raw, tokenizer_file):
    out = f"{raw}/shards"
    first, second = (store.duologue(*argv(raw, out, tokenizer_file)) for _ in range(2))
    assert (first.code, second.code) == (0, 0), first.err + second.err
    assert "committed already" in second.err
    assert (bucket / "raw/shards/manifest.json").exists()


def test_slices_then_finish(store, bucket, url, prepare, prepared):
    assert prepare("--slice", "1/2").code == 0
    assert "--slice 2/2, then finish" in store.duologue("finish", url).last_line
    assert prepare("--slice", "2/2").code == 0
    assert len([*(bucket / "shards/_run").glob("plan-*-2.jsonl")]) == 2
    ran = store.duologue("finish", url)
    assert ran.code == 0, ran.err
    assert tree(bucket / "shards") == tree(prepared)


def test_repair_makes_what_is_damaged_again(store, bucket, url, prepare, prepared):
    assert prepare().code == 0
    out = place(url)
    records = sorted((bucket / "shards/_chunks").iterdir())
    lost = json.loads(records[0].read_bytes())["shards"][0]["path"]
    (bucket / "shards" / lost).unlink()
    store_write(store, out / "_chunks" / records[1].name, b"{}")
    store_write(store, out / "tokenizer.json", b"{}")
    store_write(store, out / "documents/train/stranger.arrow", b"x")
    assert store.duologue("verify", url).code == 1
    ran = prepare("--repair")
    assert ran.code == 0, ran.err
    assert tree(bucket / "shards") == tree(prepared)


def store_write(store, path, data):
    with pytest.MonkeyPatch.context() as patch:
        for name, value in store.env.items():
            patch.setenv(name, value)
        use_options([])
        path.write_bytes(data)


def test_update_takes_changes_in(store, bucket, corpus, prepare, tokenizer_file, tmp_path):
    mine = shutil.copytree(corpus, tmp_path / "corpus")
    assert prepare(inputs=mine).code == 0
    (mine / "talk.jsonl").unlink()
    (mine / "faq/new.txt").write_text("Q: What came?\nA: This file.\n")
    assert "run with --update" in prepare(inputs=mine).last_line
    ran = prepare("--update", inputs=mine)
    assert ran.code == 0, ran.err
    assert store.duologue(*argv(mine, tmp_path / "out", tokenizer_file)).code == 0
    assert tree(bucket / "shards") == tree(tmp_path / "out")


def test_options_say_where_the_store_is_and_stay_secret(store, bucket, url, prepare, prepared):
    keys = {
        "s3_access_key_id": "AWS_ACCESS_KEY_ID",
        "s3_secret_access_key": "AWS_SECRET_ACCESS_KEY",
    }
    options = [f"--{option}={store.env[name]}" for option, name in keys.items()]
    options += ["--s3_endpoint_url", store.endpoint]
    without = dict.fromkeys([*keys.values(), "AWS_ENDPOINT_URL"])
    ran = prepare("--", *options, **without)
    assert ran.code == 0, ran.err
    assert tree(bucket / "shards") == tree(prepared)
    assert store.duologue("verify", url, "--", *options, **without).code == 0
    secret = store.env["AWS_SECRET_ACCESS_KEY"].encode()
    kept = [path for path in (bucket / "shards").rglob("*") if path.is_file()]
    assert not [path for path in kept if secret in path.read_bytes()]


def test_killed_at_many_moments_it_goes_on_to_the_same_bytes(
    store, bucket, corpus, tokenizer_file, url, prepare, prepared
):
    for n_records in (0, 1, 5, 10, 15, 19):
        with started(store, argv(corpus, url, tokenizer_file)) as child:
            wait_for_records(bucket, child, n_records)
            child.kill()
        assert len([*(bucket / "shards").glob("_chunks/*.json")]) >= n_records
        assert not (bucket / "shards/manifest.json").exists()
    ran = prepare()
    assert ran.code == 0, ran.err
    assert tree(bucket / "shards") == tree(prepared)


@contextlib.contextmanager
def started(store, given):
    """The command at work; in the end it is gone."""
    child = subprocess.Popen(
        command(*given),
        env={**os.environ, **store.env},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        yield child
    finally:
        child.kill()
        child.wait()
        child.stderr.close()


def wait_for_records(bucket, child, n_records):
    deadline = time.monotonic() + KILL_SECONDS
    # The plan is written before the first chunk.
    while (
        not (bucket / "shards/_run/plan.jsonl").exists()
        or len([*(bucket / "shards").glob("_chunks/*.json")]) < n_records
    ):
        assert child.poll() is None, child.stderr.read()
        assert time.monotonic() < deadline


def test_another_command_waits_its_turn_and_the_store_is_not_asked_all_the_time(
    store, bucket, corpus, tokenizer_file, url, prepare, prepared
):
    before = n_listings(store)
    with started(store, argv(corpus, url, tokenizer_file)) as child:
        wait_for_records(bucket, child, 1)
        # Stopped, it goes on holding the output.
        os.kill(child.pid, signal.SIGSTOP)
        assert "another job is writing to" in prepare().last_line
        os.kill(child.pid, signal.SIGCONT)
        assert child.wait(KILL_SECONDS) == 0
    assert tree(bucket / "shards") == tree(prepared)
    # Two commands, one of which found nothing to do but to go.
    assert 0 < n_listings(store) - before < 12


def n_listings(store):
    """How often it was asked what is committed."""
    return store.log.read_text().count("list-type=2&prefix=shards%2F_chunks")


def test_a_server_that_goes_and_comes_back(
    store, bucket, corpus, tokenizer_file, url, prepare, prepared
):
    with started(store, argv(corpus, url, tokenizer_file)) as child:
        wait_for_records(bucket, child, 3)
        store.stop()
        store.start()
        code = child.wait(KILL_SECONDS)
        said = child.stderr.read().decode().strip().splitlines()
    if code:
        # An upload was not to be waited for.
        assert code == 1
        assert "run the same command again" in said[-1] or "see that it runs" in said[-1]
    ran = prepare()
    assert ran.code == 0, ran.err
    assert tree(bucket / "shards") == tree(prepared)


def test_a_store_that_takes_nothing_is_named(store, prepare, bucket, url):
    (bucket / "shards").write_bytes(b"an object where the server needs a folder")
    ran = prepare()
    assert ran.code == 1
    assert ran.last_line.startswith(f"duologue: {url}/")
    assert store.duologue("prepare", bucket, "--out", f"{url}x", AWS_ACCESS_KEY_ID=None).code == 1


@pytest.mark.parametrize("more", [["pack"], ["export"]])
def test_what_needs_a_local_folder_says_so(store, url, more, tmp_path):
    ran = store.duologue(*more, url, "--out", tmp_path / "made")
    assert ran.code == 1
    assert "is a URL: copy the output to this machine, and name the copy" in ran.last_line
