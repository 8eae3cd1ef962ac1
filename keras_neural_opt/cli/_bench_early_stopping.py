"""The part of `bench` that compares architecture searches with and without early stopping: a table, a record."""

import argparse
import statistics
from collections.abc import Iterator, Mapping
from typing import Any


def run(options: argparse.Namespace) -> None:
    """Search, print the table, write the record to the file `--out`."""
    from keras_neural_opt.benchmarks import early_stopping
    from keras_neural_opt.benchmarks._early_stopping import searches_of
    from keras_neural_opt.cli._measured import measure_and_show

    measure_and_show(
        options,
        searches_of(None),
        lambda advance: early_stopping(data=options.data, advance=advance),
        early_stopping_tables,
    )


def early_stopping_tables(record: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the table of a record of `early_stopping`."""
    from rich.table import Table

    table = Table("strategy", "predictor", "trials", "epochs", "regret", title="mean regret in percent of accuracy")
    for row in record["results"]:
        regrets = row["regrets"]
        spread = statistics.stdev(regrets) / len(regrets) ** 0.5 if len(regrets) > 1 else 0.0
        regret = f"{statistics.fmean(regrets):.3f} +- {spread:.3f}"
        table.add_row(row["strategy"], row["predictor"], str(row["trials"]), f"{row['mean_epochs']:.0f}", regret)
    yield table
