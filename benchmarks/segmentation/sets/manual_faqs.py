"""FAQs that manuals carry, each with its own markup; the manuals' other pages as negatives."""

import re
from collections.abc import Iterator
from pathlib import Path

from benchmarks.segmentation.browser import Block, as_text, read_page
from benchmarks.segmentation.gold import GoldDocument, GoldSet
from benchmarks.segmentation.packages import Packages, found_in
from benchmarks.segmentation.sections import add_section, read_sections
from benchmarks.segmentation.sets.debian_faq import add_asking
from benchmarks.segmentation.sets.reference import pick

_N_NEGATIVES = 60
_PROMPT = re.compile(r"(?m)^\s*(?:\$|#|%|>>>|sqlite>) \S")
"""A session is an episode that another family of cues may find."""
_ASKS = re.compile(r"\?$|FAQ|\bquestions?\b", re.IGNORECASE)


def build(packages: Packages) -> Iterator[GoldSet]:
    """`manual-faqs`, `neg-manuals` and, held out, `fetchmail-faq`."""
    apache = packages.debian("apache2-doc")
    sqlite = packages.debian("sqlite3-doc")
    yield GoldSet(
        name="manual-faqs",
        source="manual-faqs",
        kind="pairs",
        note="the FAQs of SQLite, Apache's mod_ssl, libstdc++, Privoxy and zsh, rendered as text",
        documents=(
            _sqlite(sqlite),
            *_apache(apache),
            _libstdcxx(packages.debian("libstdc++-12-doc", "libstdc++-14-doc")),
            *_privoxy(packages.debian("privoxy")),
            *_zsh(packages.debian("zsh-doc")),
        ),
    )
    yield GoldSet(
        name="neg-manuals",
        source="neg-manuals",
        kind="negative",
        note="other pages of SQLite's and Apache's manuals; neutral: sections that ask, sessions",
        documents=tuple(
            _negative(page, main, skip)
            for root, pattern, main, skip in (
                (sqlite, "usr/share/doc/sqlite3/*.html", "", _SQLITE_FRAME),
                (apache, "usr/share/doc/apache2-doc/manual/en/[hpvm]*/*.html", _APACHE_PAGE, ""),
            )
            for page in pick(
                (p for p in found_in(root, pattern) if "faq" not in p.name), _N_NEGATIVES
            )
        ),
    )
    yield GoldSet(
        name="fetchmail-faq",
        source="fetchmail-faq",
        kind="pairs",
        note="fetchmail's FAQ: 'G1. What is...'; held out until rules were written for it",
        documents=(_fetchmail(packages.debian("fetchmail")),),
        held_out=False,
    )


_SQLITE_FRAME = r"div\.(?:nosearch|menu|tagline).*"
_APACHE_PAGE = r"div#page-content"


def _read(root: Path, pattern: str) -> list[tuple[Path, str]]:
    pages = found_in(root, pattern)
    return [(page, page.read_text(encoding="utf-8", errors="replace")) for page in pages]


def _leaves(document: GoldDocument, blocks: list[Block], level: int) -> GoldDocument:
    """Sections of that level, or deeper, without sections of their own, are pairs."""
    for section, is_leaf in read_sections(blocks):
        if is_leaf and section.level >= level and section.body:
            add_section(document, section)
        else:
            document.add(section.text)
    return document


def _sqlite(root: Path) -> GoldDocument:
    ((_, html),) = _read(root, "usr/share/doc/sqlite3/faq.html")
    # A question is a bold paragraph there, its answer a block quotation.
    html = re.sub(r"<p><b>(\(\d+\) .*?)</b></p>", r"<h3>\1</h3>", html, flags=re.DOTALL)
    return _leaves(GoldDocument("sqlite"), read_page(html, skip=_SQLITE_FRAME), 3)


def _apache(root: Path) -> Iterator[GoldDocument]:
    for language in ("en", "fr"):
        pattern = f"usr/share/doc/apache2-doc/manual/{language}/ssl/ssl_faq.html"
        ((_, html),) = _read(root, pattern)
        blocks = read_page(html, main=_APACHE_PAGE, skip=r"a\.permalink|div\.top|div\.toplang")
        yield _leaves(GoldDocument(f"ssl-{language}"), blocks, 3)


def _libstdcxx(root: Path) -> GoldDocument:
    ((_, html),) = _read(root, "usr/share/doc/gcc-*-base/libstdc++/faq.html")
    blocks = read_page(html, skip=r"div\.nav(?:header|footer)")
    document, at = GoldDocument("libstdcxx"), 0
    while at < len(blocks):
        end = at + 1
        asks, says = (blocks[at].inside(rf"tr\.{what}") for what in ("question", "answer"))
        what = "question" if asks else "answer"
        while end < len(blocks) and blocks[end].inside(rf"tr\.{what}") and (asks or says):
            end += 1
        some, at = blocks[at:end], end
        if asks:
            question = " ".join(block.raw for block in some[1:])
            episode = document.open_episode(question)
            document.add("\n" + some[0].text.strip() + " ", "marker", episode, soft=True)
            document.add(" ".join(question.split()) + "\n", "question", episode)
        elif says:
            document.add(as_text(some), "answer", document.n_episodes - 1)
        else:
            document.add(as_text(some))
    return document


def _privoxy(root: Path) -> Iterator[GoldDocument]:
    for page, html in _read(root, "usr/share/doc/privoxy/faq/[gimt]*.html"):
        if page.stem != "index":
            document = GoldDocument(f"privoxy-{page.stem}")
            add_asking(document, html, skip=_PRIVOXY_FRAME)
            yield document


_PRIVOXY_FRAME = r"div\.NAV(?:HEADER|FOOTER)"


def _zsh(root: Path) -> Iterator[GoldDocument]:
    for page, html in _read(root, "usr/share/doc/zsh-common/html/FAQ0*.html"):
        html = re.sub(r"<hr>\s*<ul>.*?</ul>\s*<hr>", "", html, flags=re.DOTALL)
        yield _leaves(GoldDocument(f"zsh-{page.stem}"), read_page(html), 2)


def _fetchmail(root: Path) -> GoldDocument:
    ((_, html),) = _read(root, "usr/share/doc/fetchmail/fetchmail-FAQ.html")
    document = GoldDocument("fetchmail")
    for section, is_leaf in read_sections(read_page(html)):
        if is_leaf and re.match(r"[A-Z]\d+\.", section.title) and section.body:
            add_section(document, section)
        else:
            document.add(section.text)
    return document


def _negative(page: Path, main: str, skip: str) -> GoldDocument:
    blocks = read_page(page.read_text(encoding="utf-8", errors="replace"), main=main, skip=skip)
    document, asks_at = GoldDocument(f"{page.parent.name}-{page.stem}"), 0
    for section, _ in read_sections(blocks):
        if asks_at and section.level <= asks_at:
            asks_at = 0
        if _ASKS.search(section.title):
            asks_at = asks_at or section.level
        before: Block | None = None
        for block in (section.heading, *section.body):
            if block is not None:
                is_session = (
                    block.inside(r"(?:pre|div\.example).*")
                    and _PROMPT.search(block.text) is not None
                )
                text = block.text if block.heading else as_text([block], before=before)
                document.add(text, neutral=bool(asks_at) or is_session)
                before = block
        document.add("\n", neutral=bool(asks_at))
    return document
