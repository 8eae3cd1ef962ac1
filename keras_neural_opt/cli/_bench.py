"""Measure speed, print a table and write the figures as JSON."""

import argparse
from pathlib import Path
from typing import Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the sub-command."""
    parser.add_argument(
        "what",
        choices=["step", "sparse-rows"],
        help="step: one step against the backend's best peers; sparse-rows: an embedding's update, on tensorflow",
    )
    parser.add_argument("--rounds", type=int, default=15, help="timed rounds; default %(default)s")
    parser.add_argument("--out", type=Path, help="write the figures to this JSON file")
    parser.add_argument("--optimizer", action="append", default=[], help="step: which, repeatable; default all")
    parser.add_argument("--model", default="resnet50", help="step: resnet50, transformer, mlp or many")
    parser.add_argument("--option", default="plain", help="step: plain, clip, decay, ema or skip")
    parser.add_argument("--threads", type=int, default=1, help="step: threads on torch; default %(default)s")


def run(options: argparse.Namespace) -> None:
    """Measure, print a table, write the figures."""
    from rich.console import Console
    from rich.progress import Progress

    from keras_neural_opt.benchmarks import sparse_rows, step, write_record

    if options.rounds < 1:
        raise ValueError(f"--rounds must be an integer >= 1; received {options.rounds}")
    console = Console()
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("measuring", total=None)
        common: dict[str, Any] = {"rounds": options.rounds, "advance": lambda: progress.advance(task)}
        if options.what == "step":
            record = step(options.optimizer, options.model, options.option, options.threads, **common)
        else:
            record = sparse_rows(**common)
    console.print(_table(record))
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        console.print(f"figures: {write_record(options.out, record)}", soft_wrap=True, highlight=False)


def _table(record: dict[str, Any]) -> Any:
    from rich.table import Table

    labels = [key for key in record["results"][0] if key not in ("times", "ours_over")]
    names = list(dict.fromkeys(name for row in record["results"] for name in row["times"]))
    table = Table(title="one step, process-CPU ms (minimum)")
    for label in labels:
        table.add_column(label.replace("_", " "))
    for name in names:
        table.add_column(name, justify="right")
    for row in record["results"]:
        times = (f"{row['times'][name]['cpu_ms_min']:.2f}" if name in row["times"] else "" for name in names)
        table.add_row(*(f"{row[label]:,}" if isinstance(row[label], int) else row[label] for label in labels), *times)
    return table
