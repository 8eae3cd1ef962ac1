"""The part of `bench` that trains dropout: two tables, a record."""

import argparse
import statistics
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any


def run(options: argparse.Namespace) -> None:
    """Train, print the tables, write a record into the folder `--out`."""
    from rich.console import Console

    from keras_neural_opt.benchmarks import dropout, write_record
    from keras_neural_opt.benchmarks._dropout import runs_of
    from keras_neural_opt.cli._bench_train import progress_bar

    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
    console = Console()
    with progress_bar(console) as progress:
        bar = progress.add_task("mnist", total=runs_of(options.seeds))
        record = dropout(options.seeds, options.data, partial(progress.advance, bar))
    for table in dropout_tables(record):
        console.print(table)
    if options.out:
        path = write_record(options.out / "dropout_mnist.json", record)
        console.print(f"figures: {path}", soft_wrap=True, highlight=False)


def dropout_tables(record: Mapping[str, Any]) -> Iterator[Any]:
    """Yield a table of each part of a record of `dropout`."""
    from rich.table import Table

    table = Table("samples", "rates, median", "accuracy", "without", title="concrete dropout")
    runs = record["concrete"]["runs"]
    for size in sorted({run["samples"] for run in runs}):
        here = [run for run in runs if run["samples"] == size]
        rates = zip(*(run["rates"] for run in here), strict=True)
        found = " / ".join(f"{statistics.median(rate):.3f}" for rate in rates)
        table.add_row(f"{size:,}", found, *(_accuracies(here, name) for name in ("with", "without")))
    yield table
    table = Table("seed", "sparsity", "accuracy", "without", title="variational dropout")
    for run in record["variational"]["runs"]:
        last = [f"{run['accuracy'][name][-1]:.4f}" for name in ("with", "without")]
        table.add_row(str(run["seed"]), f"{run['sparsity'][-1]:.4f}", *last)
    yield table


def _accuracies(runs: list[Mapping[str, Any]], name: str) -> str:
    return " / ".join(f"{run['accuracy'][name]:.4f}" for run in runs)
