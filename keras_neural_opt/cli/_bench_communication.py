"""The part of `bench` that trains over slow links: a table a link, a record and a picture."""

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

# What tells a row of a record: new rows take the place of older ones.
_PLACE = ("processes", "link_mbit", "contestant")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of what trains over slow links."""
    parser.add_argument(
        "--processes", type=int, action="append", help="communication: how many workers, repeatable; default 2 and 4"
    )
    parser.add_argument(
        "--link",
        type=_rate,
        action="append",
        help="communication: the rate of a link in Mbit/s, or unlimited, repeatable; default 20, 100, 1000, unlimited",
    )
    parser.add_argument(
        "--contestant", action="append", default=[], help="communication: which, repeatable; default all"
    )


def run(options: argparse.Namespace) -> None:
    """Measure, print the tables, write the record to the file `--out`; rows that were not measured now stay in it.

    Raises:
        ValueError: There is such a file, of a benchmark with other settings.
        RuntimeError: A link has carried other bytes than somebody counted.
    """
    from keras_neural_opt.benchmarks import communication
    from keras_neural_opt.benchmarks._communication import LINKS, rounds_of, settings
    from keras_neural_opt.benchmarks._network import check_can_make_networks
    from keras_neural_opt.cli._measured import measure_and_show
    from keras_neural_opt.cli._ranks import stopped_by_sigterm

    check_can_make_networks("bench communication")
    processes, links = options.processes or (2, 4), options.link or LINKS
    _check_file(options.out, settings(options.rounds))
    unfaithful: list[str] = []

    def measure(advance: Any) -> dict[str, Any]:
        record = communication(processes, links, options.contestant, options.rounds, advance=advance)
        unfaithful.extend(_unfaithful(record))
        return _with_older(record, options.out)

    with stopped_by_sigterm():
        measure_and_show(options, rounds_of(processes, links, options.rounds), measure, communication_tables)
    if unfaithful:
        raise RuntimeError(f"links have not carried what was counted: {'; '.join(unfaithful)}")


def communication_tables(record: Mapping[str, Any]) -> Iterator[Any]:
    """Yield a table of each number of workers and link of a record of `communication`."""
    from rich.table import Table

    for processes, link in dict.fromkeys((row["processes"], row["link_mbit"]) for row in record["results"]):
        table = Table(title=f"{processes} workers, {words_of(link)}")
        for heading in ("contestant", "ms a step", "CPU ms", "faster", "bytes on the link", "counted", ""):
            table.add_column(heading, justify="left" if heading in ("contestant", "") else "right")
        for row in record["results"]:
            if (row["processes"], row["link_mbit"]) == (processes, link):
                table.add_row(*_cells(row))
        yield table


def words_of(link: float | None) -> str:
    """Return a link in words."""
    return "links without a limit" if link is None else f"links of {link:g} Mbit/s"


def _cells(row: Mapping[str, Any]) -> Iterator[str]:
    yield row["contestant"]
    yield f"{row['wall_ms_median']:.1f}"
    yield f"{row['cpu_ms_median']:.1f}"
    yield f"{row['speedup']:.2f}x" if "speedup" in row else ""
    yield f"{row['bytes_on_link']:,}"
    yield f"{row['bytes_counted']:,}"
    yield "" if row["within_bound"] else "does not count what it sends"


def _unfaithful(record: Mapping[str, Any]) -> Iterator[str]:
    from keras_neural_opt.benchmarks._communication_contestants import CONTROL

    for row in record["results"]:
        if not row["within_bound"] and row["contestant"] != CONTROL:
            yield f"{row['contestant']} with {row['processes']} workers on {words_of(row['link_mbit'])}"


def _check_file(path: Path | None, now: Mapping[str, Any]) -> None:
    if path is None or not path.exists():
        return
    older = json.loads(path.read_text())
    others = [name for name in now if older.get(name) != now[name]]
    if others:
        raise ValueError(f"--out must be a new file, or of the same {' and '.join(others)}; received {path}")


def _with_older(record: dict[str, Any], path: Path | None) -> dict[str, Any]:
    if path is None or not path.exists():
        return record
    rows = {_place(row): row for row in [*json.loads(path.read_text())["results"], *record["results"]]}
    return {**record, "results": sorted(rows.values(), key=lambda row: (row["processes"], row["link_mbit"] or 1e9))}


def _place(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in _PLACE)


def _rate(text: str) -> float | None:
    if text == "unlimited":
        return None
    rate = float(text)
    if not rate > 0:
        raise argparse.ArgumentTypeError(f"must be a number > 0 or unlimited; received {text}")
    return rate
