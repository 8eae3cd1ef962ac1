"""The part of `bench` that trains with compressed gradients: a table a task, a record that grows run by run."""

import argparse
import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any


def prepare(options: argparse.Namespace) -> None:
    """Make four devices, and let JAX compile once what all seeds need."""
    from keras_neural_opt.cli._devices import split_processor

    split_processor(4)
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        folder = tempfile.mkdtemp(prefix="compiled-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        os.environ["JAX_COMPILATION_CACHE_DIR"] = folder
        os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
        os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"


def run(options: argparse.Namespace) -> None:
    """Train what the file `--out` does not have yet, print the tables."""
    from rich.console import Console

    from keras_neural_opt.benchmarks import compression_accuracy
    from keras_neural_opt.benchmarks._compression_accuracy import runs_of
    from keras_neural_opt.cli._bench_train import progress_bar

    if options.out is None:
        raise ValueError("--out must be a JSON file with compression-accuracy; received none")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    console = Console()
    with progress_bar(console) as progress:
        bar = progress.add_task(options.what, total=runs_of(options.task, options.seeds))
        record = compression_accuracy(
            options.out, options.task, options.seeds, options.data, partial(progress.advance, bar)
        )
    for table in compression_tables(record):
        console.print(table)
    console.print(f"figures: {options.out}", soft_wrap=True, highlight=False)


def compression_tables(record: Mapping[str, Any]) -> Iterator[Any]:
    """Yield a table of each task of a record of `compression_accuracy`."""
    from rich.table import Table

    from keras_neural_opt.benchmarks._compression_accuracy import in_units

    for task in record["tasks"].values():
        settings = task["settings"]
        scale, unit, digits = in_units(settings["metric"])
        table = Table(title=f"{settings['title']}: difference in {unit}, bound {scale * settings['bound']:g}")
        for heading in ("contestant", "seeds", settings["metric"], "difference", "95 % interval", "inside", "bytes"):
            table.add_column(heading, justify="left" if heading == "contestant" else "right")
        for row in task["results"]:
            compared = ("", "", "")
            if "interval" in row:
                low, high = (f"{scale * end:+.{digits}f}" for end in row["interval"])
                compared = (
                    f"{scale * row['difference']:+.{digits}f}",
                    f"{low} to {high}",
                    "yes" if row["inside"] else "no",
                )
            score = f"{row['score']:.4f}"
            table.add_row(row["contestant"], str(row["seeds"]), score, *compared, f"{row['bytes_per_step']:,}")
        yield table
