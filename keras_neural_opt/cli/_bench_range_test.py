"""The part of `bench` that judges range tests: tasks one after the other, a table and a record of each."""

import argparse
from collections.abc import Mapping
from functools import partial
from typing import Any

_TASKS = ("digits", "mnist", "shakespeare")


def run(options: argparse.Namespace) -> None:
    """Search, print a table a task, write records into the folder `--out`."""
    from rich.console import Console

    from keras_neural_opt.benchmarks import range_test, write_record
    from keras_neural_opt.benchmarks._range_test import runs_of
    from keras_neural_opt.cli._bench_train import check_tasks, progress_bar

    tasks = options.task or list(_TASKS)
    check_tasks("bench range-test", tasks, options)
    console = Console()
    with progress_bar(console) as progress:
        for task in tasks:
            bar = progress.add_task(task, total=runs_of(options.seeds))
            record = range_test(task, options.seeds, options.data, partial(progress.advance, bar))
            progress.remove_task(bar)
            console.print(range_test_table(record))
            if options.out:
                path = write_record(options.out / f"range_test_{task}.json", record)
                console.print(f"figures: {path}", soft_wrap=True, highlight=False)


def range_test_table(record: Mapping[str, Any]) -> Any:
    """Return a table of a record of `range_test`."""
    from rich.table import Table

    table = Table(title=f"{record['title']}: the best rate of a grid, and what was suggested")
    for heading in ("optimizer", "best", "suggested", "over the best"):
        table.add_column(heading, justify="left" if heading == "optimizer" else "right")
    for row in record["results"]:
        suggested = " / ".join(f"{each['middle']:.2g}" for each in row["suggestions"])
        over = " / ".join(f"{ratio:.2f}" for ratio in row["over_best"])
        table.add_row(row["optimizer"], f"{row['best']:g}", suggested, over)
    return table
