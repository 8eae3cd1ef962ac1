"""The part of `bench` that searches an architecture on MNIST: a table, a record."""

import argparse
from collections.abc import Iterator, Mapping
from typing import Any


def run(options: argparse.Namespace) -> None:
    """Search, print the table, write the record to the file `--out`."""
    from keras_neural_opt.benchmarks import architecture_search
    from keras_neural_opt.benchmarks._architecture_search import searches_of
    from keras_neural_opt.cli._measured import measure_and_show

    measure_and_show(
        options,
        searches_of(options.seeds),
        lambda advance: architecture_search(options.data, advance, options.seeds),
        architecture_search_tables,
    )


def architecture_search_tables(record: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the table of a record of `architecture_search`."""
    from rich.table import Table

    title = f"searches of {record['seconds']:.0f} seconds"
    table = Table("seed", "strategy", "trials", "validation", "test accuracy", "interval of 95 %", title=title)
    for row in record["results"]:
        low, high = row["interval"]
        table.add_row(
            str(row["seed"]),
            row["strategy"],
            str(len(row["accuracies"])),
            f"{max(row['accuracies']):.4f}",
            f"{row['test_accuracy']:.4f}",
            f"{low:.4f} to {high:.4f}",
        )
    yield table
