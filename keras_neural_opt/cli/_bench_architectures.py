"""The part of `bench` that compares architecture searches: three tables, a record."""

import argparse
from collections.abc import Iterator, Mapping
from typing import Any


def run(options: argparse.Namespace) -> None:
    """Search, print the tables, write the record to the file `--out`."""
    from keras_neural_opt.benchmarks import architectures
    from keras_neural_opt.benchmarks._architectures import searches_of
    from keras_neural_opt.cli._measured import measure_and_show

    measure_and_show(
        options,
        searches_of((), None),
        lambda advance: architectures(data=options.data, advance=advance),
        architecture_tables,
    )


def architecture_tables(record: Mapping[str, Any]) -> Iterator[Any]:
    """Yield a table of each part of a record of `architectures`."""
    from rich.table import Table

    counts = list(record["results"][0]["best_observed"])
    for returned in ("best_observed", "recommended"):
        title = f"mean regret of the network returned, {returned.replace('_', ' ')}, after so many queries"
        table = Table("problem", "strategy", *counts, title=title)
        for row in record["results"]:
            table.add_row(row["problem"], row["strategy"], *(_cell(row[returned][count]) for count in counts))
        yield table
    two = record["two_objectives"]
    table = Table("strategy", "hypervolume", title=f"error and operations, {two['queries']} queries: mean over seeds")
    for name, volumes in two["hypervolumes"].items():
        table.add_row(name, f"{sum(volumes) / len(volumes):.1f}")
    yield table
    table = Table("problem", "strategy", "seconds", title="processor seconds of a proposal after 200 trials")
    for row in record["cpu_seconds_of_a_proposal"]:
        table.add_row(row["problem"], row["strategy"], f"{row['seconds']:.3f}")
    yield table


def _cell(regret: Mapping[str, float]) -> str:
    return f"{regret['mean']:.3f} +- {regret['standard_error']:.3f}"
