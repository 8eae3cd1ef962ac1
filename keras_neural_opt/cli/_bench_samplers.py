"""The part of `bench` that compares samplers: two tables, a record."""

import argparse
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any


def run(options: argparse.Namespace) -> None:
    """Search, print the tables, write the record to the file `--out`."""
    from rich.console import Console

    from keras_neural_opt.benchmarks import samplers, write_record
    from keras_neural_opt.benchmarks._samplers import studies_of
    from keras_neural_opt.cli._bench_train import progress_bar

    console = Console()
    with progress_bar(console) as progress:
        bar = progress.add_task("samplers", total=studies_of((), None))
        record = samplers(data=options.data, advance=partial(progress.advance, bar))
    for table in sampler_tables(record):
        console.print(table)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        console.print(f"figures: {write_record(options.out, record)}", soft_wrap=True, highlight=False)


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
