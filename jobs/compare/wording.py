"""What a comparison found, in words: the headline, the lines on a terminal, numbers as text."""

import math
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from jobs.compare.results import Results
from jobs.compare.statistics import MIN_SEEDS
from jobs.compare.summary import RAW, Comparison, Summary, Verdict, summarise, visible

MINUS = "\u2212"
UNIT = "bits per byte"
_NAMED_RUNS = 6

_STYLES = {Verdict.BETTER: "green", Verdict.WORSE: "red", Verdict.NO_EVIDENCE: "yellow"}


def print_summary(results: Results, console: Console) -> None:
    """Prints the headline, then a line a contrast; plain where the console is no terminal."""
    summary = summarise(visible(results))
    n_digits = digits(summary)
    console.print(Text(headline(summary), "bold"), soft_wrap=True, highlight=False)
    rows = [_columns(each, n_digits) for each in summary.comparisons]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row, each in zip(rows, summary.comparisons, strict=True):
        line = Text("  ".join(map(str.ljust, row, widths)) + "  ")
        line.append(verdict(each), _STYLES.get(each.verdict, ""))
        line.append(f" ({_listed(each.absent)})" if each.absent else "")
        console.print(line, soft_wrap=True, highlight=False)


def headline(summary: Summary) -> str:
    """The primary contrast in one sentence: how much, how sure, and what follows.

    A trial, and a comparison with an invariant that does not hold, say first that they are no
    evidence.

    Args:
      summary: of visible results; names stand in the sentence as they are.
    """
    primary = summary.primary
    if primary is None:
        return "This design has no primary contrast."
    if not primary.seeds:
        sides = f"{_on_one_line(primary.arm)} against {_on_one_line(primary.reference)}"
        why = f"none of {summary.n_seeds} seeds has both runs ({_listed(primary.absent)})"
        return f"The primary contrast, {sides}, cannot be computed: {why}."
    sentence = _sentence(primary, summary)
    if summary.broken:
        first = "An invariant of the design does not hold, so this is no evidence"
    elif summary.is_trial:
        first = "A run of this size checks the pipeline and is no evidence"
    else:
        return sentence[0].upper() + sentence[1:]
    return f"{first}: {sentence}"


def verdict(comparison: Comparison) -> str:
    """The verdict as a label."""
    if comparison.verdict in (Verdict.BETTER, Verdict.WORSE) and comparison.is_within_margin:
        return f"{comparison.verdict}, within the margin"
    if comparison.verdict == Verdict.TOO_FEW_SEEDS:
        n = comparison.n_family_seeds or len(comparison.seeds)
        return f"{counted(n, 'seed')} cannot reject"
    return str(comparison.verdict)


def title(comparison: Comparison) -> str:
    """The two sides, as a difference."""
    return f"{_on_one_line(comparison.arm)} {MINUS} {_on_one_line(comparison.reference)}"


def prompts(comparison: Comparison) -> str:
    """What the two sides are shown."""
    shown = comparison.prompt, comparison.reference_prompt
    if shown == (RAW, RAW):
        return "raw prompt"
    if shown == (comparison.arm, comparison.reference):
        return "own formats"
    return " against ".join(f"{_on_one_line(each)} prompt" for each in dict.fromkeys(shown))


def digits(summary: Summary) -> int:
    """Decimals that give the narrowest interval two figures; from 3 to 6, the same for all."""
    halves = [
        (each.statistics.high - each.statistics.low) / 2
        for each in summary.comparisons
        if each.statistics
    ]
    narrowest = min((half for half in halves if half > 0), default=0.001)
    return min(6, max(3, 1 - math.floor(math.log10(narrowest))))


def fixed(value: float, n_digits: int) -> str:
    """A number with so many decimals and a true minus.

    Example:
      >>> fixed(-0.01234, 3)
      '−0.012'
    """
    return f"{value:.{n_digits}f}".replace("-", MINUS)


def signed(value: float, n_digits: int) -> str:
    """A difference: its sign is always there.

    Example:
      >>> signed(0.01234, 3)
      '+0.012'
    """
    return f"{value:+.{n_digits}f}".replace("-", MINUS)


