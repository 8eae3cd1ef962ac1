"""The part of `bench` that watches batch norms under weight decays: a table and a record."""

import argparse
from collections.abc import Mapping
from functools import partial
from typing import Any


def run(options: argparse.Namespace) -> None:
    """Train, print a table, write the record into the folder `--out`."""
    from rich.console import Console

    from keras_neural_opt.benchmarks import batch_norm_decay, write_record
    from keras_neural_opt.benchmarks._batch_norm_decay import runs_of
    from keras_neural_opt.cli._bench_train import progress_bar

    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
    console = Console()
    with progress_bar(console) as progress:
        bar = progress.add_task("digits", total=runs_of(options.seeds))
        record = batch_norm_decay(seeds=options.seeds, advance=partial(progress.advance, bar))
    console.print(batch_norm_table(record))
    if options.out:
        path = write_record(options.out / "batch_norm_decay.json", record)
        console.print(f"figures: {path}", soft_wrap=True, highlight=False)


def batch_norm_table(record: Mapping[str, Any]) -> Any:
    """Return a table of a record of `batch_norm_decay`."""
    from rich.table import Table

    table = Table(title=f"{record['title']}: its last kernel at the end")
    for heading in ("weight decay", "length", "effective rate", "angle", "equilibrium", "accuracy"):
        table.add_column(heading, justify="right")
    for row in record["results"]:
        last = row["weights"][-1]
        numbers = (last[quantity][-1] for quantity in ("norm", "effective_learning_rate", "angular_update"))
        equilibrium = "-" if row["equilibrium"] is None else f"{row['equilibrium']:.3g}"
        accuracy = " / ".join(f"{x:.1%}" for x in row["accuracies"])
        table.add_row(f"{row['weight_decay']:g}", *(f"{x:.3g}" for x in numbers), equilibrium, accuracy)
    return table
