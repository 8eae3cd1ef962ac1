"""The part of `bench` that compares samplers: two tables, a record."""

import argparse
from collections.abc import Iterator, Mapping
from typing import Any


def run(options: argparse.Namespace) -> None:
    """Search, print the tables, write the record to the file `--out`."""
    from keras_neural_opt.benchmarks import samplers
    from keras_neural_opt.benchmarks._samplers import studies_of
    from keras_neural_opt.cli._measured import measure_and_show

    measure_and_show(
        options, studies_of((), None), lambda advance: samplers(data=options.data, advance=advance), sampler_tables
    )


def sampler_tables(record: Mapping[str, Any]) -> Iterator[Any]:
    """Yield a table of each part of a record of `samplers`."""
    from rich.table import Table

    names = list(dict.fromkeys(row["sampler"] for row in record["results"]))
    table = Table("problem", *names, title=f"best of {record['trials']} trials: median, and mean regret +- its error")
    for problem in dict.fromkeys(row["problem"] for row in record["results"]):
        cells = {row["sampler"]: _cell(row) for row in record["results"] if row["problem"] == problem}
        table.add_row(problem, *(cells[name] for name in names))
    yield table
    costs = record["cpu_seconds_of_a_proposal"]
    counts = [key for key in costs[0] if key != "sampler"]
    table = Table("sampler", *counts, title="processor seconds of a proposal after so many trials")
    for row in costs:
        table.add_row(row["sampler"], *(f"{row[count]:.3f}" for count in counts))
    yield table


def _cell(row: Mapping[str, Any]) -> str:
    return f"{row['median']:.4f}  {row['mean_regret']:.4f} +- {row['standard_error']:.4f}"
