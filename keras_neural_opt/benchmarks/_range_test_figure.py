"""The picture of records of range tests: what was suggested, over the losses of the grid."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure


def range_test_figure(records: Sequence[Mapping[str, Any]]) -> Figure:
    """Return a figure with a panel for each task and optimizer.

    Args:
        records: What `range_test` returned for tasks.

    Returns:
        A matplotlib figure. The line is the median loss of each rate of the grid, a dot its best, the band all within a
        factor of 3 of it, and each vertical line what a seed's test suggested.

    Example:
        >>> from keras_neural_opt.benchmarks import range_test, range_test_figure
        >>> figure = range_test_figure([range_test("digits", seeds=1)])  # doctest: +SKIP
    """
    columns = len(records[0]["results"])
    figure = Figure(figsize=(3.8 * columns, 2.4 * len(records)), layout="constrained")
    panels = figure.subplots(len(records), columns, squeeze=False, sharex="col")
    for record, line in zip(records, panels, strict=True):
        for row, axes in zip(record["results"], line, strict=True):
            _panel(axes, row)
            axes.set_title(f"{record['title']}, {row['optimizer']}", fontsize=9)
        line[0].set_ylabel("loss", fontsize=9)
    for axes in panels[-1]:
        axes.set_xlabel("learning rate", fontsize=9)
    return figure


def _panel(axes: Any, row: Mapping[str, Any]) -> None:
    points = [
        (each["rate"], statistics.median(math.inf if x is None else x for x in each["losses"])) for each in row["grid"]
    ]
    rates, losses = zip(*[(rate, loss) for rate, loss in points if math.isfinite(loss)], strict=True)
    axes.axvspan(row["best"] / 3, row["best"] * 3, color="#1f5fa8", alpha=0.1, linewidth=0)
    axes.plot(rates, losses, color="#1f5fa8", linewidth=1.5)
    axes.plot([row["best"]], [dict(points)[row["best"]]], "o", color="#1f5fa8", markersize=5)
    for suggestions in row["suggestions"]:
        axes.axvline(suggestions["middle"], color="#c0392b", linewidth=1)
    axes.set_xscale("log")
    axes.set_yscale("log")
    # What blew up would hide the valley.
    axes.set_ylim(0.8 * min(losses), 1.3 * losses[0])
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
