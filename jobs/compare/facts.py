"""What a design says of itself, as names and values for people; what became of its runs."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from jobs.compare.results import Results
from jobs.compare.summary import fault


class Fact(NamedTuple):
    """A name and a value, as text."""

    name: str
    value: str


def facts(fields: Mapping[str, Any], *, without: tuple[str, ...] = ()) -> list[Fact]:
    """Names and values of a JSON object for people, nested ones under their parents' names.

    Example:
      >>> facts({"train_documents": 1200, "adam": {"eps": 1e-8}})
      [Fact(name='train documents', value='1,200'), Fact(name='adam, eps', value='1e-08')]
    """
    return list(_facts(fields, "", without))


def _facts(fields: Mapping[str, Any], prefix: str, without: tuple[str, ...]) -> Iterator[Fact]:
    for key, value in fields.items():
        name = prefix + key.replace("_", " ")
        if key in without:
            continue
        if isinstance(value, Mapping):
            yield from _facts(value, f"{name}, ", without)
        elif key.endswith("_bytes") and isinstance(value, int):
            yield Fact(name.removesuffix(" bytes"), size(value))
        elif isinstance(value, list | tuple):
            yield Fact(name, ", ".join(map(_value, value)))
        elif key.endswith("_id"):
            yield Fact(name, str(value))
        else:
            yield Fact(name, _value(value))


def _value(value: Any) -> str:  # noqa: ANN401 JSON
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    return f"{value:,}" if isinstance(value, int) else str(value)


def size(n_bytes: float) -> str:
    """Bytes in a decimal unit, three figures.

    Example:
      >>> size(52_428_800), size(999)
      ('52.4 MB', '999 B')
    """
    return _scaled(n_bytes, ("B", "kB", "MB", "GB", "TB"))


def count(n: float) -> str:
    """A large count, three figures.

    Example:
      >>> count(12_189_696), count(812)
      ('12.2 M', '812')
    """
    return _scaled(n, ("", "k", "M", "G", "T")).strip()


def _scaled(value: float, units: tuple[str, ...]) -> str:
    place = 0
    while value >= 999.5 and place < len(units) - 1:
        value, place = value / 1000, place + 1
    return f"{value:.3g} {units[place]}"


def run_states(results: Results) -> dict[str, dict[int, str]]:
    """done, failed, diverged or missing, by arm and seed of the design."""
    runs = {(run.arm, run.seed): run for run in results.runs}
    found: dict[str, dict[int, str]] = {}
    for arm in results.design.arms:
        own = {seed: runs.get((arm["name"], seed)) for seed in results.design.seeds}
        found[arm["name"]] = {
            seed: "missing" if run is None else fault(run) or "done" for seed, run in own.items()
        }
    return found


def ends(values: Iterable[int]) -> tuple[int, int] | None:
    """The least and the greatest; None of nothing."""
    found = sorted(values)
    return (found[0], found[-1]) if found else None
