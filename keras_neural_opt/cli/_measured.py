"""A benchmark with a progress bar, its tables, and its record in a file."""

import argparse
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any


def measure_and_show(
    options: argparse.Namespace,
    total: int,
    measure: Callable[[Callable[[], Any]], dict[str, Any]],
    tables: Callable[[Mapping[str, Any]], Iterable[Any]],
) -> None:
    """Measure, print the tables, write the record to the file `--out`.

    Args:
        options: Those of the command.
        total: How often `measure` calls what shows the progress.
        measure: Returns a record.
        tables: Returns what is printed of it.
    """
    from rich.console import Console

    from keras_neural_opt.benchmarks import write_record
    from keras_neural_opt.cli._bench_train import progress_bar

    console = Console()
    with progress_bar(console) as progress:
        bar = progress.add_task(options.what, total=total)
        record = measure(partial(progress.advance, bar))
    for table in tables(record):
        console.print(table)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        console.print(f"figures: {write_record(options.out, record)}", soft_wrap=True, highlight=False)
