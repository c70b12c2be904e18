r"""Final answers: what marks the end of reasoning in a response.

A line "#### 42", a label "Final answer: 42", the sentence "So the answer is 42.", a box
"\boxed{42}" close to the end, or, in a worked sum, a last sentence that concludes: "Therefore
x = 5." What is announced is the answer, without its label and without its closing full stop.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

import polars as pl

from transforms.cues.words import FINAL_WORDS, longest_first
from transforms.episodes import trim
from transforms.lines import Lines

_WORDS = longest_first(FINAL_WORDS)
LABELLED = (
    # "*+" gives nothing back, or all words would be tried behind each space; Rust reads the same.
    rf"(?:[ \t]*+(?:\#{{1,6}}[ \t]+)?[*_]{{0,2}}(?:the |final |correct |numerical ){{0,2}}"
    rf"(?:{_WORDS})"
    r"(?:[*_]{0,2}[ \t]*[:：][*_]{0,2}|[*_]{1,2}[ \t]*(?:\n|$))"
    # A heading has a line of its own.
    rf"|\#{{1,6}}[ \t]+(?:the |final |correct ){{0,2}}(?:{_WORDS})[ \t]*(?:\n|$))"
)
"""Rust and Python regular expression of a label that announces a final answer, in any case."""

_SAID = (
    r"(?:(?:the|our|my) (?:(?:final|correct|right|best) )?(?:answer|option|choice)"
    r"(?: to [^.?!\n]{1,60}| here)? (?:is|must be|should be|would be|will be)"
    r"|(?:so|thus|hence|therefore),? answer is"
    r"|la respuesta(?: final| correcta)? es|la réponse(?: finale| correcte)? est|la risposta è"
    r"|a resposta(?: final| correta)? é|die (?:richtige )?antwort (?:ist|lautet)"
    r"|het antwoord is|svaret är|odpowiedź to|ответ[ \t]*[—–-]|答案是|答案为|答案為|答えは"
    r"|정답은|답은)"
)
_SO = (
    r"(?:(?:in conclusion|in summary|overall|so|thus|hence|therefore|then|finally|consequently"
    r"|donc|also|daher)\b,? ?|所以|因此)"
)
_LABEL_LINE = re.compile(rf"^{LABELLED}\s*(?P<answer>\S)", re.IGNORECASE | re.MULTILINE)
_LABEL_INLINE = re.compile(
    r"(?<=[.!?。])[ \t]+[*_]{0,2}(?:the )?(?:final |correct )?(?:answer|ans|antwort|respuesta"
    r"|réponse|ответ)[*_]{0,2}[ \t]?[:：][*_]{0,2}[ \t]*(?P<answer>\S[^\n]{0,79})$",
    re.IGNORECASE,
)
_HASHES = re.compile(r"[ \t]*####[ \t]*(?P<answer>\S.*)")
_TAGGED = re.compile(
    r"(?P<label><(?P<tag>(?:final_)?answer)>|\[(?P<box>ANSWER)\])\s*(?P<answer>\S[^<\[]{0,299}?)\s*"
    r"(?:</(?P=tag)>|\[/(?P=box)\])$",
)
# "So the answer is:" may have a line of its own.
_ABOVE = re.compile(
    rf"(?<![^\s.!?;,:。，])(?P<label>{_SO}?{_SAID}[:：])[*_]{{0,2}}\s*\n\s*[*_]{{0,2}}(?P<answer>\S[^\n]{{0,79}})$",
    re.IGNORECASE,
)
# The last action of an agent that thinks and acts by turns.
_FINISHES = re.compile(r"[ \t]*(?:Action(?: \d+)?: )?Finish\[(?P<answer>[^\[\]\n]+)\]$")
# The sentence that gives the answer closes the response, and what it gives is short: "The answer is
# no. Then ..." goes on, and prose about an answer is long.
_SENTENCE = re.compile(
    rf"(?<![^\s.!?;,:。，])(?P<label>{_SO}?{_SAID}[:：]?)[ \t]*[*_]{{0,2}}"
    # "The answer is missing" speaks of the answer.
    r"(?!(?:not|also|missing|incomplete|incorrect|unclear|wrong|given|in|based|provided|that|what)\b)"
    r"(?P<answer>[^\s*_](?:[^.!?。\n]|[.!?](?=\S)){0,59}?)[*_]{0,2}(?:です|입니다)?[.!。]?$",
    re.IGNORECASE,
)
_IS_RIGHT = re.compile(
    rf"(?<![^\s.!?;:。])(?P<label>(?i:{_SO}?(?:the )?(?:(?:option|choice|answer) )?))"
    r"(?P<answer>\([A-Ja-j]\)|[A-J]) is (?:therefore |thus )?(?:the )?(?:correct|right|best)"
    r"(?: answer| option| choice)?\.?$"
)
# A sum concludes in so many words; without figures before it, "So ..." goes on in an argument.
_CONCLUSION = re.compile(
    r"(?:^|(?<=[.!?:;$)\]])\s|\n)\s*(?P<label>(?:therefore|thus|hence|so|consequently|accordingly"
    r"|it follows that|we conclude that|daher|folglich|somit|donc|por (?:lo )?tanto|portanto|quindi"
    r"|следовательно|поэтому|因此|所以)\b(?:[,:]| that\b)?|∴)[ \t]*"
    r"(?P<answer>\S(?:[^.!?。\n]|[.](?=\S)){0,79}?)[.!。]?$",
    re.IGNORECASE,
)
_SUM = re.compile(
    r"[\d)}\w$][ \t]*(?:[-+*/×÷·^]|\\times|\\cdot)[ \t]*[$\w({\\][^\n=]{0,80}=|=[ \t]*-?\d"
)
_VALUE = re.compile(r"\d|=|\$|\\\(")
_BOXED = "\\boxed{"
# "The answer is $\boxed{42}$." announces the answer once.
_ANNOUNCED = re.compile(rf"{_SO}?{_SAID}[:：]?$", re.IGNORECASE)
_ANNOUNCES = re.compile(rf"{_SO}?{_SAID}[:：]?[ \t]*(?=\S)", re.IGNORECASE)
_FORMULA = re.compile(r"\$[^$\s](?:[^$\n]*[^$\s])?\$")
_COURTESY = re.compile(
    r"(?<![ \t])(?:[.]?[ \t]*+I hope (?:it|this) is correct\.?$|[ \t]*+(?:□|∎|■|Q\.?E\.?D\.?)$)"
)
# What a final answer's last line may hold; most responses are told apart by that alone. What makes
# a slow automaton is left out: counted repetitions, and edges of words in any script.
_QUICK = (
    rf"(?im)(?:{_SAID.replace('{1,60}', '+')}|^{LABELLED}|[.!?。][ \t]+[*_]*[\w ]*[*_]*[:：]|####"
    r"|\\boxed|Finish\[|answer>$|/ANSWER\]$|∴|is (?:\w+ )?(?:the )?(?:correct|right|best)"
    r"|(?:therefore|thus|hence|so|consequently"
    r"|accordingly|follows|conclude|daher|folglich|somit|donc|tanto|portanto|quindi|следовательно"
    r"|поэтому|因此|所以)(?-u:\b))"
)
_MAX_COURTESY = 80
_QUICK_BYTES = 400
_MAX_TAIL_BYTES = 4_000
_MAX_AFTER_BOX = 40
_MAX_LABELLED = 300


class Final(NamedTuple):
    """A final answer in a text.

    Attributes:
      label: where what announces it starts.
      start: where the answer starts.
      end: where the answer ends.
      cue: what announces it, for people.
    """

    label: int
    start: int
    end: int
    cue: str


def may_conclude(lines: Lines, ends: Iterable[int]) -> list[bool]:
    """Whether a response that ends there may close with a final answer: [n], for byte offsets [n].

    It tells most responses apart, all at once.
    """
    data = lines.data
    tails = [str(data[max(0, end - _QUICK_BYTES) : end], "utf-8", "ignore") for end in ends]
    # The expression takes milliseconds to compile.
    return pl.Series(tails).str.contains(_QUICK).to_list() if tails else []


def find_final(lines: Lines, start: int, end: int) -> Final | None:
    """The final answer that closes a response, if it is marked and something stands before it.

    Args:
      lines: of all documents.
      start: byte offset of the response.
      end: byte offset of its end, white space left out.

    Returns:
      Byte offsets into the lines' buffer.
    """
    low = max(start, end - _MAX_TAIL_BYTES)
    tail = str(lines.data[low:end], "utf-8", "ignore")
    final = read_final(tail)
    if final is None:
        return None
    # Counted from the end, because the first bytes may be the rest of a character.
    label_at, answer_at, answer_end = (end - len(tail[at:].encode()) for at in final[:3])
    if trim(lines.data, start, label_at)[0] >= label_at:
        return None
    return Final(label_at, answer_at, answer_end, final.cue)


def read_final(text: str) -> Final | None:
    r"""The final answer at a text's end.

    Args:
      text: without white space at its end.

    Returns:
      Offsets into the text.

    Example:
      >>> read_final("3 * 4 = 12\n#### 12")
      Final(label=11, start=16, end=18, cue='####')
      >>> read_final("3 * 4 = 12. So the answer is 12.")
      Final(label=12, start=29, end=31, cue='So the answer is')
      >>> read_final("#### A title\n\nThe answer is no. Then it went on.")
    """
    courtesy = _COURTESY.search(text, max(0, len(text) - _MAX_COURTESY))
    if courtesy is not None:
        text = text[: courtesy.start()].rstrip()
    line_at = text.rfind("\n") + 1
    boxed = _read_box(text)
    labelled = _read_label(text)
    if labelled is not None and (boxed is None or boxed.label <= labelled.label):
        return labelled
    if boxed is not None:
        return boxed
    hashes = _HASHES.match(text, line_at)
    if hashes is not None:
        return Final(line_at, hashes.start("answer"), len(text), "####")
    tagged = _TAGGED.search(text, max(0, len(text) - _MAX_LABELLED - _MAX_AFTER_BOX))
    if tagged is not None:
        return Final(tagged.start(), *tagged.span("answer"), tagged["label"])
    finishes = _FINISHES.match(text, line_at)
    if finishes is not None:
        return Final(line_at, *finishes.span("answer"), "Finish")
    for pattern in (_SENTENCE, _LABEL_INLINE, _IS_RIGHT):
        said = pattern.search(text, line_at)
        if said is not None:
            return _said(text, said)
    above = _ABOVE.search(text, text.rfind("\n", 0, len(text[:line_at].rstrip())) + 1)
    return _read_conclusion(text, line_at) if above is None else _said(text, above)


def _said(text: str, match: re.Match[str]) -> Final:
    start, end = match.span("answer")
    label = match.start() + len(match[0]) - len(match[0].lstrip())
    cue = text[label:start].strip(" \t*_") or "is correct"
    return Final(label, *_formula(start, without_stop(text[start:end])), cue)


def _formula(start: int, answer: str) -> tuple[int, int]:
    """Where an answer starts and ends without the signs of a formula around all of it, "$x$"."""
    is_formula = _FORMULA.fullmatch(answer) is not None
    return start + is_formula, start + len(answer) - is_formula


def without_stop(answer: str) -> str:
    """An answer without the emphasis and the full stop that close it, if it is one sentence.

    Example:
      >>> without_stop("42."), without_stop("It is. It was."), without_stop("**42.**")
      ('42', 'It is. It was.', '**42')
    """
    bare = answer.rstrip("*_ \t") if answer.endswith("*") else answer
    stopped = bare.removesuffix(".").removesuffix("。")
    if stopped.endswith(".") or re.search(r"[.!?。](?:\s|$)", stopped):
        return bare
    return stopped


def _read_label(text: str) -> Final | None:
    """What the last label announces, if it is the text's last paragraph and short."""
    low = max(0, len(text) - _MAX_LABELLED - 40)
    labels = list(_LABEL_LINE.finditer(text, low))
    if not labels or (low and labels[-1].start() == low):
        return None
    label = labels[-1]
    start = label.start("answer")
    said = _ANNOUNCES.match(text, start)
    if said is not None:
        start = said.end()
    answer = text[start:]
    if len(answer) > _MAX_LABELLED or re.search(r"\n[ \t]*\n", answer):
        return None
    cue = text[label.start() : label.start("answer")].strip(" \t*_#\n")
    return Final(label.start(), *_formula(start, without_stop(answer)), cue)


def _read_box(text: str) -> Final | None:
    at = text.rfind(_BOXED)
    if at < 0:
        return None
    depth, end = 1, at + len(_BOXED)
    while end < len(text) and depth:
        depth += {"{": 1, "}": -1}.get(text[end], 0)
        end += 1
    if depth or len(text) - end > _MAX_AFTER_BOX or end - 1 == at + len(_BOXED):
        return None
    opening = len(text[:at].rstrip("$\\([* "))
    announced = _ANNOUNCED.search(text, text.rfind("\n", 0, opening) + 1, opening)
    label_at = opening if announced is None else announced.start()
    return Final(label_at, at + len(_BOXED), end - 1, "\\boxed")


def _read_conclusion(text: str, line_at: int) -> Final | None:
    """The last sentence of a worked sum, if it concludes and gives a value."""
    # The sentence's opener may stand at the start of the last line.
    found = _CONCLUSION.search(text, max(line_at - 1, 0))
    if found is None or _VALUE.search(found["answer"]) is None:
        return None
    if _SUM.search(text, 0, found.start("label")) is None:
        return None
    return Final(*found.span("label")[:1], *found.span("answer"), found["label"])
