"""The picture of what workers have sent."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator


def communication_figure(history: Mapping[str, list[Any]]) -> Figure:
    """Return a figure of bytes against those of float32 and, where something waits to be sent, of its length.

    Args:
        history: That of `CommunicationStats`.
    """
    epochs = range(1, len(history["steps"]) + 1)
    waiting = [(epoch, x) for epoch, x in zip(epochs, history["residual_norm"], strict=True) if x is not None]
    panels = 2 if waiting else 1
    figure = Figure(figsize=(1.0 + 4.5 * panels, 3.6), layout="constrained")
    axes = figure.subplots(1, panels, squeeze=False)[0]
    lines = {"float32_bytes": ("float32", "#7f8c8d", "--"), "bytes_sent": ("sent", "#2471a3", "-")}
    for name, (label, colour, style) in lines.items():
        axes[0].plot(epochs, history[name], color=colour, linestyle=style, marker="o", markersize=3, label=label)
    axes[0].set(ylabel="bytes of a worker in an epoch")
    axes[0].set_ylim(bottom=0)
    axes[0].yaxis.set_major_formatter(EngFormatter("B"))
    axes[0].legend(frameon=False)
    if waiting:
        axes[1].plot(*zip(*waiting, strict=True), color="#c0392b", marker="o", markersize=3)
        axes[1].set(ylabel="length of what waits to be sent")
        axes[1].set_ylim(bottom=0)
    for each in axes:
        each.set(xlabel="epoch")
        each.xaxis.set_major_locator(MaxNLocator(integer=True))
        each.grid(alpha=0.25)
        each.spines[["top", "right"]].set_visible(False)
    return figure
