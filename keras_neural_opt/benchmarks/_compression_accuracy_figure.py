"""The picture of a record of what compression costs in accuracy."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from keras_neural_opt.benchmarks._compression_accuracy import in_units

_INSIDE, _OUTSIDE = "#1f5fa8", "#c0392b"


def compression_accuracy_figure(record: Mapping[str, Any]) -> Figure:
    """Return a figure with a panel for each task: differences from training without compression, and their bound.

    Args:
        record: What `compression_accuracy` returned, of two seeds or more.

    Returns:
        A matplotlib figure. A dot is the mean difference, a line its interval of 95 %, and the band what is within the
        bound; red is what is not.

    Example:
        >>> from keras_neural_opt.benchmarks import compression_accuracy, compression_accuracy_figure
        >>> record = compression_accuracy("record.json", ["mnist"], seeds=2)  # doctest: +SKIP
        >>> figure = compression_accuracy_figure(record)  # doctest: +SKIP
    """
    tasks = list(record["tasks"].values())
    figure = Figure(figsize=(3.6 * len(tasks), 2.6), layout="constrained")
    names = list(dict.fromkeys(row["contestant"] for task in tasks for row in task["results"] if "interval" in row))
    for axes, task in zip(figure.subplots(1, len(tasks), squeeze=False, sharey=True)[0], tasks, strict=True):
        _panel(axes, task, names)
    return figure


def _panel(axes: Any, task: Mapping[str, Any], names: Sequence[str]) -> None:
    settings = task["settings"]
    scale, unit, _ = in_units(settings["metric"])
    bound = scale * settings["bound"]
    axes.axvspan(-bound, bound, color=_INSIDE, alpha=0.1, linewidth=0)
    axes.axvline(0, color="#888888", linewidth=0.8)
    for row in (row for row in task["results"] if "interval" in row):
        y = names.index(row["contestant"])
        color = _INSIDE if row["inside"] else _OUTSIDE
        axes.plot([scale * end for end in row["interval"]], [y, y], color=color, linewidth=1.5)
        axes.plot([scale * row["difference"]], [y], "o", color=color, markersize=4)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlabel(f"{settings['metric']}, {unit}, minus that without compression", fontsize=8)
    axes.set_title(settings["title"], fontsize=9)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
