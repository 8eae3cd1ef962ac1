"""The part of `bench` that measures what compressors cost on one processor: a table, a record."""

import argparse
from collections.abc import Iterator, Mapping
from typing import Any


def run(options: argparse.Namespace) -> None:
    """Measure, print the table, write the record to the file `--out`."""
    from keras_neural_opt.benchmarks import compression_kernels
    from keras_neural_opt.cli._measured import measure_and_show

    def measure(advance: Any) -> dict[str, Any]:
        return compression_kernels(options.elements, rounds=options.rounds, advance=advance)

    measure_and_show(options, options.rounds, measure, compression_kernels_tables)


def compression_kernels_tables(record: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the table of a record of `compression_kernels`."""
    from rich.table import Table

    copy = record["copy"]["cpu_ms_min"]
    table = Table(
        "kernel", "ms", "/ copy", title=f"{record['elements']:,} elements, of which a copy takes {copy:.1f} ms"
    )
    for row in record["results"]:
        table.add_row(row["kernel"], f"{row['times']['cpu_ms_min']:.1f}", f"{row['over_copy']['cpu']:.2f}")
    yield table
