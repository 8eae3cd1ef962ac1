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

    copy, warm = (record[name]["cpu_ms_min"] for name in ("copy", "warm_copy"))
    title = f"{record['elements']:,} elements, of which a copy takes {copy:.1f} ms, a warm one {warm:.1f} ms"
    table = Table("kernel", "ms", "/ copy", "/ warm copy", title=title)
    for row in record["results"]:
        ratios = (f"{row[name]['cpu']:.2f}" for name in ("over_copy", "over_warm_copy"))
        table.add_row(row["kernel"], f"{row['times']['cpu_ms_min']:.1f}", *ratios)
    yield table
