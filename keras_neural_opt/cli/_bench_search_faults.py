"""The part of `bench` that kills the workers of a search and measures what a search costs."""

import argparse
import json
from typing import Any


def run(options: argparse.Namespace) -> None:
    """Measure, print a table a part, write the file; parts of it that were not measured stay."""
    from rich.console import Console

    from keras_neural_opt.benchmarks import search_faults, write_record
    from keras_neural_opt.benchmarks._search_faults import PARTS
    from keras_neural_opt.cli._bench_train import progress_bar

    console = Console()
    parts = options.task or list(PARTS)
    with progress_bar(console) as progress:
        bar = progress.add_task("search", total=len(parts))
        for part in parts:
            record = search_faults([part])
            progress.advance(bar)
            console.print(faults_table(record["results"]))
            if options.out:
                options.out.parent.mkdir(parents=True, exist_ok=True)
                before = json.loads(options.out.read_text())["results"] if options.out.exists() else {}
                path = write_record(options.out, {**record, "results": {**before, **record["results"]}})
                console.print(f"figures: {path}", soft_wrap=True, highlight=False)


def faults_table(results: dict[str, Any]) -> Any:
    """Return a line for each figure."""
    from rich.table import Table

    table = Table("part", "figure", "value", title="a search whose workers are killed, and what it costs")
    for part, figures in results.items():
        for name, value in figures.items():
            table.add_row(part, name.replace("_", " "), str(value))
    return table
