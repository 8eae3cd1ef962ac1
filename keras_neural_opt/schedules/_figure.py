"""Pictures of schedules."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_neural_opt._core.arguments import check_arguments, integer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_POINTS = 2_000


def schedule_figure(schedules: Mapping[str, Any], steps: int, ylabel: str = "learning rate") -> "Figure":
    """Return a figure with a curve for each schedule.

    Args:
        schedules: The schedules, or functions of the step, by the names that the legend shows.
        steps: How many steps are drawn, from 0 on, >= 2.
        ylabel: What the curves are. Defaults to `"learning rate"`.

    Returns:
        A matplotlib figure.

    Raises:
        ModuleNotFoundError: matplotlib is not installed.
        ValueError: `steps` is too small.

    Example:
        >>> import keras_neural_opt as kno
        >>> from keras_neural_opt.schedules import schedule_figure
        >>> figure = schedule_figure({"cosine": kno.schedules.CosineAnnealing(0.1, 100)}, steps=101)
    """
    from matplotlib.figure import Figure  # Here, for a plain import must not need it.

    steps = check_arguments("schedule_figure", steps=integer(steps, 2))["steps"]
    drawn = np.unique(np.linspace(0, steps - 1, min(steps, _MOST_POINTS)).round().astype("int64"))
    figure = Figure(figsize=(6, 3.4), layout="constrained")
    axes = figure.add_subplot()
    for name, schedule in schedules.items():
        axes.plot(drawn, [float(schedule(int(step))) for step in drawn], label=name, linewidth=1.6)
    axes.set(xlabel="step", ylabel=ylabel)
    low, high = axes.get_ylim()
    if low < high / 2:  # A momentum between 0.85 and 0.95 would be a line.
        axes.set_ylim(bottom=min(0.0, low))
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    if len(schedules) > 1:
        figure.legend(loc="outside upper center", ncols=min(3, len(schedules)), frameon=False, fontsize=9)
    else:
        axes.set_title(next(iter(schedules)), fontsize=10)
    return figure
