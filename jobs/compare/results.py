"""results.jsonl: all that a comparison found, a JSON object a line, and all that a report needs.

The first line is the design, every other one a run. A run names the digest of its design, so lines
of several machines can be put together, and those of two corpora or two designs cannot.
"""

import dataclasses
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

from schemas.errors import UserError
from schemas.keys import digest
from schemas.parse import parsed_json

FORMAT = 1
DESIGN_FILE, RESULTS_FILE = "design.json", "results.jsonl"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Design:
    """What was compared, fixed before the first run.

    Attributes:
      corpus: {name (not in the digest), manifest_sha256, tokenizer_sha256, train_documents,
        train_rows, train_episodes, train_content_tokens, train_content_bytes, episodes_dropped};
        train_rows are documents or their pieces.
      model: {name (not in the digest), parameters, config, sha256}; parameters counts each weight
        once, sha256 is of the weights that the first seed begins with.
      training: the TrainConfig of all runs, as a dict: steps, context, batch_rows, learning_rate...
      arms: [{name, delimiters, description, content_sha256, n_tokens, n_delimiters,
        delimited_documents, bare_documents}]; the content is that of all its rows in order.
      invariants: [{statement, holds, evidence}].
      packing: {contexts, context, fill}; fill is the share of tokens that are no padding in the
        longest arm.
      cues: "stripped" or "kept".
      seeds: the paired seeds.
      prompts: [{name, description}]: what the model is shown before and around the answers.
      test: {sources: [str], games: [str], cells: [{source, game, answers, tokens, bytes}],
        content_sha256, episodes_dropped}; source and game of a cell are indices, tokens and bytes
        those of its answers; dropped are episodes that do not fit into a context.
      contrasts: [{name, arm, reference, prompt, reference_prompt, is_primary}].
      examples: [{id, source, game, segments: [{kind, player, text}]}], from the test split.
      is_trial: True for a size of run that only shows that the pipeline works.
    """

    corpus: dict[str, Any]
    model: dict[str, Any]
    training: dict[str, Any]
    arms: list[dict[str, Any]]
    invariants: list[dict[str, Any]]
    packing: dict[str, Any]
    cues: str
    seeds: list[int]
    prompts: list[dict[str, Any]]
    test: dict[str, Any]
    contrasts: list[dict[str, Any]]
    examples: list[dict[str, Any]]
    is_trial: bool
    format: int = FORMAT

    @property
    def digest(self) -> str:
        """Names the design and its corpus, whatever their folders are called."""
        fields = dataclasses.asdict(self)
        for part in ("corpus", "model"):
            fields[part].pop("name", None)
        return digest(["design", json.dumps(fields, sort_keys=True)])

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """Rebuild from a line.

        Raises:
          TypeError: if it is none, or of another format.
        """
        if not isinstance(fields, dict) or fields.get("format") != FORMAT:
            found = fields.get("format") if isinstance(fields, dict) else None
            msg = f"of format {found}, this duologue reads {FORMAT}"
            raise TypeError(msg)
        return cls(**{name: value for name, value in fields.items() if name not in _LINE})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """One arm trained from one seed, or what became of it.

    Attributes:
      design: digest of the design.
      arm: name of the arm.
      seed: the paired seed.
      error: None if it was done; else one line.
      steps: optimizer steps taken.
      trained_tokens: actions in the loss over all steps.
      nats: by prompt, summed nats of the answers of each cell of the design's test; a prompt that
        the arm cannot be shown (untrained control tokens) is left out.
      reserve_nats: by prompt, what of these is paid for expecting a control token where the answer
        goes on: -log(1 - pi(control tokens)), summed like them.
      delimiter_nats: by prompt, {nats, tokens} of the delimiters in it, apart from all answers.
      curve: [{step, content_bytes, train_bits_per_byte, validation_bits_per_byte}]; bytes seen
        until then, bits per byte of content (delimiters left out) since the entry before, and of
        held-out answers under the raw prompt (None without a validation split).
      device: "cpu" or the GPU's name.
    """

    design: str
    arm: str
    seed: int
    error: str | None = None
    steps: int = 0
    trained_tokens: int = 0
    nats: dict[str, list[float]] = dataclasses.field(default_factory=dict)
    reserve_nats: dict[str, list[float]] = dataclasses.field(default_factory=dict)
    delimiter_nats: dict[str, dict[str, float]] = dataclasses.field(default_factory=dict)
    curve: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    device: str = "cpu"

    @property
    def name(self) -> str:
        """Of its folder and in messages."""
        return f"{self.arm}-{self.seed}"

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """Rebuild from a line.

        Raises:
          TypeError: if it is none.
        """
        if not isinstance(fields, dict):
            msg = f"{type(fields).__name__} is no run"
            raise TypeError(msg)
        return cls(**{name: value for name, value in fields.items() if name != "kind"})


