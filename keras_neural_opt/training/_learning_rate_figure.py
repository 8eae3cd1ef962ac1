"""The picture of a learning-rate range test."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure


def learning_rate_figure(found: Any) -> Figure:
    """Return a figure of the losses over the learning rate, with the suggestions.

    Args:
        found: What `find_learning_rate` returned.
    """
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(found.rates, found.losses, color="#b0b0b0", linewidth=0.8, label="a batch's loss")
    axes.plot(found.rates, found.smoothed, color="#1f5fa8", linewidth=1.8, label="smoothed")
    for name, rate in found.suggestions.items():
        chosen = name == found.rule
        y = float(np.interp(rate, found.rates, found.smoothed))
        label = f"{name}: {rate:.2g}" + (", suggested" if chosen else "")
        axes.plot(
            [rate], [y], "o", color="#c0392b" if chosen else "#e8a33d", markersize=8 if chosen else 6, label=label
        )
    steps = np.diff(found.rates)
    if not np.allclose(steps, steps[0], rtol=1e-3):
        axes.set_xscale("log")
    # What blew up would hide the valley.
    low, high = min(found.smoothed), max(found.smoothed[: int(np.argmin(found.smoothed)) + 1])
    axes.set_ylim(low - 0.1 * (high - low), high + 0.5 * (high - low))
    axes.set(xlabel="learning rate", ylabel="loss")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9)
    return figure