def interval(ends: Sequence[float], n_digits: int) -> str:
    """An interval of differences.

    Example:
      >>> interval((-0.01, 0.02), 2)
      '−0.01 to +0.02'
    """
    return " to ".join(signed(end, n_digits) for end in ends)


def p_value(p: float) -> str:
    """A p value with three decimals.

    Example:
      >>> p_value(0.03125), p_value(1e-9)
      ('0.031', '<0.001')
    """
    # Half up: many exact p are odd multiples of a half of the last decimal.
    return f"{math.floor(p * 1000 + 0.5) / 1000:.3f}" if p >= 0.001 else "<0.001"


def counted(n: int, what: str) -> str:
    """A count with its noun.

    Example:
      >>> counted(1, "seed"), counted(1200, "seed")
      ('1 seed', '1,200 seeds')
    """
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def _sentence(primary: Comparison, summary: Summary) -> str:
    """Without a capital; names of arms never begin it."""
    n_digits = digits(summary)
    mean, reference = primary.mean or 0.0, primary.reference_mean or math.inf
    share = signed(100 * mean / reference, max(2, n_digits - 2))
    change = f"{signed(mean, n_digits)} ({share} %)"
    shown = prompts(primary)
    shown = "in their own formats" if shown == "own formats" else f"under the {shown}"
    sides = (
        f"{shown}, the {_on_one_line(primary.arm)} arm changes "
        f"{UNIT} of held-out answers by {change} against {_on_one_line(primary.reference)}"
    )
    found = f"{sides} ({_evidence(primary, summary, n_digits)})"
    if primary.verdict == Verdict.NO_EVIDENCE:
        return f"{found}."
    return f"{found}: {_conclusion(primary, n_digits)}."


def _evidence(primary: Comparison, summary: Summary, n_digits: int) -> str:
    found = primary.statistics
    n = len(primary.seeds)
    seeds = counted(n, "paired seed")
    if n < summary.n_seeds:
        seeds = f"{n} of {summary.n_seeds} paired seeds, {_listed(primary.absent)}"
    if found is None:
        return f"{seeds}, so no interval"
    ends = interval((found.low, found.high), n_digits)
    return f"95 % interval {ends}, exact sign-flip p = {p_value(found.p_sign_flip)}, {seeds}"


def _conclusion(primary: Comparison, n_digits: int) -> str:
    arm, margin = _on_one_line(primary.arm), ""
    if primary.statistics and primary.statistics.margin is not None:
        margin = fixed(primary.statistics.margin, n_digits)
    if primary.verdict in (Verdict.BETTER, Verdict.WORSE):
        within = f", by less than the margin of {margin}" if primary.is_within_margin else ""
        return f"{arm} is {primary.verdict}{within}"
    if primary.verdict == Verdict.EQUIVALENT:
        return f"the two are equivalent within the margin of ±{margin}"
    if primary.verdict == Verdict.TOO_FEW_SEEDS:
        return f"fewer than {MIN_SEEDS} paired seeds cannot tell the two apart"
    return "the two are not told apart"


def _listed(absent: Sequence[str]) -> str:
    shown = ", ".join(map(_on_one_line, absent[:_NAMED_RUNS]))
    more = len(absent) - _NAMED_RUNS
    return f"{shown} and {more} more" if more > 0 else shown


def _columns(comparison: Comparison, n_digits: int) -> list[str]:
    """Of a line on the terminal, the verdict left out."""
    family = "primary" if comparison.is_primary else "secondary"
    if comparison.mean is None:
        numbers = ["", "", ""]
    elif comparison.statistics is None:
        numbers = [f"{signed(comparison.mean, n_digits)} {UNIT}", "", ""]
    else:
        found, p = comparison.statistics, comparison.p_adjusted
        ends = interval((found.low, found.high), n_digits)
        adjusted = "" if comparison.is_primary or p is None else f" (adjusted {p_value(p)})"
        numbers = [
            f"{signed(found.mean, n_digits)} {UNIT}",
            f"95 % {ends}",
            f"p {p_value(found.p_sign_flip)}{adjusted}",
        ]
    seeds = counted(len(comparison.seeds), "seed")
    return [family, title(comparison), prompts(comparison), *numbers, seeds]


def _on_one_line(text: str) -> str:
    return " ".join(text.split())
