"""The report as a person opens it: Chromium without a window, wide and narrow, light and dark.

Debian has both parts (chromium, chromium-driver); without them all of this is skipped.
"""

import base64

import pytest

from jobs.compare.report import write_report
from jobs.view import escape
from tests.jobs.compare.making import HOSTILE, hostile_results, make_results

pytestmark = pytest.mark.browser

WIDE, NARROW = 1280, 390

each_width = pytest.mark.parametrize("width", [WIDE, NARROW])
each_scheme = pytest.mark.parametrize("scheme", ["light", "dark"])
each_report = pytest.mark.parametrize("report", ["plain", "failed", "hostile", "empty"])

REPORTS = {
    "plain": make_results,
    "failed": lambda: make_results(n_seeds=3, failed={("placebo", 1): "killed"}, is_trial=True),
    "hostile": hostile_results,
    "empty": lambda: make_results(
        missing=[(arm, seed) for arm in ("raw", "tags", "placebo", "swapped") for seed in range(6)]
    ),
}

TEXTS_IN_CHARTS_THAT_OVERRUN = """
return [...document.querySelectorAll('.chart svg')].filter(svg => svg.clientWidth).flatMap(svg => {
  const frame = svg.getBoundingClientRect();
  return [...svg.querySelectorAll('text')].filter(text => {
    const box = text.getBoundingClientRect();
    return box.left < frame.left - 2 || box.right > frame.right + 2
      || box.top < frame.top - 2 || box.bottom > frame.bottom + 2;
  }).map(text => text.textContent);
});
"""

TEXTS_IN_CHARTS_THAT_OVERLAP = """
return [...document.querySelectorAll('.chart svg')].filter(svg => svg.clientWidth).flatMap(svg => {
  const boxes = [...svg.querySelectorAll('text')].map(text => [text, text.getBoundingClientRect()]);
  return boxes.flatMap(([one, a], place) => boxes.slice(place + 1).filter(([, b]) =>
    a.left + 1 < b.right && b.left + 1 < a.right && a.top + 4 < b.bottom && b.top + 4 < a.bottom
  ).map(([other]) => [one.textContent, other.textContent]));
});
"""

# WCAG 2: (L1 + 0.05) / (L2 + 0.05), over every element with text of its own.
FAINT_TEXTS = """
function rgba(colour) {
  const parts = colour.match(/[\\d.]+/g).map(Number);
  return parts.length > 3 ? parts : [...parts, 1];
}
function over(front, back) {
  return [0, 1, 2].map(i => front[i] * front[3] + back[i] * (1 - front[3])).concat(1);
}
function luminance(colour) {
  const [r, g, b] = colour.slice(0, 3).map(value => {
    value /= 255;
    return value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
function background(element) {
  const own = rgba(getComputedStyle(element).backgroundColor);
  const behind = element.parentElement ? background(element.parentElement) : [255, 255, 255, 1];
  return over(own, behind);
}
const found = [];
for (const element of document.querySelectorAll('body *')) {
  const words = [...element.childNodes].filter(node => node.nodeType === 3 && node.data.trim());
  if (!words.length || !element.getClientRects().length) continue;
  const style = getComputedStyle(element);
  const ground = background(element);
  const ink = rgba(element instanceof SVGElement ? style.fill : style.color);
  ink[3] *= Number(style.opacity);
  const [a, b] = [luminance(over(ink, ground)), luminance(ground)].sort((x, y) => y - x);
  if ((a + 0.05) / (b + 0.05) < 4.5) found.push([element.textContent, style.color, ground]);
}
return [document.querySelectorAll('body *').length, found];
"""


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """Folder of the reports by name."""
    folder = tmp_path_factory.mktemp("reports")
    for name, make in REPORTS.items():
        write_report(make(), folder / f"{name}.html")
    return folder


@pytest.fixture
def show(browser, reports):
    """Opens a report at a width and in a colour scheme."""

    def open_report(name, width=WIDE, scheme="light"):
        metrics = {
            "width": width,
            "height": 900,
            "deviceScaleFactor": 1,
            "mobile": width == NARROW,
        }
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        browser.get((reports / f"{name}.html").as_uri())
        return browser

    return open_report


@each_report
@each_width
def test_page_is_no_wider_than_its_window(show, report, width):
    page = show(report, width)
    assert page.execute_script("return window.innerWidth") == width
    overflow = "const page = document.documentElement; return page.scrollWidth - page.clientWidth"
    assert page.execute_script(overflow) == 0


@each_report
def test_console_stays_empty(show, report):
    assert show(report).get_log("browser") == []


@pytest.mark.parametrize(("width", "shown", "hidden"), [(WIDE, 0, 1), (NARROW, 1, 0)])
def test_charts_are_those_of_the_width(show, width, shown, hidden):
    page = show("plain", width)
    widths = [
        page.execute_script(
            f"return [...document.querySelectorAll('.{name} svg')].map(svg => svg.clientWidth)"
        )
        for name in ("wide", "narrow")
    ]
    assert len(widths[shown]) == 4
    assert min(widths[shown]) > 300
    assert max(widths[hidden]) == 0


@each_width
@pytest.mark.parametrize("report", ["plain", "failed", "hostile"])
def test_no_label_of_a_chart_is_cut_off(show, report, width):
    assert show(report, width).execute_script(TEXTS_IN_CHARTS_THAT_OVERRUN) == []


@each_width
@pytest.mark.parametrize("report", ["plain", "failed"])
def test_no_labels_of_a_chart_overlap(show, report, width):
    assert show(report, width).execute_script(TEXTS_IN_CHARTS_THAT_OVERLAP) == []


@each_width
def test_tables_scroll_in_boxes_of_their_own(show, width):
    page = show("plain", width)
    inner = page.execute_script("return document.querySelector('.scroll').scrollWidth")
    outer = page.execute_script("return document.querySelector('.scroll').clientWidth")
    assert inner > outer if width == NARROW else inner == outer


def test_hostile_text_is_seen_as_text(show):
    page = show("hostile")
    text = page.execute_script("return document.body.innerText")
    assert escape(HOSTILE) in text
    assert page.execute_script("return document.querySelectorAll('img, script').length") == 0
    assert page.execute_script("return document.styleSheets.length") == 1


@each_scheme
@each_report
def test_text_stands_out_from_its_ground(show, report, scheme):
    n_elements, faint = show(report, scheme=scheme).execute_script(FAINT_TEXTS)
    assert n_elements > 100
    assert faint == []


def test_dark_is_dark(show):
    colours = {
        scheme: show("plain", scheme=scheme).execute_script(
            "return getComputedStyle(document.body).backgroundColor"
        )
        for scheme in ("light", "dark")
    }
    assert colours == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 27)"}


def test_script_in_a_page_would_not_run(show, reports):
    page = (reports / "plain.html").read_text()
    forged = page.replace("</body>", "<script>document.title = 'ran'</script></body>")
    (reports / "forged.html").write_text(forged)
    browser = show("forged")
    assert browser.title != "ran"
    assert any(
        "Content Security Policy" in entry["message"] for entry in browser.get_log("browser")
    )


def test_page_prints_in_light_even_where_the_screen_is_dark(show):
    page = show("plain", scheme="dark")
    features = [{"name": "prefers-color-scheme", "value": "dark"}]
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", "features": features})
    assert page.execute_script("return getComputedStyle(document.body).backgroundColor") == (
        "rgb(255, 255, 255)"
    )
    pdf = base64.b64decode(page.print_page())
    assert pdf.startswith(b"%PDF")
    assert 3 <= pdf.count(b"/Type /Page\n") <= 12
