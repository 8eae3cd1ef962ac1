"""The part of `bench` that compares searches by the epochs they take: two tables, a record."""

import argparse
from collections.abc import Iterator, Mapping
from typing import Any


def run(options: argparse.Namespace) -> None:
    """Search, print the tables, write the record to the file `--out`."""
    from keras_neural_opt.benchmarks import search_budget
    from keras_neural_opt.benchmarks._search_budget import searches_of
    from keras_neural_opt.cli._measured import measure_and_show

    measure_and_show(
        options, searches_of((), None), lambda advance: search_budget(data=options.data, advance=advance), budget_tables
    )


def budget_tables(record: Mapping[str, Any]) -> Iterator[Any]:
    """Yield a table of each part of a record of `search_budget`."""
    from rich.table import Table

    names = list(dict.fromkeys(row["search"] for row in record["results"]))
    table = Table("epochs", *names, title=f"mean regret after so many epochs, {record['seeds']} seeds")
    for epochs in dict.fromkeys(row["epochs"] for row in record["results"]):
        table.add_row(str(epochs), *(_cell(row) for row in record["results"] if row["epochs"] == epochs))
    yield table
    table = Table("pruner", "epochs", "mean regret", title=f"{record['trials']} trials of the default sampler")
    for row in record["pruning"]:
        table.add_row(row["pruner"], f"{row['mean_epochs']:.0f}", _cell(row))
    yield table


def _cell(row: Mapping[str, Any]) -> str:
    return f"{row['mean_regret']:.4f} +- {row['standard_error']:.4f}"
