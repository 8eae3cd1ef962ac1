"""Measure speed and convergence, print a table, write the figures as JSON and the picture as SVG."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from keras_neural_opt.cli import (
    _bench_architecture_search,
    _bench_architecture_trial,
    _bench_architectures,
    _bench_batch_norm,
    _bench_communication,
    _bench_compression_accuracy,
    _bench_compression_kernels,
    _bench_dropout,
    _bench_early_stopping,
    _bench_learning_curves,
    _bench_range_test,
    _bench_samplers,
    _bench_search_budget,
    _bench_search_faults,
    _bench_train,
)

_WHAT = {
    "step": "one step against the backend's best peers",
    "fit": "an epoch of model.fit against Keras' Adam",
    "train": "steps and time to a target on real tasks, on jax",
    "range-test": "what find_learning_rate suggests, against the best of a grid",
    "batch-norm": "what weight decay does under batch norms",
    "dropout": "what dropout that is trained finds on MNIST",
    "samplers": "what searches find in fifty trials",
    "wrappers": "what they add",
    "transforms": "what they add",
    "schedules": "what they add",
    "sparse-rows": "an embedding's update, on tensorflow",
    "search-budget": "what searches find in so many epochs",
    "search-faults": "searches whose workers are killed, and what a search costs",
    "architectures": "what architecture searches find in tables",
    "architecture-search": "what one finds on MNIST in five minutes, next to chance",
    "architecture-trial": "the processor time of one of its trials",
    "learning-curves": "those of networks trained whole, a table for early-stopping",
    "early-stopping": "what searches find where few networks are trained whole, looked up in that table",
    "communication": "data-parallel training over slow links, as root",
    "compression-kernels": "what compressors cost on one processor",
    "compression-accuracy": "what gradient compression costs, on jax, with four workers of one process; it goes on with"
    " what --out has",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the sub-command."""
    parser.add_argument("what", choices=_WHAT, help="; ".join(f"{name}: {words}" for name, words in _WHAT.items()))
    parser.add_argument("--rounds", type=int, default=15, help="timed rounds; default %(default)s")
    parser.add_argument("--threads", type=int, help="processors to use; default all")
    parser.add_argument(
        "--out",
        type=Path,
        help="write the figures to this JSON file; train, range-test, batch-norm, dropout, learning-curves: into this"
        " folder",
    )
    parser.add_argument("--picture", type=Path, help="step: write a picture to this SVG file")
    parser.add_argument("--optimizer", action="append", default=[], help="step, train: which, repeatable; default all")
    parser.add_argument("--model", default="resnet50", help="step: resnet50, transformer, mlp or many")
    parser.add_argument(
        "--option",
        default="plain",
        help="step: plain, clip, decay, ema, accumulation, skip, 'mixed precision' or compile",
    )
    parser.add_argument("--elements", type=int, default=25_000_000, help="compression-kernels: default %(default)s")
    parser.add_argument("--device", default="cpu", help="step: cpu or gpu; default %(default)s")
    parser.add_argument(
        "--suite", nargs="?", const="base", help="step: all that the documentation shows, in one file: base or family"
    )
    _bench_train.add_arguments(parser)
    _bench_communication.add_arguments(parser)


def prepare(options: argparse.Namespace) -> None:
    """Set what must be set before the backend is imported."""
    from keras_neural_opt.cli._threads import limit_threads

    if options.rounds < 1:
        raise ValueError(f"--rounds must be an integer >= 1; received {options.rounds}")
    if options.threads is not None:
        limit_threads(options.threads)
    if options.what == "compression-accuracy":
        _bench_compression_accuracy.prepare(options)


