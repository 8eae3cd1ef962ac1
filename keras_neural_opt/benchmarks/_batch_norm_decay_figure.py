"""The picture of a record of weight decay under batch norms."""

from collections.abc import Mapping
from typing import Any

from matplotlib import colormaps
from matplotlib.figure import Figure

_PANELS = (
    ("norm", "length of the kernel"),
    ("effective_learning_rate", "effective learning rate"),
    ("angular_update", "angle of a step (radians)"),
)


def batch_norm_decay_figure(record: Mapping[str, Any], weight: str = "conv_2") -> Figure:
    """Return a figure of what a kernel's length, effective rate and angle did under each decay.

    Args:
        record: What `batch_norm_decay` returned.
        weight: The layer that has the kernel.

    Returns:
        A matplotlib figure. Dotted lines are the equilibria of the angle.

    Example:
        >>> from keras_neural_opt.benchmarks import batch_norm_decay, batch_norm_decay_figure
        >>> figure = batch_norm_decay_figure(batch_norm_decay(epochs=2, seeds=1))  # doctest: +SKIP
    """
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    panels = figure.subplots(1, len(_PANELS))
    colours = colormaps["viridis"]
    for number, row in enumerate(record["results"]):
        colour = colours(0.9 * number / max(1, len(record["results"]) - 1))
        (watched,) = [each for each in row["weights"] if each["weight"] == weight]
        for axes, (quantity, _) in zip(panels, _PANELS, strict=True):
            label = f"weight decay {row['weight_decay']:g}"
            axes.plot(watched["step"], watched[quantity], color=colour, linewidth=1.6, label=label)
        if row["equilibrium"]:
            panels[-1].axhline(row["equilibrium"], color=colour, linestyle=":", linewidth=1.4)
    for axes, (_, label) in zip(panels, _PANELS, strict=True):
        axes.set(xlabel="step", ylabel=label, yscale="log")
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    return figure
