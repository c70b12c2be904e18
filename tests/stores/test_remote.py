"""Folders of an object store: what is written is read, listed and deleted by its name."""

import pytest

from pipeline.atomic import atomic_file, remove, sizes_in, temporary_files
from pipeline.commit import local_run
from pipeline.remote import RemotePath, check_stores, place
from schemas.errors import UserError

NAMES = ("plain.json", "two words", "naïve 潮.txt", "a[0]", "b*", "deep/er/x")


@pytest.fixture
def folder(bucket, as_store):  # noqa: ARG001 for what it does
    """A folder whose own name Beam would take for a pattern."""
    return place(f"s3://{bucket.name}/out[1]*/")


@pytest.mark.parametrize("name", NAMES)
def test_an_object_is_what_was_written_last(folder, name):
    for data in (b"one", b"two and more"):
        (folder / name).write_bytes(data)
        assert (folder / name).read_bytes() == data
    with (folder / name).open() as file:
        assert file.seek(4) == 4
        assert file.read(3) == b"and"


def test_a_folder_is_what_names_begin_with(folder):
    for name in NAMES:
        (folder / name).write_bytes(name.encode())
    RemotePath(f"{folder.url}-not-it/plain.json").write_bytes(b"x")
    assert {path.name for path in folder.iterdir()} == {*NAMES[:-1], "deep"}
    assert [*folder.glob("*.json")] == [folder / "plain.json"]
    assert [path.name for path in folder.glob("*/*/*")] == ["x"]
    assert folder.sizes() == {name: len(name.encode()) for name in NAMES}
    assert (folder.is_dir(), folder.exists()) == (True, False)
    assert ((folder / "deep").is_dir(), (folder / "dee").is_dir()) == (True, False)
    assert ((folder / "b*").is_file(), (folder / "b").is_file()) == (True, False)


def test_what_is_removed_is_gone_and_the_rest_stays(folder):
    for name in NAMES:
        (folder / name).write_bytes(b"x")
    remove([folder / "a[0]", folder / "b*", folder / "never there"])
    assert sorted(folder.sizes()) == sorted({*NAMES} - {"a[0]", "b*"})
    remove(folder.glob("**"))
    assert not folder.is_dir()


def test_what_is_not_there_is_not_found(folder):
    with pytest.raises(FileNotFoundError):
        (folder / "none").read_bytes()
    assert not folder.is_dir()
    assert [*folder.glob("**")] == []


def test_a_file_that_fails_while_it_is_made_leaves_the_older_one(folder):
    path = folder / "manifest.json"
    with atomic_file(path) as file:
        file.write(b"older")

    def fail():
        with atomic_file(path) as file:
            file.write(b"newer" * 10**7)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert path.read_bytes() == b"older"
    assert [*temporary_files(folder, [])] == []


def test_an_upload_whose_server_goes_leaves_nothing(store, folder, monkeypatch):
    """Beam completes what it was given when an unclosed file is collected."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    folder.write_bytes(b"there")
    store.stop()
    try:
        with pytest.raises(UserError, match=f"{folder.parent.url}.*AWS_ENDPOINT_URL"):
            (folder / "late").write_bytes(b"x" * 10**7)
    finally:
        store.start()
    assert folder.parent.sizes() == {folder.name: 5}


def test_sizes_are_those_of_a_local_folder(folder, tmp_path):
    for out in (folder, tmp_path):
        with atomic_file(out / "a") as file:
            file.write(b"123")
        assert [sizes_in(out)(name) for name in ("a", "b")] == [3, None]


def test_locks_and_logs_are_on_this_machine(folder, tmp_path):
    assert local_run(tmp_path) == tmp_path / "_run"
    one, other = local_run(folder), local_run(folder / "x")
    assert one != other
    assert one == local_run(place(f"{folder}/"))


@pytest.mark.parametrize(
    ("name", "env", "says"),
    [
        ("no-such-bucket", {}, "The specified bucket does not exist: make the bucket"),
        ("", {"AWS_ACCESS_KEY_ID": "nobody"}, "check AWS_ACCESS_KEY_ID"),
        ("", {"AWS_SECRET_ACCESS_KEY": "wrong"}, "check AWS_SECRET_ACCESS_KEY"),
        ("", {"AWS_ACCESS_KEY_ID": None}, "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
        ("", {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "see that it runs, and that AWS_ENDPOINT"),
        ("", {"AWS_ACCESS_KEY_ID": "guest"}, "let this key list, read, write and delete there"),
    ],
)
def test_a_store_that_cannot_be_used_is_named_with_the_mend(
    store, folder, monkeypatch, name, env, says
):
    if env.get("AWS_ACCESS_KEY_ID") == "guest":
        store.add_user("guest", store.env["AWS_SECRET_ACCESS_KEY"])
    for variable, value in env.items():
        if value is None:
            monkeypatch.delenv(variable)
        else:
            monkeypatch.setenv(variable, value)
    url = f"s3://{name}/out" if name else folder.url
    with pytest.raises(UserError) as refused:
        check_stores([url, "gs://is-not/looked/at"])
    assert str(refused.value).startswith(f"{url}: ")
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)