_LINE = ("kind", "digest")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Results:
    """A design and its runs, sorted by arm (in the design's order) and seed."""

    design: Design
    runs: list[Run]

    def lines(self) -> list[str]:
        """The lines of results.jsonl."""
        design = {"kind": "design", "digest": self.design.digest}
        rows = [design | dataclasses.asdict(self.design)]
        rows += [{"kind": "run"} | dataclasses.asdict(run) for run in self.runs]
        return [json.dumps(row) for row in rows]


def read_results(paths: Iterable[Path]) -> Results:
    """Read results.jsonl files (or the folders that hold them) of one comparison.

    Raises:
      UserError: a file that is missing or damaged, one without a design, results of two corpora or
        two designs, two different runs of one arm and seed, or a run that does not fit the design.
    """
    designs: dict[str, tuple[Design, Path]] = {}
    runs: list[tuple[Run, Path]] = []
    for given in paths:
        path = given / RESULTS_FILE if given.is_dir() else given
        if not path.exists() and path.with_name(DESIGN_FILE).exists():
            msg = f"the comparison in {path.parent} is not finished: run the same compare again"
            raise UserError(msg)
        for number, fields in enumerate(_objects(path), 1):
            try:
                if fields["kind"] == "design":
                    design = Design.from_json(fields)
                    _check_design(design, fields["digest"], path)
                    designs.setdefault(design.digest, (design, path))
                elif fields["kind"] == "run":
                    runs.append((Run.from_json(fields), path))
                else:
                    raise KeyError(fields["kind"])
            except (KeyError, TypeError, AttributeError) as error:
                msg = (
                    f"{path}, line {number}: no line of a comparison ({error}); name {RESULTS_FILE}"
                )
                raise UserError(msg) from error
    design = _one_design(designs)
    merged: dict[tuple[str, int], Run] = {}
    for run, path in runs:
        _check_run(run, design, path)
        _add(merged, run, path)
    order = {arm["name"]: place for place, arm in enumerate(design.arms)}
    kept = sorted(merged.values(), key=lambda run: (order[run.arm], run.seed))
    return Results(design=design, runs=kept)


def _objects(path: Path) -> list[Any]:
    try:
        return [parsed_json(line) for line in path.read_bytes().splitlines()]
    except OSError as error:
        msg = f"cannot read {path}: {error.strerror}; give the --out folder of duologue compare"
        raise UserError(msg) from error
    except ValueError as error:
        msg = f"{path} is damaged ({error}): run its duologue compare again, it keeps what is done"
        raise UserError(msg) from error


def _check_design(design: Design, named: str, path: Path) -> None:
    if design.digest != named:
        msg = f"{path}: the design is not the one that its digest names; run compare again"
        raise UserError(msg)


def _add(runs: dict[tuple[str, int], Run], run: Run, path: Path) -> None:
    known = runs.get((run.arm, run.seed))
    # A run that failed on one machine may be done on another.
    if known is None or known.error:
        runs[run.arm, run.seed] = run
    elif not run.error and run != known:
        msg = f"{path}: another run of arm {run.arm}, seed {run.seed}: give each run once"
        raise UserError(msg)


def _one_design(designs: dict[str, tuple[Design, Path]]) -> Design:
    if not designs:
        msg = "no design among the results: give the results.jsonl that duologue compare wrote"
        raise UserError(msg)
    (design, path), *others = designs.values()
    for other, other_path in others:
        same = other.corpus["manifest_sha256"] == design.corpus["manifest_sha256"]
        what = "designs" if same else "corpora"
        msg = f"{path} and {other_path} are of two {what}: report them apart"
        raise UserError(msg)
    return design


def _check_run(run: Run, design: Design, path: Path) -> None:
    if run.design != design.digest:
        msg = f"{path}: run {run.name} is of another design: report them apart"
        raise UserError(msg)
    n_cells = len(design.test["cells"])
    known = {prompt["name"] for prompt in design.prompts}
    if run.arm not in {arm["name"] for arm in design.arms}:
        fault = "its arm is none of its design"
    elif unknown := run.nats.keys() - known:
        fault = f"its prompt {min(unknown)} is none of its design"
    elif wrong := [name for name, nats in run.nats.items() if len(nats) != n_cells]:
        fault = f"prompt {wrong[0]} has {len(run.nats[wrong[0]])} numbers, not {n_cells}"
    else:
        return
    msg = f"{path}: run {run.name} is damaged: {fault}; run its duologue compare again"
    raise UserError(msg)
