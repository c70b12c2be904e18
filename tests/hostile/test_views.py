"""Pages and terminals show text of a corpus; they never obey it."""

import dataclasses
import json
from pathlib import Path

import pytest

from tests.jobs.compare.making import hostile_results
from tests.jobs.test_view import STYLING, is_safe
from tests.running import duologue, once

PAYLOADS = [
    "</span></p></style></title></svg><script>window.ran = 1; alert(1)</script>",
    "<img src=x onerror='window.ran = 1; alert(1)'>",
    "<svg onload='window.ran = 1'></svg>",
    '" onmouseover="window.ran = 1" autofocus onfocus="window.ran = 1" x="',
    "<a href='javascript:window.ran = 1'>x</a><iframe srcdoc='<script>parent.ran = 1</script>'>",
    "\x1b]0;title\x07\x1b[2J\x9b31m\u202egnp.exe\u2066\u2028\u200b\u00ad\U000e0041",
]

HOSTILE_TEXT = "".join(f"Q: Why {payload}?\nA: So {payload}.\n\n" for payload in PAYLOADS)


def write_results(folder: Path) -> None:
    """results.jsonl whose words are hostile, and hold every payload."""
    folder.mkdir()
    results = hostile_results()
    texts = [{"kind": "text", "player": 0, "text": payload} for payload in PAYLOADS]
    more = {
        "id": PAYLOADS[0],
        "source": " ".join(PAYLOADS),
        "game": " ".join(PAYLOADS),
        "segments": texts,
    }
    names = dict(zip(("placebo",), PAYLOADS[:1], strict=True))
    design = dataclasses.replace(
        results.design,
        examples=[*results.design.examples, more],
        corpus=results.design.corpus | {"name": " ".join(PAYLOADS)},
        model=results.design.model | {"name": PAYLOADS[1], "config": names},
    )
    runs = [dataclasses.replace(run, design=design.digest) for run in results.runs]
    lines = dataclasses.replace(results, design=design, runs=runs).lines()
    (folder / "results.jsonl").write_text("\n".join(lines))


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    """(what `duologue report` said, its page)."""
    folder = once(tmp_path_factory.getbasetemp(), "hostile-results", write_results)
    out = tmp_path_factory.mktemp("reported") / "report.html"
    ran = duologue("report", folder, "--out", out)
    # A run of it failed.
    assert ran.code == 3, ran.err
    return ran, out


def test_the_summary_of_a_report_is_text(reported):
    ran, _ = reported
    assert is_safe(ran.out + ran.err)


# Without its policy the page has to be safe too: other programs may show it.
@pytest.mark.browser
@pytest.mark.parametrize("has_policy", [True, False])
def test_nothing_of_a_corpus_is_run_in_a_page(browser, reported, tmp_path, has_policy):
    page = reported[1].read_text()
    policy = '<meta http-equiv="Content-Security-Policy"'
    assert page.count(policy) == 1
    (tmp_path / "page.html").write_text(page if has_policy else page.replace(policy, "<meta x"))
    browser.get((tmp_path / "page.html").as_uri())
    # An alert would make this fail as well.
    for tag in ("script", "img", "iframe", "a[href^=javascript]", "[onload]", "[onerror]"):
        assert browser.execute_script(f"return document.querySelectorAll('{tag}').length") == 0
    assert browser.execute_script("return window.ran === undefined")
    shown = browser.execute_script("return document.body.innerText")
    assert all(payload in shown for payload in PAYLOADS[:2])
    assert is_safe(shown.replace("\u00a0", " "))


@pytest.mark.parametrize(
    "argv",
    [("segment",), ("segment", "--view"), ("segment", "--explain")],
)
def test_text_of_a_file_is_shown_and_not_obeyed(tmp_path, argv):
    (tmp_path / "a.txt").write_text(HOSTILE_TEXT)
    for colour in ({}, {"FORCE_COLOR": "1", "TERM": "xterm"}):
        ran = duologue(*argv, tmp_path / "a.txt", env=colour)
        assert ran.code == 0, ran.err
        assert is_safe(STYLING.sub("", ran.out) if colour else ran.out)


def test_text_of_rows_is_shown_and_not_obeyed(tmp_path, tokenizer_file):
    lines = [{"text": f"Q: Why {payload}?\nA: {payload}.\n"} for payload in PAYLOADS]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    argv = ["prepare", tmp_path / "a.jsonl", "--out", tmp_path / "out", "--workers", 1]
    assert duologue(*argv, "--tokenizer", tokenizer_file).code == 0
    ran = duologue("inspect", tmp_path / "out", "-n", 20)
    assert ran.code == 0, ran.err
    assert "<script>window.ran" in ran.out
    assert is_safe(ran.out)
