"""The part of `bench` that trains: tasks one after the other, a table, a record and a picture of each."""

import argparse
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of what trains."""
    parser.add_argument(
        "--task",
        action="append",
        default=[],
        help="train, range-test, compression-accuracy: which, repeatable; default all four, of range-test without"
        " cifar10, of compression-accuracy without digits",
    )
    parser.add_argument(
        "--seeds",
        type=int,
        default=3,
        help="train, range-test, batch-norm, dropout, compression-accuracy: how many; default %(default)s",
    )
    parser.add_argument("--full", action="store_true", help="train: tune on a finer and wider grid")
    parser.add_argument(
        "--data", help="train, range-test, dropout, compression-accuracy: the folder of data sets; default KNO_DATA"
    )


def run(options: argparse.Namespace) -> None:
    """Train, print a table a task, write records and pictures into the folder `--out`."""
    from rich.console import Console

    from keras_neural_opt._core.files import write_atomic
    from keras_neural_opt.benchmarks import train, train_figure, write_record
    from keras_neural_opt.benchmarks._train import runs_of
    from keras_neural_opt.benchmarks._train_contestants import contestants
    from keras_neural_opt.benchmarks._train_tasks import TASKS
    from keras_neural_opt.training._report import svg

    everyone = contestants()
    names = [_as_listed(name, everyone) for name in options.optimizer]
    tasks = options.task or [name for name, task in TASKS.items() if task.target is not None]
    check_tasks("bench train", tasks, options)
    console = Console()
    with progress_bar(console) as progress:
        for task in tasks:
            total = len(names or everyone) * runs_of(options.full, options.seeds)
            bar = progress.add_task(task, total=total)
            record = train(task, names, options.seeds, options.full, options.data, partial(progress.advance, bar))
            progress.remove_task(bar)
            console.print(train_table(record))
            if options.out:
                path = write_record(options.out / f"train_{task}.json", record)
                write_atomic(path.with_suffix(".svg"), svg(train_figure(record), background="white"))
                console.print(f"figures: {path}, picture beside it", soft_wrap=True, highlight=False)


def check_tasks(owner: str, tasks: Sequence[str], options: argparse.Namespace) -> None:
    """Find out now what would else end hours of work in the middle: names, data, the folder for the records."""
    from keras_neural_opt._core.arguments import choice
    from keras_neural_opt.benchmarks._train_data import data_folder
    from keras_neural_opt.benchmarks._train_tasks import TASKS

    for name in tasks:
        choice(name, TASKS).check(owner, "task")
        TASKS[name].data(data_folder(options.data))
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)


def progress_bar(console: Any) -> Any:
    """Return what shows which task is at work, how many of its runs are done and how long the rest takes."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    return Progress(*columns, console=console, transient=True)


def train_table(record: Mapping[str, Any]) -> Any:
    """Return a table of a record of `train`, the best first."""
    from rich.table import Table

    from keras_neural_opt.benchmarks import ranked

    aim = "" if record["target"] is None else f", target {record['metric']} {record['target']:g}"
    table = Table(title=f"{record['title']}, {record['steps']} steps{aim}")
    for heading in ("optimizer", "rate", "decay", "steps", "seconds", f"last {record['metric']}", "ms a step"):
        table.add_column(heading, justify="left" if heading == "optimizer" else "right")
    for row in ranked(record):
        steps = "/".join("-" if steps is None else str(steps) for steps in row["steps"])
        scores = "/".join("-" if score is None else f"{score:.3f}" for score in row["scores"])
        seconds = "-" if row["seconds"] is None else f"{row['seconds']:.2f}"
        rate = f"{row['learning_rate']:g}" + (" (edge)" if row["rate_at_edge"] else "")
        cells = rate, f"{row['weight_decay']:g}", steps, seconds, scores, f"{row['step_ms']['wall']:.2f}"
        table.add_row(row["optimizer"], *cells)
    return table


def _as_listed(name: str, everyone: Mapping[str, Any]) -> str:
    return next((listed for listed in everyone if listed.lower() == name.lower()), name)
