"""Commands of the experiment: train, compare, report."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from jobs.commands.app import Config, Objective, PreparedFolder, app, exit_by

Device = StrEnum("Device", {name: name for name in ("auto", "cpu", "cuda")})
Cues = StrEnum("Cues", {name: name for name in ("stripped", "kept")})
Precision = StrEnum("Precision", {name: name for name in ("float32", "bfloat16")})

# Options that train and compare share.
Model = Annotated[
    str, typer.Option(help="1m, 10m, 124m, a JSON file of a LlamaConfig, or a model folder.")
]
Context = Annotated[int, typer.Option(min=8, help="Tokens of a packed row.")]
Steps = Annotated[int | None, typer.Option(min=1, help="Optimizer steps; default one epoch.")]
BatchRows = Annotated[int, typer.Option(min=1, help="Packed rows of a step.")]
MicroRows = Annotated[int, typer.Option(min=1, help="Packed rows at once; memory.")]
LearningRate = Annotated[float, typer.Option(help="After the warm-up.")]
OnDevice = Annotated[Device, typer.Option(help="auto takes a GPU if there is one.")]


@app.command(
    epilog="Example: **duologue train shards --out run --model 10m --objective player-two**. "
    "On several GPUs: **torchrun --nproc-per-node 8 -m jobs.cli train shards --out run**"
)
def train(
    folder: PreparedFolder,
    out: Annotated[Path, typer.Option(help="Folder of the run; the same command resumes.")],
    model: Model = "10m",
    objective: Annotated[Objective, typer.Option(help="Whose actions are learned.")] = "all",
    config: Annotated[Config, typer.Option(help="Which rows.")] = "documents",
    context: Context = 1024,
    steps: Steps = None,
    batch_rows: BatchRows = 16,
    micro_rows: MicroRows = 4,
    learning_rate: LearningRate = 1e-3,
    warmup_steps: Annotated[
        int | None, typer.Option(min=0, help="Of rising rate; default a tenth, 100 at most.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of weights and order.")] = 0,
    device: OnDevice = "auto",
    precision: Annotated[
        Precision | None, typer.Option(help="Of activations; default bfloat16 on a GPU.")
    ] = None,
    compile: Annotated[bool, typer.Option("--compile", help="Compile the model.")] = False,
    deterministic: Annotated[
        bool, typer.Option("--deterministic", help="Only kernels that repeat bit for bit.")
    ] = False,
    save_every: Annotated[int, typer.Option(min=1, help="Steps between checkpoints.")] = 500,
    validate_every: Annotated[
        int, typer.Option(min=0, help="Steps between looks at validation; 0 is never.")
    ] = 500,
) -> None:
    """Train a policy on prepared episodes or documents by behaviour cloning."""
    from rich.console import Console

    from jobs.train.command import TrainOptions, train_policy
    from jobs.train.loop import TrainConfig

    options = TrainOptions(
        model=model,
        config=str(config),
        device=str(device),
        save_every=save_every,
        validate_every=validate_every,
    )
    settings = TrainConfig(
        steps=steps,
        objective=str(objective),
        context=context,
        batch_rows=batch_rows,
        micro_rows=micro_rows,
        learning_rate=learning_rate,
        warmup_steps=warmup_steps,
        seed=seed,
        precision=str(precision) if precision else None,
        compile=compile,
        deterministic=deterministic,
    )
    train_policy(folder, out, options, settings, console=Console(stderr=True))


@app.command(
    epilog="Example: **duologue compare shards --out comparison --model 10m --plan**, "
    "then the same without **--plan**"
)
def compare(
    folder: PreparedFolder,
    out: Annotated[Path, typer.Option(help="Folder of the comparison; the same command resumes.")],
    arms: Annotated[
        str, typer.Option(help="By comma, of raw, eos, tags, placebo, swapped.")
    ] = "raw,tags,placebo,swapped",
    seeds: Annotated[int, typer.Option(help="Paired seeds, at least 6.")] = 6,
    model: Model = "10m",
    cues: Annotated[
        Cues, typer.Option(help='Native labels such as "Q:" in the text.')
    ] = "stripped",
    context: Context = 1024,
    steps: Steps = None,
    batch_rows: BatchRows = 16,
    micro_rows: MicroRows = 4,
    learning_rate: LearningRate = 1e-3,
    device: OnDevice = "auto",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Runs side by side; default one a core, or a GPU.")
    ] = None,
    deterministic: Annotated[
        bool, typer.Option("--deterministic", help="Only kernels that repeat bit for bit.")
    ] = False,
    plan: Annotated[
        bool, typer.Option("--plan", help="Say runs, time, disk and power; write nothing.")
    ] = False,
) -> None:
    """Train the same content with and without structure, and say what difference it makes."""
    from rich.console import Console

    from jobs.compare.command import CompareOptions, plan_comparison
    from jobs.compare.command import compare as run
    from jobs.compare.config import ComparisonConfig
    from jobs.compare.report import write_report
    from jobs.compare.wording import print_summary
    from jobs.train.loop import TrainConfig
    from jobs.view import on_one_line

    config = ComparisonConfig(
        model=model,
        arms=tuple(arms.split(",")),
        n_seeds=seeds,
        cues=str(cues),
        train=TrainConfig(
            steps=steps,
            context=context,
            batch_rows=batch_rows,
            micro_rows=micro_rows,
            learning_rate=learning_rate,
            precision=None,
            deterministic=deterministic,
        ),
    )
    options = CompareOptions(device=str(device), workers=workers)
    if plan:
        plan_comparison(folder, config, options, console=Console())
        return
    results = run(folder, out, config, options, console=Console(stderr=True))
    write_report(results, out / "report.html")
    print_summary(results, Console())
    print(f"report: {on_one_line(str(out / 'report.html'))}")
    exit_by(all(run.error is None for run in results.runs))


@app.command(epilog="Example: **duologue report comparison --out report.html**")
def report(
    results: Annotated[
        list[Path],
        typer.Argument(help="results.jsonl files of one comparison, or the folders they are in."),
    ],
    out: Annotated[Path, typer.Option(help="HTML file to write.")] = Path("report.html"),
) -> None:
    """Write what a comparison found as one page, and say it in lines."""
    from rich.console import Console

    from jobs.compare.report import write_report
    from jobs.compare.results import read_results
    from jobs.compare.wording import print_summary
    from jobs.view import on_one_line

    found = read_results(results)
    write_report(found, out)
    print_summary(found, Console())
    print(on_one_line(str(out)))
    wanted = {(arm["name"], seed) for arm in found.design.arms for seed in found.design.seeds}
    lacking = wanted - {(run.arm, run.seed) for run in found.runs if run.error is None}
    if lacking:
        print(f"{len(lacking)} of {len(wanted)} runs are missing or failed", file=sys.stderr)
    exit_by(not lacking)
