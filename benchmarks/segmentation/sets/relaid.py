"""The Debian FAQ's pairs in layouts that people use elsewhere: pairs found, layout made."""

import re
import textwrap
from collections.abc import Callable, Iterator

from benchmarks.segmentation.gold import GoldDocument, GoldSet
from benchmarks.segmentation.packages import Packages
from benchmarks.segmentation.sets import debian_faq

Pairs = list[tuple[str, str]]

_WORDS = {
    "de": ("Frage", "Antwort"),
    "fr": ("Question\N{NO-BREAK SPACE}", "Réponse\N{NO-BREAK SPACE}"),
    "pt": ("Pergunta", "Resposta"),
    "zh-cn": ("问", "答"),
}
_NARROW = 44


def build(packages: Packages) -> Iterator[GoldSet]:
    """`relaid-*`."""
    pages = {language: _pairs(packages, language) for language in ("en", *_WORDS)}
    for name, lay_out in LAYOUTS.items():
        yield GoldSet(
            name=f"relaid-{name}",
            source="relaid",
            kind="pairs",
            note=f"the Debian FAQ's pairs in another layout: {name}",
            documents=tuple(lay_out(page, pairs) for page, pairs in pages["en"].items()),
        )
    yield GoldSet(
        name="relaid-translated",
        source="relaid",
        kind="pairs",
        note="the Debian FAQ's pairs with the labels of their languages",
        documents=tuple(
            _translated(page, pairs, *_WORDS[language])
            for language in _WORDS
            for page, pairs in pages[language].items()
        ),
    )


def _pairs(packages: Packages, language: str) -> dict[str, Pairs]:
    """Question and answer by page, pages of one pair left out."""
    found: dict[str, Pairs] = {}
    for path in debian_faq.pages(packages, language):
        document = debian_faq.read(path)
        data, pairs = document.text.encode(), []
        for span in document.spans():
            text = data[span.start : span.end].decode().strip()
            if span.kind == "question":
                pairs.append((text, ""))
            elif span.kind == "answer":
                pairs[-1] = (pairs[-1][0], text)
        if len(pairs) > 1:
            found[document.name] = pairs
    return found


def _start(page: str) -> GoldDocument:
    document = GoldDocument(page)
    document.add(f"{page.partition('.')[0].capitalize()}\n\nWhat people want to know.\n\n")
    return document


def _labelled(page: str, pairs: Pairs, before: str, between: str, after: str) -> GoldDocument:
    """Marks with {n} for the pair's number."""
    document = _start(page)
    for n, (question, answer) in enumerate(pairs, 1):
        document.pair(
            question, answer, before=before.format(n=n), between=between.format(n=n), after=after
        )
    return document


def _bold(page: str, pairs: Pairs) -> GoldDocument:
    return _labelled(page, pairs, "**Q:** ", "\n\n**A:** ", "\n\n")


def _numbered(page: str, pairs: Pairs) -> GoldDocument:
    return _labelled(page, pairs, "Q{n}. ", "\nA{n}. ", "\n\n")


def _translated(page: str, pairs: Pairs, question: str, answer: str) -> GoldDocument:
    colon = "：" if question == "问" else ": "
    return _labelled(page, pairs, question + colon, f"\n{answer}{colon}", "\n\n")


def _heading(
    page: str, pairs: Pairs, before: str, after: Callable[[str], str], change: Callable[[str], str]
) -> GoldDocument:
    document = _start(page)
    for n, (question, answer) in enumerate(pairs, 1):
        text = change(question)
        episode = document.open_episode(question, answer)
        document.add(before.format(n=n), "marker", episode, soft=True)
        document.add(text, "question", episode)
        document.add(after(text), "marker", episode, soft=True)
        document.add("\n", "marker", episode)
        document.add(answer, "answer", episode)
        document.add("\n\n")
    return document


def _bold_heading(page: str, pairs: Pairs) -> GoldDocument:
    return _heading(page, pairs, "**", lambda _: "**\n", str)


def _underlined(page: str, pairs: Pairs) -> GoldDocument:
    return _heading(page, pairs, "", lambda text: f"\n{'-' * len(text)}\n", str)


def _wrapped(page: str, pairs: Pairs) -> GoldDocument:
    return _heading(page, pairs, "", lambda _: "\n", lambda text: textwrap.fill(text, _NARROW))


def _unmarked(page: str, pairs: Pairs) -> GoldDocument:
    """Numbered headings that ask without a question mark."""
    return _heading(page, pairs, "{n}) ", lambda _: "\n", lambda text: text.rstrip("?! "))


def _one_line(page: str, pairs: Pairs) -> GoldDocument:
    """Question and the answer's first sentence on one line, both labelled."""
    document = _start(page)
    for question, answer in pairs:
        paragraph = _first_paragraph(answer)
        sentence = re.match(r".{20,}?[.:](?= |$)", paragraph)
        answer = sentence[0] if sentence else paragraph
        document.pair(question, answer, before="Q: ", between=" A: ", after="\n")
    return document


def _first_paragraph(answer: str) -> str:
    """On one line."""
    return " ".join(answer.partition("\n\n")[0].split())


def _interview(page: str, pairs: Pairs) -> GoldDocument:
    return _labelled(page, pairs, "INTERVIEWER: ", "\n\nDEVELOPER: ", "\n\n")


def _gathered(page: str, pairs: Pairs) -> GoldDocument:
    """All questions first, all answers after, joined by number."""
    document = _start(page)
    document.add("Questions\n\n")
    pairs = [(question, _first_paragraph(answer)) for question, answer in pairs]
    episodes = [document.open_episode(question, answer) for question, answer in pairs]
    for n, (episode, (question, _)) in enumerate(zip(episodes, pairs, strict=True), 1):
        document.add(f"{n}. ", "marker", episode, soft=True)
        document.add(question, "question", episode)
        document.add("\n")
    document.add("\nAnswers\n\n")
    for n, (episode, (_, answer)) in enumerate(zip(episodes, pairs, strict=True), 1):
        document.add(f"{n}. ", "marker", episode, soft=True)
        document.add(answer, "answer", episode)
        document.add("\n")
    return document


LAYOUTS: dict[str, Callable[[str, Pairs], GoldDocument]] = {
    "bold": _bold,
    "bold-heading": _bold_heading,
    "gathered": _gathered,
    "interview": _interview,
    "numbered": _numbered,
    "one-line": _one_line,
    "underlined": _underlined,
    "unmarked": _unmarked,
    "wrapped": _wrapped,
}
"""Ways to write pairs down, by the set's name."""
