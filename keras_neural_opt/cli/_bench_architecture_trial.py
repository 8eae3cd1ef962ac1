"""The part of `bench` that measures a trial of an architecture search: a table, a record."""

import argparse
from collections.abc import Iterator, Mapping
from typing import Any


def run(options: argparse.Namespace) -> None:
    """Measure, print the table, write the record to the file `--out`."""
    from keras_neural_opt.benchmarks import architecture_trial
    from keras_neural_opt.benchmarks._architecture_trial import trials
    from keras_neural_opt.cli._measured import measure_and_show

    measure_and_show(options, trials(), architecture_trial, architecture_trial_tables)


def architecture_trial_tables(record: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the table of a record of `architecture_trial`."""
    from rich.table import Table

    table = Table("network", "ours", "plain", "ours / plain", title="processor seconds of a trial of one epoch")
    for row in record["results"]:
        table.add_row(row["network"], f"{row['ours']:.1f}", f"{row['plain']:.1f}", f"{row['ours_over_plain']:.2f}")
    yield table
