"""Compare the optimizers on scikit-learn's digits and write a report."""

import argparse
import os
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the sub-command."""
    parser.add_argument(
        "--out", type=Path, default=Path("kno_quickstart"), help="folder of the report; default %(default)s"
    )
    parser.add_argument("--seeds", type=_at_least_one, default=3, help="runs with each optimizer; default %(default)s")
    parser.add_argument("--epochs", type=_at_least_one, default=15, help="epochs of each run; default %(default)s")
    parser.add_argument("--picture", type=Path, help="also write loss curves and accuracies to this SVG file")


def run(options: argparse.Namespace) -> None:
    """Train, print a table, write the report."""
    from rich.console import Console

    from keras_neural_opt._core.files import write_atomic
    from keras_neural_opt.cli._comparison import compare
    from keras_neural_opt.cli._comparison_report import comparison_page, comparison_picture, comparison_table

    console = Console()
    comparison = compare(range(options.seeds), options.epochs, console)
    console.print(comparison_table(comparison))
    options.out.mkdir(parents=True, exist_ok=True)
    report = write_atomic(options.out / "report.html", comparison_page(comparison))
    console.print(f"report: {report.resolve()}", soft_wrap=True, highlight=False)
    if options.picture:
        options.picture.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(options.picture, comparison_picture(comparison))


def prepare(options: argparse.Namespace) -> None:
    """Set what must be set before the backend is imported."""
    # A network of this size is slower on two threads than on one, and much slower where they are contended.
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def _at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be an integer >= 1")
    return number
