"""One run of `duologue train`, and what it is started with."""

import functools
import json

import pytest

from schemas.keys import split_of
from tests.jobs.train.making import ONE_THREAD, RUN
from tests.running import COMMON, duologue, exchange, once


@pytest.fixture(scope="session")
def trained(tmp_path_factory, prepared):
    """The folder of one undisturbed run; read it, or copy it before you change it."""

    def make(out):
        ran = duologue("train", prepared, "--out", out, *RUN, env=ONE_THREAD)
        assert ran.code == 0, ran.err
        out.with_name("trained-said.json").write_text(json.dumps(ran))

    return once(tmp_path_factory.getbasetemp(), "trained", make)


@pytest.fixture(scope="session")
def prose(tmp_path_factory):
    """Another corpus with another tokenizer, whose train split has no episode."""

    def make(folder):
        names = {split: [] for split in ("train", "validation", "test")}
        for i in range(200):
            names[split_of(f"{i:03d}.txt", float(COMMON[1]))].append(f"{i:03d}.txt")
        texts = {
            "train": lambda i: f"The tide of the moon is {i} feet high. The pilot sleeps.\n",
            "validation": exchange,
        }
        (folder / "corpus").mkdir(parents=True)
        for split, text in texts.items():
            for i, name in enumerate(names[split][:20]):
                (folder / "corpus" / name).write_text(text(i))
        argv = ["prepare", folder / "corpus", "--out", folder / "out", "--tokenizer", "train:300"]
        ran = duologue(*argv, *COMMON, "--workers", 1)
        assert ran.code == 0, ran.err

    return once(tmp_path_factory.getbasetemp(), "prose", make) / "out"


@pytest.fixture
def train(run):
    """The command in this process."""
    return functools.partial(run, "train")
