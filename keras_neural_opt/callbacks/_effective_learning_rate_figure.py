"""The picture of effective learning rates."""

from collections.abc import Mapping
from typing import Any

from matplotlib import colormaps
from matplotlib.figure import Figure

_MOST_NAMES = 10
_PANELS = (
    ("norm", "length of the weights"),
    ("effective_learning_rate", "effective learning rate"),
    ("angular_update", "angle of a step (radians)"),
)


def effective_learning_rate_figure(history: Mapping[str, Mapping[str, list[Any]]]) -> Figure:
    """Return a figure with a panel for each quantity and a line for each weight; dashed is the equilibrium.

    Args:
        history: That of `EffectiveLearningRate`.
    """
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    panels = figure.subplots(1, len(_PANELS))
    colours = colormaps["viridis"]
    for number, (path, record) in enumerate(history.items()):
        colour = colours(0.9 * number / max(1, len(history) - 1))
        for axes, (name, _) in zip(panels, _PANELS, strict=True):
            axes.plot(record["step"], record[name], color=colour, linewidth=1.6, label=path)
    known = [(step, x) for r in history.values() for step, x in zip(r["step"], r["equilibrium"], strict=True) if x]
    if known:
        steps, angles = zip(*sorted(set(known)), strict=True)
        panels[-1].plot(steps, angles, color="#c0392b", linestyle="--", linewidth=1.2, label="equilibrium")
    for axes, (_, label) in zip(panels, _PANELS, strict=True):
        axes.set(xlabel="step", ylabel=label)
        if any(value > 0 for line in axes.lines for value in line.get_ydata()):
            axes.set_yscale("log")
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    if history and len(history) <= _MOST_NAMES:
        handles, names = panels[-1].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    return figure
