import dataclasses
import json

import pytest

from jobs.compare.results import Results, Run, read_results
from schemas.errors import UserError
from tests.jobs.compare.making import hostile_results, make_design, make_results, make_run


def write(path, results):
    path.write_text("".join(line + "\n" for line in results.lines()))
    return path


@pytest.fixture
def file(tmp_path):
    return write(tmp_path / "results.jsonl", make_results(n_seeds=2))


@pytest.mark.parametrize("make", [make_results, hostile_results])
def test_results_come_back_as_they_were_written(tmp_path, make):
    results = make()
    assert read_results([write(tmp_path / "results.jsonl", results)]) == results


def test_folder_stands_for_the_results_in_it(file):
    assert read_results([file.parent]) == read_results([file])


def test_runs_of_two_machines_come_together_in_the_designs_order(tmp_path):
    whole = make_results(n_seeds=2)
    odd, even = (
        write(tmp_path / f"{start}.jsonl", Results(design=whole.design, runs=whole.runs[start::2]))
        for start in (1, 0)
    )
    assert read_results([odd, even]) == whole


def test_one_file_given_twice_counts_once(file):
    assert read_results([file, file]) == read_results([file])


@pytest.mark.parametrize("failed_first", [True, False])
def test_done_run_takes_the_place_of_a_failed_one(tmp_path, failed_first):
    done = make_results(n_seeds=1)
    failed = make_results(n_seeds=1, failed={("tags", 0): "CUDA out of memory"})
    files = [write(tmp_path / "a.jsonl", failed), write(tmp_path / "b.jsonl", done)]
    assert read_results(files if failed_first else files[::-1]) == done


def test_failed_run_is_kept_where_no_other_is(tmp_path):
    failed = make_results(n_seeds=1, failed={("tags", 0): "CUDA out of memory"})
    assert read_results([write(tmp_path / "results.jsonl", failed)]) == failed


def test_two_different_runs_of_one_seed_are_refused(tmp_path):
    one = make_results(n_seeds=1)
    other = Results(design=one.design, runs=[make_run(one.design, "tags", 0, noise=0.5)])
    with pytest.raises(UserError, match="another run of arm tags, seed 0"):
        read_results([write(tmp_path / "a.jsonl", one), write(tmp_path / "b.jsonl", other)])


# Another manifest is another corpus; anything else is another design.
@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"corpus": make_design(1).corpus | {"manifest_sha256": "00" * 32}}, "corpora"),
        ({"cues": "kept"}, "designs"),
    ],
)
def test_results_that_do_not_belong_together_are_refused(tmp_path, changes, what):
    files = [
        write(tmp_path / "a.jsonl", make_results(n_seeds=1)),
        write(tmp_path / "b.jsonl", make_results(n_seeds=1, **changes)),
    ]
    with pytest.raises(UserError, match=f"two {what}: report them apart"):
        read_results(files)


def test_run_of_another_design_is_refused(tmp_path):
    results = make_results(n_seeds=1)
    stray = dataclasses.replace(results.runs[0], design="0" * 32)
    path = write(tmp_path / "results.jsonl", Results(design=results.design, runs=[stray]))
    with pytest.raises(UserError, match="raw-0 is of another design"):
        read_results([path])


def test_missing_file_names_what_to_give(tmp_path):
    with pytest.raises(UserError, match=r"cannot read .*none\.jsonl.*--out folder"):
        read_results([tmp_path / "none.jsonl"])


def test_an_unfinished_comparison_is_to_be_run_again(tmp_path):
    (tmp_path / "design.json").touch()
    with pytest.raises(UserError, match="is not finished: run the same compare again"):
        read_results([tmp_path])


def test_folder_without_results_is_named(tmp_path):
    with pytest.raises(UserError, match=r"cannot read .*results\.jsonl"):
        read_results([tmp_path])


def test_half_a_line_is_damage(file):
    file.write_text(file.read_text()[:-20])
    with pytest.raises(UserError, match="is damaged"):
        read_results([file])


def test_bytes_that_are_no_text_are_damage(file):
    file.write_bytes(file.read_bytes() + b"\xff\xfe\n")
    with pytest.raises(UserError, match="is damaged"):
        read_results([file])


# A number, another kind of object, an object without a kind, a run without its arm.
@pytest.mark.parametrize("line", ["3", '{"kind": "metric"}', "{}", '{"kind": "run", "seed": 1}'])
def test_line_of_something_else_is_refused_by_its_number(file, line):
    n_lines = len(file.read_text().splitlines())
    with file.open("a") as lines:
        lines.write(f"{line}\n")
    with pytest.raises(UserError, match=f"line {n_lines + 1}: no line of a comparison"):
        read_results([file])


def test_runs_without_a_design_are_refused(file):
    file.write_text("".join(file.read_text().splitlines(keepends=True)[1:]))
    with pytest.raises(UserError, match="no design among the results"):
        read_results([file])


def test_design_that_was_edited_is_refused(file):
    first, *rest = file.read_text().splitlines()
    edited = json.dumps(json.loads(first) | {"is_trial": True})
    file.write_text("\n".join([edited, *rest]))
    with pytest.raises(UserError, match="not the one that its digest names"):
        read_results([file])


def test_other_format_is_refused(tmp_path):
    path = write(tmp_path / "results.jsonl", make_results(n_seeds=1, format=99))
    with pytest.raises(UserError, match="of format 99"):
        read_results([path])


# An arm and a prompt that the design lacks, and numbers that are not one a cell.
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"arm": "chatml"}, "its arm is none of its design"),
        ({"nats": {"whispered": []}}, "its prompt whispered is none of its design"),
        ({"nats": {"raw": [1.0, 2.0]}}, "prompt raw has 2 numbers"),
    ],
)
def test_run_that_does_not_fit_its_design_is_refused(tmp_path, change, message):
    design = make_design(1)
    run = Run(design=design.digest, arm="raw", seed=0)
    results = Results(design=design, runs=[dataclasses.replace(run, **change)])
    with pytest.raises(UserError, match=message):
        read_results([write(tmp_path / "results.jsonl", results)])
