import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.compare.report import facts, write_report
from jobs.compare.results import Results
from jobs.compare.summary import summarise, visible
from jobs.compare.wording import headline
from jobs.view import escape
from schemas.errors import UserError
from tests.jobs.compare.making import (
    ARMS,
    HOSTILE,
    hostile_results,
    make_design,
    make_results,
    make_run,
)
from tests.jobs.compare.pages import Page, page_of
from tests.running import duologue

ROOT = Path(__file__).parents[3]
ALL_RUNS = [(arm, seed) for arm in ARMS for seed in range(6)]
BROKEN = {"statement": "Content is the same.", "holds": False, "evidence": "differs at token 7"}


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The report of undisturbed results."""
    return page_of(make_results(), tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """The report of `hostile_results`."""
    return page_of(hostile_results(), tmp_path_factory.mktemp("hostile"))


@pytest.fixture(params=["page", "hostile"])
def any_page(request):
    return request.getfixturevalue(request.param)


# Everything as it should be; runs failed; a trial; nothing done; an invariant broken; few seeds.
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"failed": {("placebo", 3): "killed", ("swapped", 1): "killed"}},
        {"is_trial": True, "n_seeds": 1},
        {"missing": ALL_RUNS},
        {"invariants": [BROKEN]},
        {"n_seeds": 2},
        {"contrasts": []},
        {"examples": []},
    ],
)
def test_headline_is_what_is_returned_and_the_first_heading(tmp_path, changes):
    results = make_results(**changes)
    returned = write_report(results, tmp_path / "report.html")
    source = (tmp_path / "report.html").read_text()
    heading = re.search("<h1>(.*?)</h1>", source)
    assert heading[1].replace("\u00a0", " ") == returned == headline(summarise(results))
    assert Page(source).is_balanced


def test_page_has_the_same_bytes_whatever_was_drawn_before(tmp_path, page):
    make = "from tests.jobs.compare.making import make_results; from pathlib import Path; "
    make += "from jobs.compare.report import write_report; import sys; "
    make += "write_report(make_results(), Path(sys.argv[1]))"
    argv = [sys.executable, "-c", make, tmp_path / "report.html"]
    subprocess.run(argv, check=True, cwd=ROOT, env=os.environ | {"PYTHONHASHSEED": "7"})
    assert (tmp_path / "report.html").read_text() == page.source


def test_page_follows_its_results(tmp_path, page):
    assert page_of(make_results(noise=0.002), tmp_path).source != page.source


def test_page_has_no_script(any_page):
    assert "script" not in any_page.tags()
    names = {name for element in any_page.elements for name in element.attributes}
    assert not [name for name in names if name.startswith("on")]
    assert "javascript:" not in " ".join(any_page.values("href"))


def test_page_loads_nothing(any_page):
    assert not any_page.tags() & {"img", "iframe", "object", "embed", "base", "image", "use"}
    for attribute in ("src", "href", "xlink:href", "srcset", "data", "action"):
        for value in any_page.values(attribute):
            assert value.startswith(("#", "data:")), value
    styles = [*any_page.styles, *any_page.values("style")]
    styles += [value for element in any_page.elements for value in element.attributes.values()]
    for style in styles:
        assert "@import" not in style
    outside = [HOSTILE, escape(HOSTILE)]
    for style in styles:
        if not any(each in style for each in outside):
            assert all(url.startswith("#") for url in re.findall(r"url\((.*?)\)", style))


def test_browsers_are_told_to_load_and_run_nothing(any_page):
    policy = [
        element.attributes["content"]
        for element in any_page.elements
        if element.attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]


def test_hostile_text_is_text(hostile, page):
    assert hostile.tags() <= page.tags()
    assert len(hostile.styles) == 1
    assert hostile.styles == page.styles
    shown = " ".join(escape(HOSTILE).split())
    # Corpus, headline, contrasts, legend, matrix, examples, arms, invariants, sources, errors...
    assert hostile.text.count(shown) > 80
    assert "{{ 7 * 7 }}" in hostile.text


def test_no_control_or_bidirectional_character_is_left(any_page):
    assert not re.search(
        r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", any_page.source
    )


def test_every_id_is_there_once_and_every_reference_leads_to_one(any_page):
    ids = any_page.values("id")
    assert len(ids) == len(set(ids))
    targets = {value[1:] for value in any_page.values("href") if value.startswith("#")}
    targets |= set(re.findall(r"url\(#(.*?)\)", " ".join(any_page.values("clip-path"))))
    targets |= set(any_page.values("aria-labelledby"))
    assert len(targets) > 8
    assert targets <= set(ids)


def test_every_chart_is_there_wide_and_narrow_and_says_what_it_shows(page):
    charts = [each for each in page.elements if each.attributes.get("role") == "img"]
    assert len(charts) == 8
    assert all(chart.attributes["aria-label"] for chart in charts)
    classes = page.values("class")
    assert classes.count("chart wide") == classes.count("chart narrow") == 4


def test_numbers_of_the_contrasts_stand_in_the_table(page):
    row = "tags − rawraw prompt better −0.0123 −0.0151 to −0.0095 0.031 0.031 <0.001 0.999 6"
    assert row in page.text
    assert "tags − placeboraw prompt, primary better −0.0136" in page.text
    assert "±0.0053 bits per byte, 0.5 % of what the raw arm needs" in page.text


def test_how_it_was_made_is_told(page):
    design = make_design(6)
    for said in (
        "The learning rate was fixed, not tuned",
        "12,189,696 parameters",
        "train content 52.4 MB",
        "13,204 contexts of 1,024 tokens",
        "fills 98.7 % of them",
        "25 sources that training never saw",
        "24 of 24 runs done, on NVIDIA H100 80GB HBM3",
        "13,102,200 to 13,107,200 trained tokens each",
        "With n = 6 no p can be below 0.031",
        "The 4 secondary contrasts with 6 paired seeds or more",
        "covers about 87 %, not 95",
        "With the spread that the primary contrast has here, 6 seeds find",
        design.digest,
        design.corpus["manifest_sha256"],
        design.corpus["tokenizer_sha256"],
        design.arms[0]["content_sha256"],
        *design.test["sources"],
        *(each["statement"] for each in design.invariants),
        *(each["evidence"] for each in design.invariants),
        *(each["description"] for each in design.arms),
        *(each["description"] for each in design.prompts),
    ):
        assert said in page.text, said
    assert "seed 0 context" not in page.text


def test_learning_rate_that_was_chosen_says_how(tmp_path):
    chosen = "best of 5 rates on validation, seeds 100 to 102"
    training = make_design(6).training | {"learning_rate_choice": chosen}
    text = page_of(make_results(training=training, missing=ALL_RUNS), tmp_path).text
    assert f"The learning rate was chosen: {chosen}." in text
    assert "not tuned" not in text


def test_failed_and_missing_runs_are_named_with_their_error(tmp_path):
    failed = {("placebo", 3): "CUDA out of memory"}
    text = page_of(make_results(failed=failed, missing=[("raw", 5)]), tmp_path).text
    assert "2 runs of 24 not done." in text
    assert "placebo-3 CUDA out of memory" in text
    assert "22 of 24 runs done" in text
    assert "5 of 6" in text


def test_diverged_runs_are_named(tmp_path):
    results = make_results()
    runs = [
        dataclasses.replace(run, nats={"raw": [float("nan")] * len(run.nats["raw"])})
        if run.name == "swapped-2"
        else run
        for run in results.runs
    ]
    text = page_of(Results(design=results.design, runs=runs), tmp_path).text
    assert "swapped-2 its numbers are not finite: training diverged" in text
    assert "nan" not in text


def test_runs_of_other_seeds_are_named_as_exploratory(tmp_path):
    results = make_results()
    more = [*results.runs, make_run(results.design, "tags", 9)]
    text = page_of(Results(design=results.design, runs=more), tmp_path).text
    assert "the design does not name their seeds: tags-9 (exploratory)" in text


def test_broken_invariant_is_loud(tmp_path):
    text = page_of(make_results(invariants=[BROKEN]), tmp_path).text
    assert "An invariant does not hold." in text.partition("Contrasts")[0]
    assert "Content is the same. DOES NOT HOLD differs at token 7" in text
    assert "better" not in text.partition("Verdict")[2].partition("The verdict follows")[0]


def test_kinds_are_told_apart_without_colour(page):
    assert "Q: <question>1 asksWhen does the ferry leave at spring tide?</question>" in page.text
    assert "<reasoning>2 reasonsHigh water is at ten" in page.text
    assert "<answer>2 answersAt nine.</answer>" in page.text
    classes = set(page.values("class"))
    assert {"question", "reasoning", "answer", "kind-text", "marker", "delimiter"} <= classes


def test_unknown_kind_is_shown_as_text(tmp_path):
    segments = [{"kind": 'x" onload="x', "player": 7, "text": "Ahoy."}]
    example = {"id": "0", "source": "a", "game": "b", "segments": segments}
    page = page_of(make_results(examples=[example], missing=ALL_RUNS), tmp_path)
    assert "Ahoy." in page.text
    assert "onload" not in page.source


def test_very_long_texts_lose_their_middle(tmp_path):
    segments = [{"kind": "answer", "player": 2, "text": "a" * 50_000 + "z"}]
    example = {"id": "0", "source": "a", "game": "b", "segments": segments}
    text = page_of(make_results(examples=[example], missing=ALL_RUNS), tmp_path).text
    assert "a … 46,001 characters … a" in text
    assert "aaz" in text


def test_many_sources_are_counted_and_not_all_listed(tmp_path):
    test = make_design(6).test
    sources = [*test["sources"], *(f"more/{i}.md" for i in range(300))]
    results = make_results(test=test | {"sources": sources}, missing=ALL_RUNS)
    text = page_of(results, tmp_path).text
    assert "325 sources" in text
    assert "and 125 more, in results.jsonl" in text


def test_without_a_validation_split_the_page_says_so(tmp_path):
    results = make_results(n_seeds=2)
    runs = [
        dataclasses.replace(
            run, curve=[entry | {"validation_bits_per_byte": None} for entry in run.curve]
        )
        for run in results.runs
    ]
    page = page_of(Results(design=results.design, runs=runs), tmp_path)
    assert "There is no validation curve: the corpus has no validation split." in page.text
    assert page.values("class").count("chart wide") == 2


def test_contrasts_that_agree_in_all_seeds_can_be_drawn(tmp_path):
    results = make_results(effects={}, noise=0.0, missing=[("raw", seed) for seed in range(6)])
    assert "0.000" in page_of(results, tmp_path).text


def test_names_of_a_design_are_facts_for_people():
    fields = {"a_b": [1, 2000], "n_bytes": 2000, "on": True, "off": None, "in": {"x_y": 0.5}}
    fields["pad_id"] = 4107
    assert [tuple(each) for each in facts(fields, without=("on",))] == [
        ("a b", "1, 2,000"),
        ("n", "2 kB"),
        ("off", "none"),
        ("in, x y", "0.5"),
        ("pad id", "4107"),
    ]


def test_report_replaces_the_one_before(tmp_path):
    out = tmp_path / "report.html"
    write_report(make_results(missing=ALL_RUNS), out)
    first = out.read_bytes()
    write_report(make_results(missing=ALL_RUNS, is_trial=True), out)
    assert out.read_bytes() != first
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_report_that_cannot_be_written_is_a_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot write"):
        write_report(make_results(missing=ALL_RUNS), tmp_path / "file" / "report.html")


def test_design_digest_is_that_of_results_jsonl(hostile):
    results = hostile_results()
    assert visible(results).design.digest != results.design.digest
    assert results.design.digest in hostile.text


def test_command_writes_the_page_and_says_what_was_found(tmp_path, page):
    results = make_results()
    (tmp_path / "results.jsonl").write_text("\n".join(results.lines()) + "\n")
    ran = duologue("report", tmp_path, "--out", tmp_path / "page.html")
    assert ran.code == 0, ran.err
    assert (tmp_path / "page.html").read_text() == page.source
    lines = ran.out.splitlines()
    assert lines[0] == headline(summarise(results))
    assert len(lines) == 1 + len(results.design.contrasts) + 1
    assert lines[-1] == str(tmp_path / "page.html")


def test_command_says_that_runs_are_missing_and_ends_with_3(tmp_path):
    lines = make_results().lines()
    (tmp_path / "results.jsonl").write_text("\n".join([*lines][:-2]) + "\n")
    ran = duologue("report", tmp_path, "--out", tmp_path / "page.html")
    assert ran.code == 3
    assert ran.err.startswith("2 of ")
    assert "runs are missing or failed" in ran.err
    assert (tmp_path / "page.html").exists()


def test_command_refuses_what_is_no_comparison(tmp_path):
    (tmp_path / "results.jsonl").write_text(json.dumps({"kind": "loss"}) + "\n")
    ran = duologue("report", tmp_path)
    assert ran.code == 1
    assert ran.last_line.startswith("duologue: ")
    assert "no line of a comparison" in ran.last_line
    assert not (tmp_path / "report.html").exists()