def run(options: argparse.Namespace) -> None:
    """Measure, print a table, write figures and picture."""
    from rich.console import Console
    from rich.progress import Progress

    from keras_neural_opt._core.files import write_atomic
    from keras_neural_opt.benchmarks import step_figure, write_record
    from keras_neural_opt.training._report import svg

    if options.picture and options.what != "step":
        raise ValueError("--picture goes with step")
    of_their_own = {
        "train": _bench_train,
        "range-test": _bench_range_test,
        "batch-norm": _bench_batch_norm,
        "communication": _bench_communication,
        "compression-accuracy": _bench_compression_accuracy,
        "dropout": _bench_dropout,
        "samplers": _bench_samplers,
        "architectures": _bench_architectures,
        "architecture-search": _bench_architecture_search,
        "architecture-trial": _bench_architecture_trial,
        "learning-curves": _bench_learning_curves,
        "early-stopping": _bench_early_stopping,
        "compression-kernels": _bench_compression_kernels,
        "search-budget": _bench_search_budget,
        "search-faults": _bench_search_faults,
    }
    if options.what in of_their_own:
        of_their_own[options.what].run(options)
        return
    console = Console()
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("measuring", total=None)
        record = _record(options, lambda: progress.advance(task))
    console.print(_table_of_added(record) if options.what in ("wrappers", "transforms") else _table(record))
    for path in filter(None, (options.out, options.picture)):
        path.parent.mkdir(parents=True, exist_ok=True)
    if options.out:
        console.print(f"figures: {write_record(options.out, record)}", soft_wrap=True, highlight=False)
    if options.picture:
        picture = write_atomic(options.picture, svg(step_figure(record), background="white"))
        console.print(f"picture: {picture}", soft_wrap=True, highlight=False)


def _record(options: argparse.Namespace, advance: Callable[[], Any]) -> dict[str, Any]:
    from keras_neural_opt.benchmarks import fit, schedules, sparse_rows, step, step_suite, transforms, wrappers

    common: dict[str, Any] = {"rounds": options.rounds, "advance": advance}
    if options.what == "fit":
        return fit(**common)
    if options.what == "schedules":
        return schedules(**common)
    if options.what in ("wrappers", "transforms"):
        return {"wrappers": wrappers, "transforms": transforms}[options.what](model=options.model, **common)
    if options.what == "sparse-rows":
        return sparse_rows(**common)
    if options.suite:
        return step_suite(options.suite, device=options.device, **common)
    return step(options.optimizer, options.model, options.option, device=options.device, **common)


def _table(record: dict[str, Any]) -> Any:
    from rich.table import Table

    labels = [key for key, value in record["results"][0].items() if isinstance(value, (str, int))]
    names = list(dict.fromkeys(name for row in record["results"] for name in row["times"]))
    table = Table(title="process-CPU / wall ms (minimum), and ours over it")
    for label in labels:
        table.add_column(label.replace("_", " "))
    for name in names:
        table.add_column(name, justify="right")
    for row in record["results"]:
        cells = (f"{row[label]:,}" if isinstance(row[label], int) else row[label] for label in labels)
        table.add_row(*cells, *(_cell(row, name) for name in names))
    return table


def _cell(row: dict[str, Any], name: str) -> str:
    if name not in row["times"]:
        return ""
    times, over = row["times"][name], row.get("ours_over", {}).get(name)
    ratio = f"  {over['wall']:.2f}x" if over else ""
    return f"{times['cpu_ms_min']:.2f} / {times['wall_ms_min']:.2f}{ratio}"


def _table_of_added(record: dict[str, Any]) -> Any:
    from rich.table import Table

    kind = record["benchmark"].removesuffix("s")
    table = Table(title=f"milliseconds that a {kind} adds to a call of apply, and those of the call without it")
    for heading in (kind, "ours", "peer", ""):
        table.add_column(heading, justify="left" if heading in (kind, "") else "right")
    for row in record["results"]:
        peer = next((name for name in row if name not in (kind, "ours")), None)
        ours, theirs = (
            f"{row[who]['adds_ms']:.2f} / {row[who]['bare_ms']:.2f}" if who else "" for who in ("ours", peer)
        )
        table.add_row(row[kind], ours, theirs, peer or "")
    return table
