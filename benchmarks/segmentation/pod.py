"""POD documents by pod2text, with the places of their headings.

A paragraph that no document holds is put before and after each wanted heading and looked up in the
rendering; without these paragraphs the rendering must be that of the source itself.
"""

import html
import re
import subprocess
from pathlib import Path

from benchmarks.segmentation.gold import GoldDocument
from benchmarks.segmentation.packages import MissingPackageError

_PLACE = re.compile(r"^[ \t]*ZZPLACE([0-9]+)ZZ\n\n?", re.MULTILINE)


def render(source: str, indent: int) -> str:
    """What pod2text makes of a source."""
    command = ["pod2text", "-u", "-i", str(indent)]
    try:
        done = subprocess.run(command, input=source.encode(), capture_output=True, check=True)
    except FileNotFoundError:
        msg = "pod2text is not installed (Debian: perl)"
        raise MissingPackageError(msg) from None
    return done.stdout.decode()


def title_text(title: str) -> str:
    """A heading's text without its formatting codes."""
    before = None
    while before != title:
        before = title
        title = re.sub(r"\b[BCFILS]<<+ (.*?) >>+", r"\1", title)
        title = re.sub(
            r"\b([BCFILSX])<((?:[^<>]|(?<=[-=])>)*)>",
            lambda code: "" if code[1] == "X" else code[2].partition("|")[0],
            title,
        )
    return html.unescape(re.sub(r"E<(\w+)>", r"&\1;", title))


def pod_document(path: Path, indent: int, *, name: str, level: int | None) -> GoldDocument:
    """A POD file as text; each heading of that level asks and its body answers.

    Raises:
      ValueError: if the places change the rendering.
    """
    source = path.read_text(encoding="utf-8")
    marked, titles = _place(source, level)
    rendered = render(marked, indent)
    if _PLACE.sub("", rendered) != render(source, indent):
        msg = f"{path.name}: places change what pod2text makes of it"
        raise ValueError(msg)
    document = GoldDocument(name)
    first, *pieces = _PLACE.split(rendered)
    document.add(first)
    numbered = dict(zip(map(int, pieces[::2]), pieces[1::2], strict=True))
    for number, text in numbered.items():
        if number in titles:
            body = numbered[number + 1]
            title = titles[number]
            # A link's text is not in the heading, so its letters cannot be compared.
            episode = document.open_episode(None if "L<" in title else title_text(title))
            document.add(text, "question", episode)
            document.add(body, "answer", episode)
        elif number - 1 not in titles:
            document.add(text)
    return document


def _place(source: str, level: int | None) -> tuple[str, dict[int, str]]:
    """The source with places, and the titles that stand between place n and place n + 1."""
    paragraphs = re.split(r"(\n[ \t]*\n+)", source)
    out, titles, n_places, is_open, in_pod = "", {}, 0, False, False
    for paragraph, gap in zip(paragraphs[::2], [*paragraphs[1::2], "\n"], strict=True):
        command = re.match(r"\n*=(?:head(\d)\s+(.*)|(cut)\b|[a-z])", paragraph, re.DOTALL)
        is_cut = bool(command and command[3])
        if is_open and command and (command[1] or is_cut):
            out += f"ZZPLACE{n_places}ZZ\n\n"
            n_places, is_open = n_places + 1, False
        if in_pod and command and command[1] and int(command[1]) == level:
            titles[n_places] = re.sub(r"\s+", " ", command[2]).strip()
            place = "ZZPLACE{}ZZ\n\n"
            out += place.format(n_places) + paragraph + gap + place.format(n_places + 1)
            n_places, is_open = n_places + 2, True
        else:
            out += paragraph + gap
        in_pod = not is_cut and (in_pod or command is not None)
    return out, titles
