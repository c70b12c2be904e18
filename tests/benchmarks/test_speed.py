"""The benchmark of speed: its corpus, its order, its measure, and tables from what was saved."""

import json
import os
import sys
from collections import Counter
from itertools import pairwise

import pytest
from backports import zstd

from benchmarks.speed.__main__ import in_turn
from benchmarks.speed.contenders import BASELINE, DUOLOGUE
from benchmarks.speed.corpus import FORMS, documents, source_paths
from benchmarks.speed.measure import RunFailedError, measure
from benchmarks.speed.plot import apart, write_plots
from benchmarks.speed.runs import Run, Trial, load, save
from benchmarks.speed.table import details_table, tools_table

TEXTS = ["import this, or another\n", "two\r\nlines\n", "  \n", "\ufeffmarked", "a é 界 😀 one\n"]


def install(root):
    """A folder like an install's: usable texts, a file of no text, another environment's."""
    for number, text in enumerate(TEXTS):
        path = root / f"package{number}/module.py"
        path.parent.mkdir(parents=True)
        path.write_bytes(text.encode())
    (root / "package0/broken.txt").write_bytes(b"\xff\xfe")
    (root / "package0/code.so").write_bytes(b"not text")
    (root / "site-packages").mkdir()
    (root / "site-packages/other.py").write_text("other\n")
    return root


def test_corpus_depends_on_what_folders_hold_and_not_on_where_they_are(tmp_path):
    first = source_paths([install(tmp_path / "a")])
    second = source_paths([install(tmp_path / "elsewhere/b")])
    assert [*documents(first, 1000)] == [*documents(second, 1000)]
    whole = {"import this, or another\n", "two\nlines\n", "a é 界 😀 one\n"}
    assert {*documents(first, 1)} < whole
    assert {*[*documents(first, 1000)][:3]} == whole


def test_copies_of_a_corpus_have_other_words(tmp_path):
    found = [*documents(source_paths([install(tmp_path)]), 1000)]
    assert "importb this, or anotherb\n" in found
    assert sum(len(text.encode()) for text in found[:-1]) < 1000
    assert sum(len(text.encode()) for text in found) >= 1000
    assert [*documents([], 1000)] == []


@pytest.mark.parametrize("form", FORMS)
def test_every_form_holds_the_same_texts(tmp_path, form):
    texts = [f'text {n}\n\u2028 é \\ " 界\n' for n in range(50)]
    name, write = FORMS[form]
    write(tmp_path / name, iter(text.encode() for text in texts))
    found = []
    for path in (each for each in tmp_path.rglob("*") if each.is_file()):
        data = zstd.decompress(path.read_bytes()) if path.suffix == ".zst" else path.read_bytes()
        lines = data.decode().split("\n")[:-1]
        found += [data.decode()] if form == "files" else [json.loads(x)["text"] for x in lines]
    assert Counter(found) == Counter(texts)


def test_each_round_runs_all_and_begins_with_another():
    trials = [Trial(megabytes=mb, contender=c, form="", workers=1) for mb in (9, 1) for c in "abc"]
    order = "".join(f"{trial.contender}{trial.megabytes}" for trial in in_turn(trials, 3))
    assert order == "a1b1c1b1c1a1c1a1b1a9b9c9b9c9a9c9a9b9"


def test_cpu_time_and_memory_are_of_all_processes(tmp_path):
    # Its child outlives it, as a fork server does, and is waited for by nobody.
    child = (
        "import time\nheld = bytearray(100 << 20)\nwhile time.process_time() < 1: pass\n"
        "open('done', 'w').close(); time.sleep(600)"
    )
    code = (
        f"import os, subprocess, sys, time\nsubprocess.Popen([sys.executable, '-c', {child!r}])\n"
        "while not os.path.exists('done'): time.sleep(0.01)"
    )
    argv = [sys.executable, "-c", code]
    took = measure(argv, env={**os.environ}, folder=tmp_path, limit_seconds=600)
    assert took.seconds < 600
    assert took.cpu_seconds > 1
    assert took.peak_mib > 100


@pytest.mark.parametrize(
    ("code", "limit", "words"),
    [
        ("raise ValueError('so')", 600, "ValueError: so"),
        ("import time; time.sleep(600)", 1, "stopped after 1 s"),
        ("raise SystemExit(7)", 600, "exit code 7"),
    ],
)
def test_a_run_that_fails_says_why(tmp_path, code, limit, words):
    argv = [sys.executable, "-c", code]
    with pytest.raises(RunFailedError, match=words):
        measure(argv, env={**os.environ}, folder=tmp_path, limit_seconds=limit)


def run_of(contender, mb, seconds, **more):
    trial = Trial(megabytes=mb, contender=contender, form="files", workers=2)
    told = {"text_bytes": mb * 10**6, "cpu_seconds": 2 * seconds, "peak_mib": 100 * seconds}
    return Run(trial=trial, is_own=True, seconds=seconds, **told, **more)


RUNS = [
    run_of(DUOLOGUE, 60, 3, text_tokens=999_000, first_shard_seconds=2),
    run_of(DUOLOGUE, 60, 6, text_tokens=999_000, first_shard_seconds=2),
    run_of(DUOLOGUE, 60, 4, text_tokens=999_000, first_shard_seconds=1),
    run_of(DUOLOGUE, 240, 10, text_tokens=4_000_000),
    run_of(BASELINE, 60, 2, text_tokens=1_000_000, control_tokens=7),
    Run(
        trial=Trial(megabytes=60, contender="dolma", form="parts", workers=2),
        is_own=True,
        failure="not installed",
    ),
]


def test_tables_tell_medians_marginal_speed_and_failures():
    rows = [[*map(str.strip, line.split("|")[1:-1])] for line in tools_table(RUNS).split("\n")[2:]]
    assert rows[0][:3] == [BASELINE, "60", "30.00"]
    # 60 MB in 3, 6 and 4 s; CPU 8 s in the median; the greatest peak.
    assert rows[1][:7] == [DUOLOGUE, "60", "15.00", "10.00 to 20.00", "", "0.133", "600"]
    assert rows[1][8] == "-1,000"
    # 180 MB more than at 60 MB in 6 s more.
    assert rows[2][:5] == [DUOLOGUE, "240", "24.00", "24.00 to 24.00", "30.0"]
    assert (rows[3][0], rows[3][-1], len(rows)) == ("dolma", "failed: not installed", 4)
    assert details_table(RUNS, DUOLOGUE).split("\n")[2].endswith("| 15.00 | 0.133 | 600 | 2.0 |  |")


def test_what_was_saved_gives_the_same_table(tmp_path):
    save(tmp_path / "runs.json", {"cores": 2}, RUNS)
    machine, runs = load(tmp_path / "runs.json")
    assert (machine, runs) == ({"cores": 2}, RUNS)


def test_plots_name_all_that_ran(tmp_path):
    write_plots(tmp_path, RUNS)
    for name in ("speed.svg", "memory.svg"):
        svg = (tmp_path / name).read_text()
        assert all(f">{tool}<" in svg for tool in (DUOLOGUE, BASELINE))
        assert ">dolma<" not in svg


def test_labels_stand_apart_about_their_values():
    places = apart([1, 8, 8, 8, 1000], 2)
    assert places == pytest.approx([1, 4, 8, 16, 1000], rel=0.5)
    assert all(b / a >= 2 - 1e-9 for a, b in pairwise(places))
    assert places[2] == pytest.approx(8)
