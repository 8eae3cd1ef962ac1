"""The part of `bench` that records the learning curves of all networks of a small space."""

import argparse
from functools import partial


def run(options: argparse.Namespace) -> None:
    """Train them all, write the table to the folder `--out`."""
    from rich.console import Console

    from keras_neural_opt.benchmarks import record_learning_curves
    from keras_neural_opt.benchmarks._learning_curves import TABLE, count_networks
    from keras_neural_opt.cli._bench_train import progress_bar

    if options.out is None:
        raise ValueError("--out must be a folder with learning-curves; received none")
    options.out.mkdir(parents=True, exist_ok=True)
    console = Console()
    with progress_bar(console) as progress:
        bar = progress.add_task(options.what, total=count_networks())
        path = record_learning_curves(options.out / TABLE, partial(progress.advance, bar))
    console.print(f"table: {path}", soft_wrap=True, highlight=False)
