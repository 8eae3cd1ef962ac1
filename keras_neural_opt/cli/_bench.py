"""Measure speed, print a table and write the figures as JSON."""

import argparse
from pathlib import Path
from typing import Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the sub-command."""
    parser.add_argument("what", choices=["sparse-rows"], help="sparse-rows: an embedding's update, on tensorflow")
    parser.add_argument("--rounds", type=int, default=15, help="timed rounds; default %(default)s")
    parser.add_argument("--out", type=Path, help="write the figures to this JSON file")


def run(options: argparse.Namespace) -> None:
    """Measure, print a table, write the figures."""
    from rich.console import Console
    from rich.progress import Progress

    from keras_neural_opt.benchmarks import sparse_rows, write_record

    if options.rounds < 1:
        raise ValueError(f"--rounds must be an integer >= 1; received {options.rounds}")
    console = Console()
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("measuring", total=None)
        record = sparse_rows(rounds=options.rounds, advance=lambda: progress.advance(task))
    console.print(_table(record))
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        console.print(f"figures: {write_record(options.out, record)}", soft_wrap=True, highlight=False)


def _table(record: dict[str, Any]) -> Any:
    from rich.table import Table

    names = list(record["results"][0]["times"])
    table = Table(title="one step, process-CPU ms (minimum)")
    for heading in ("optimizer", "rows of the table", "touched rows", *names):
        table.add_column(heading, justify="left" if heading == "optimizer" else "right")
    for row in record["results"]:
        times = (f"{row['times'][name]['cpu_ms_min']:.2f}" for name in names)
        table.add_row(row["optimizer"], f"{row['table_rows']:,}", f"{row['touched_rows']:,}", *times)
    return table
