"""What the pictures of a search have in common: panels, colours, scales."""

from collections.abc import Iterable
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Seen as different by those who see colours differently too, on white and on black (Okabe and Ito).
DOT, BEST, PALE = "#0072b2", "#d55e00", "#8c8c8c"

# From one end of the values to the other; above that a linear scale hides the small ones.
_WIDE = 20


def panels(count: int, size: tuple[float, float] = (3.2, 3.0), columns: int = 4, sharey: bool = False) -> Any:
    """Return a figure and its panels, side by side and then below each other.

    Args:
        count: How many.
        size: Width and height of one in inches.
        columns: So many side by side at most.
        sharey: Whether all have one scale upwards.
    """
    wide = min(count, columns)
    rows = -(-count // wide)
    figure = Figure(figsize=(max(size[0] * wide, 6.0), size[1] * rows), layout="constrained")
    made = figure.subplots(rows, wide, squeeze=False, sharey=sharey).ravel()
    for axes in made[count:]:
        axes.remove()
    for axes in made[:count]:
        axes.grid(alpha=0.25)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    return figure, list(made[:count])


def scale_for(axes: Axes, values: Iterable[float], objective: Any) -> None:
    """Draw what is small and positive on a logarithmic scale, where less is better and values are far apart."""
    found = list(values)
    if found and objective.direction == "min" and 0 < min(found) < max(found) / _WIDE:
        axes.set_yscale("log")
