"""The picture of a record of dropout that is trained."""

import statistics
from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

_BLUES = ("#0b2f5b", "#1f5fa8", "#7fb0e0")


def dropout_figure(record: Mapping[str, Any]) -> Figure:
    """Return a figure with a panel for the rates over the data, and two for sparsity and accuracy over the epochs.

    Args:
        record: What `dropout` returned.

    Returns:
        A matplotlib figure. A dot, or a thin line, is a seed; the line through the dots is their median.

    Example:
        >>> from keras_neural_opt.benchmarks import dropout, dropout_figure
        >>> figure = dropout_figure(dropout(seeds=1))  # doctest: +SKIP
    """
    figure = Figure(figsize=(10.5, 3.2), layout="constrained")
    rates, sparsity, accuracy = figure.subplots(1, 3)
    _rates(rates, record["concrete"]["runs"])
    for run in record["variational"]["runs"]:
        epochs = range(1, len(run["sparsity"]) + 1)
        sparsity.plot(epochs, [100 * value for value in run["sparsity"]], color=_BLUES[1], linewidth=1)
        for name, color in {"without": "#888888", "with": _BLUES[1]}.items():
            label = f"{name} variational dropout" if run["seed"] == 0 else None
            values = [100 * value for value in run["accuracy"][name]]
            accuracy.plot(epochs, values, color=color, linewidth=1, label=label)
    sparsity.set_ylim(0, 100)
    accuracy.set_ylim(bottom=96)
    accuracy.legend(fontsize=8, frameon=False, loc="lower right")
    titles = {"rate that ConcreteDropout finds": rates, "weights pruned, %": sparsity, "test accuracy, %": accuracy}
    for title, axes in titles.items():
        axes.set_title(title, fontsize=9)
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    rates.set_xlabel("training samples", fontsize=9)
    for axes in (sparsity, accuracy):
        axes.set_xlabel("epoch", fontsize=9)
    return figure


def _rates(axes: Any, runs: list[Mapping[str, Any]]) -> None:
    sizes = sorted({run["samples"] for run in runs})
    for layer, color in zip(range(len(runs[0]["rates"])), _BLUES, strict=True):
        found = {size: [run["rates"][layer] for run in runs if run["samples"] == size] for size in sizes}
        label = f"layer {layer + 1}"
        axes.plot(sizes, [statistics.median(found[size]) for size in sizes], color=color, linewidth=1.5, label=label)
        for size in sizes:
            axes.plot([size] * len(found[size]), found[size], "o", color=color, markersize=3)
    axes.set_xscale("log")
    axes.set_ylim(0, 0.55)
    axes.legend(fontsize=8, frameon=False)
