"""`duologue compare` end to end: what is known to differ is found, and nothing is lost."""

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import time

import psutil
import pytest

from jobs.compare.config import ComparisonConfig
from jobs.compare.results import read_results
from jobs.compare.runs import RunSpec, TrainedArm, read_run
from jobs.compare.summary import summarise
from jobs.train.loop import Learner, TrainConfig
from jobs.train.policy import model_digest
from tests.jobs.compare.corpora import ANSWERS, write_model, write_texts, write_tokenizer
from tests.running import command, duologue, once, tree

ARMS = ("tags", "placebo", "swapped")
SIZE = ("--context", 64, "--batch-rows", 8, "--micro-rows", 8, "--learning-rate", 0.01)
SHORT = ("--arms", "tags,placebo", "--steps", 3, *SIZE)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A corpus whose answers cannot be told from questions without tags, prepared; a model."""

    def make(folder):
        folder.mkdir()
        write_texts(folder / "texts", ANSWERS)
        write_tokenizer(folder / "tokenizer.json")
        write_model(folder / "tiny.json")
        ran = duologue(
            *("prepare", folder / "texts", "--out", folder / "shards", "--holdout", 0.1),
            *("--tokenizer", folder / "tokenizer.json", "--delimiters", "tags", "--workers", 1),
        )
        assert ran.code == 0, ran.err

    return once(tmp_path_factory.getbasetemp(), "made", make)


@pytest.fixture(scope="session")
def known(tmp_path_factory, made):
    """A comparison of three arms on it."""

    def make(out):
        ran = compare(made, out, "--arms", ",".join(ARMS), "--steps", 60, *SIZE)
        assert ran.code == 0, ran.err

    return once(tmp_path_factory.getbasetemp(), "known", make)


@pytest.fixture(scope="session")
def short(tmp_path_factory, made):
    """A comparison that is over soon."""

    def make(out):
        ran = compare(made, out, *SHORT)
        assert ran.code == 0, ran.err

    return once(tmp_path_factory.getbasetemp(), "short", make)


def argv(made, out, *more):
    return ("compare", made / "shards", "--out", out, "--model", made / "tiny.json", *more)


def compare(made, out, *more):
    return duologue(*argv(made, out, *more))


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def contrasts(out):
    return {
        each.arm + " - " + each.reference + ", " + each.prompt: each
        for each in summarise(read_results([out])).comparisons
    }


def test_an_arm_that_is_known_to_win_is_found(known):
    found = contrasts(known)
    own = found["tags - placebo, tags"]
    assert own.statistics.mean < -0.05
    assert own.statistics.p_adjusted <= 0.05
    # Of what the text says, not of the delimiters that the placebo has the model expect.
    assert own.content_mean < -0.05
    primary = found["tags - placebo, raw"]
    assert primary.is_primary
    assert primary.statistics.p_adjusted <= 0.05
    # Here most of it is that expectation, and the report has the number that says so.
    assert abs(primary.content_mean) < abs(primary.statistics.mean) / 2


def test_an_arm_that_is_known_to_make_no_difference_is_not(known):
    # The text has no cue of who speaks, so exchanging the tags' names is a relabelling.
    found = contrasts(known)
    for name in ("swapped - tags, raw", "tags - swapped, tags"):
        assert found[name].statistics.p_adjusted > 0.05


def test_every_line_of_results_says_what_it_is_of(known):
    lines = [json.loads(line) for line in (known / "results.jsonl").read_text().splitlines()]
    design, runs = lines[0], lines[1:]
    assert [(run["arm"], run["seed"]) for run in runs] == [
        (arm, seed) for arm in ARMS for seed in range(6)
    ]
    assert {run["design"] for run in runs} == {design["digest"]}
    assert all(each["holds"] for each in design["invariants"])
    assert len({arm["content_sha256"] for arm in design["arms"]}) == 1
    assert len(design["test"]["sources"]) >= 20
    for run in runs:
        assert set(run["nats"]) == {"raw", *ARMS, "plain"}
        assert len(run["curve"]) == 10
        assert run["trained_tokens"] > 0
    assert design["is_trial"]


def test_arms_of_a_seed_see_the_same_bytes_at_each_step(known):
    for seed in range(2):
        seen = [
            [
                json.loads(line)["content_bytes"]
                for line in (known / f"runs/{arm}-{seed}/metrics.jsonl").read_text().splitlines()
            ]
            for arm in ARMS
        ]
        assert seen[0] == seen[1] == seen[2]
        assert len(set(seen[0])) > 1


def test_the_same_command_again_repeats_nothing(made, short, tmp_path):
    out = tmp_path / "copy"
    shutil.copytree(short, out)
    (out / "report.html").unlink()
    begun = {path: path.stat().st_mtime_ns for path in out.glob("runs/*/run.json")}
    ran = compare(made, out, *SHORT)
    assert ran.code == 0, ran.err
    assert ran.err.count(", done before") == len(begun) == 12
    assert {path: path.stat().st_mtime_ns for path in out.glob("runs/*/run.json")} == begun
    assert (out / "report.html").read_bytes() == (short / "report.html").read_bytes()


def test_killed_and_run_again_gives_the_same_results(made, short, tmp_path):
    out = tmp_path / "out"
    running = subprocess.Popen(
        command(*argv(made, out, *SHORT)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    end = time.monotonic() + 300
    while len(list(out.glob("runs/*/run.json"))) < 3 and time.monotonic() < end:
        assert running.poll() is None, "ended before its time"
        try:
            running.wait(0.02)
        except subprocess.TimeoutExpired:
            continue
    children = psutil.Process(running.pid).children(recursive=True)
    running.send_signal(signal.SIGKILL)
    running.wait()
    # Runs end with their comparison: they would write what the next one reads.
    _, alive = psutil.wait_procs(children, timeout=60)
    assert not alive
    assert not (out / "results.jsonl").exists()
    # On one worker this time: what a run finds does not depend on what ran beside it.
    ran = compare(made, out, *SHORT, "--workers", 1)
    assert ran.code == 0, ran.err
    assert (out / "results.jsonl").read_bytes() == (short / "results.jsonl").read_bytes()


def test_an_interrupted_comparison_says_so_and_goes_on(made, short, tmp_path):
    out = tmp_path / "out"
    with subprocess.Popen(
        command(*argv(made, out, *SHORT)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Even where the tests run in the background.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as running:
        end = time.monotonic() + 300
        while len(list(out.glob("runs/*/run.json"))) < 2 and time.monotonic() < end:
            assert running.poll() is None, "ended before its time"
            with contextlib.suppress(subprocess.TimeoutExpired):
                running.wait(0.02)
        # As a terminal does: to all its processes.
        os.killpg(running.pid, signal.SIGINT)
        _, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert err.endswith("duologue: interrupted; the same command goes on where it stopped\n")
    assert "Traceback" not in err
    assert not any("Traceback" in path.read_text() for path in out.glob("runs/*/log.txt"))
    assert compare(made, out, *SHORT).code == 0
    assert (out / "results.jsonl").read_bytes() == (short / "results.jsonl").read_bytes()


def test_a_context_that_is_too_short_is_blamed_itself(made, tmp_path):
    ran = compare(made, tmp_path / "out", *SHORT, "--context", 8)
    assert ran.code == 1
    assert "test episodes do not fit into --context 8" in ran.last_line


def test_a_run_that_fails_takes_no_other_along_and_is_made_again(made, short, tmp_path):
    out = tmp_path / "out"
    obstacle = out / "runs/tags-3/metrics.jsonl"
    shutil.copytree(short, out)
    shutil.rmtree(out / "runs/tags-3")
    obstacle.mkdir(parents=True)
    ran = compare(made, out, *SHORT)
    assert ran.code == 3
    assert "tags, seed 3: FAILED, IsADirectoryError" in ran.said
    results = read_results([out])
    assert [run.name for run in results.runs if run.error] == ["tags-3"]
    assert len(results.runs) == 12
    report = (out / "report.html").read_text()
    assert "IsADirectoryError" in report
    obstacle.rmdir()
    assert compare(made, out, *SHORT).code == 0
    assert (out / "results.jsonl").read_bytes() == (short / "results.jsonl").read_bytes()


def test_rows_that_were_changed_are_written_anew(made, short, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(short, out)
    shutil.rmtree(out / "runs/tags-3")
    (out / "data/train.arrow").write_bytes(b"damaged")
    (out / "data/.test.arrow.1-2.tmp").write_bytes(b"half")
    assert compare(made, out, *SHORT).code == 0
    assert (out / "results.jsonl").read_bytes() == (short / "results.jsonl").read_bytes()
    assert not list(out.glob("data/.*"))


def test_a_run_that_is_interrupted_goes_on_from_its_checkpoint(made, short, tmp_path, monkeypatch):
    known = read_results([short])
    out = tmp_path / "out"
    shutil.copytree(short, out, ignore=shutil.ignore_patterns("runs"))
    design = known.design
    spec = RunSpec(
        out=out,
        design=design.digest,
        config=ComparisonConfig(
            model=str(made / "tiny.json"),
            arms=("tags", "placebo"),
            n_seeds=6,
            cues="stripped",
            train=TrainConfig(**design.training),
        ),
        arm="tags",
        seed=0,
        device="cpu",
        data={path.name: sha256(path) for path in out.glob("data/*.arrow")},
        content_sha256=design.arms[0]["content_sha256"],
        model_digest=model_digest(str(made / "tiny.json")),
        save_every=1,
    )
    spec.folder.mkdir(parents=True)
    taken = []

    def step(learner, data, done, group):
        if done == 2 and not taken:
            taken.append(done)
            raise KeyboardInterrupt
        return taken_before(learner, data, done, group)

    taken_before = Learner.step
    monkeypatch.setattr(Learner, "step", step)
    with pytest.raises(KeyboardInterrupt):
        TrainedArm(spec).run()
    assert list(spec.folder.glob("checkpoints/*"))
    TrainedArm(spec).run()
    assert taken
    assert read_run(spec) == known.runs[0]


def test_plan_says_what_it_takes_and_writes_nothing(made, tmp_path):
    before = tree(made)
    ran = compare(made, tmp_path / "out", *SHORT, "--plan")
    assert ran.code == 0
    for words in ("12: 6 paired seeds", "sources", "standard deviations", "MB", "tags - placebo"):
        assert words in ran.said
    assert not (tmp_path / "out").exists()
    assert tree(made) == before


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--seeds", 5), "--seeds 5: expected 6 to 16"),
        (("--arms", "tags,sugar"), "--arms sugar: expected some of raw, eos, tags"),
        (("--arms", "tags"), "name at least two arms"),
        (("--device", "cuda"), "torch sees no CUDA device"),
        (("--model", "giant"), "--model giant"),
    ],
)
def test_designs_that_cannot_be_run_are_refused_in_one_line(made, tmp_path, more, words):
    ran = compare(made, tmp_path / "out", *SHORT, *more)
    assert ran.code == 1
    assert words in ran.said
    assert len(ran.err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_an_out_of_another_comparison_is_refused_by_name(made, short, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(short, out)
    before = tree(out)
    ran = compare(made, out, *SHORT, "--steps", 4)
    assert ran.code == 1
    assert "training (steps" in ran.said
    assert tree(out) == before


def test_a_folder_of_something_else_is_refused(made, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/train.arrow").write_text("mine")
    before = tree(tmp_path)
    ran = compare(made, tmp_path, *SHORT)
    assert ran.code == 1
    assert "is not empty and no comparison" in ran.said
    assert tree(tmp_path) == before


def test_a_report_is_not_written_over_something_else(short, tmp_path):
    shutil.copytree(short, tmp_path / "out")
    results = tmp_path / "out/results.jsonl"
    for out, words in ((results, "no report"), (tmp_path / "out", "is a folder")):
        before = tree(tmp_path)
        ran = duologue("report", tmp_path / "out", "--out", out)
        assert ran.code == 1
        assert words in ran.said
        assert tree(tmp_path) == before


def test_a_model_file_of_other_content_is_another_comparison(made, short, tmp_path):
    shutil.copytree(made, tmp_path / "made", ignore=shutil.ignore_patterns("texts"))
    model = tmp_path / "made/tiny.json"
    fields = json.loads(model.read_text())
    model.write_text(json.dumps(fields | {"rms_norm_eps": 1e-3}))
    shutil.copytree(short, tmp_path / "out")
    ran = compare(tmp_path / "made", tmp_path / "out", *SHORT)
    assert ran.code == 1
    assert "other model (" in ran.said


@pytest.mark.parametrize(
    ("holdout", "words"),
    [
        (0.01, "test sources with an answer; the contrasts take at least 20: prepare it with"),
        (0.49, "episodes to train on that fit into --context 64; the contrasts take at least 100"),
    ],
)
def test_too_little_says_how_much_there_is_and_how_much_it_takes(made, tmp_path, holdout, words):
    here = tmp_path / "made"
    shutil.copytree(made, here, ignore=shutil.ignore_patterns("shards"))
    ran = duologue(
        *("prepare", made / "texts", "--out", here / "shards", "--holdout", holdout),
        *("--tokenizer", made / "tokenizer.json", "--workers", 1),
    )
    assert ran.code == 0, ran.err
    ran = compare(here, tmp_path / "out", *SHORT)
    assert ran.code == 1
    assert words in ran.said
    assert not (tmp_path / "out").exists()


def test_a_corpus_that_is_not_finished_is_refused(made, tmp_path):
    shutil.copytree(made, tmp_path / "made")
    (tmp_path / "made/shards/manifest.json").unlink()
    ran = compare(tmp_path / "made", tmp_path / "out", *SHORT)
    assert ran.code == 1
    assert "not a finished output" in ran.said
