"""Pictures of the objective over the space that was searched."""

from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.trial import FrozenTrial

from keras_neural_opt.hpo._panels import BEST, panels, scale_for
from keras_neural_opt.hpo._parameter import Parameter
from keras_neural_opt.hpo._readable_study import display_names, display_values
from keras_neural_opt.hpo._space import SearchSpace

# Without its ends, one of which is lost on white and one on black.
_COLORS = colormaps["viridis"]


class Scale:
    """Where the values of a hyperparameter lie on an axis: numbers as they are, choices one after the other.

    Args:
        parameter: The hyperparameter.
        values: Those that occurred.
    """

    def __init__(self, parameter: Parameter, values: list[Any]) -> None:
        d = parameter.distribution
        self.choices = list(d.choices) if isinstance(d, CategoricalDistribution) else None
        self.whole = isinstance(d, IntDistribution)
        self.log = bool(getattr(d, "log", False)) and parameter.reading is None
        places = [self.place(value) for value in values]
        self.low, self.high = min(places, default=0.0), max(places, default=1.0)

    def place(self, value: Any) -> float:
        """Return where a value lies."""
        return float(value) if self.choices is None else float(self.choices.index(value))

    def fraction(self, value: Any) -> float:
        """Return how far a value is from the lowest to the highest that occurred."""
        low, high, at = self.low, self.high, self.place(value)
        if self.choices is not None:
            low, high = 0.0, len(self.choices) - 1.0
        elif self.log:
            low, high, at = np.log([low, high, at])
        return 0.5 if high == low else (at - low) / (high - low)

    def labels(self) -> list[tuple[float, str]]:
        """Return some fractions with the text of their values."""
        if self.choices is not None:
            return [(self.fraction(choice), str(choice)) for choice in self.choices]
        if self.high == self.low:
            return [(0.5, f"{self.low:.3g}")]
        middle = np.sqrt(self.low * self.high) if self.log else (self.low + self.high) / 2
        middle = round(middle) if self.whole else middle
        return [(self.fraction(value), f"{value:.3g}") for value in (self.low, middle, self.high)]


def slice_figure(trials: list[FrozenTrial], space: SearchSpace, objective: Any) -> Figure:
    """Return the objective over each hyperparameter, later trials in other colours.

    Args:
        trials: Trials that completed.
        space: What was searched.
        objective: What is drawn upwards.
    """
    figure, made = panels(len(space), columns=3, sharey=True)
    rows = [display_values(trial, space) for trial in trials]
    numbers = Normalize(0, max(1, max(trial.number for trial in trials)))
    best = _best_first(trials, objective)[0]
    for axes, parameter in zip(made, space, strict=True):
        name = display_names(space)[parameter.key]
        having = [(t, row[name]) for t, row in zip(trials, rows, strict=True) if name in row]
        scale = Scale(parameter, [value for _, value in having])
        _draw_slice(axes, having, scale, numbers, best)
        scale_for(axes, [trial.values[0] for trial in trials], objective)
        axes.set(xlabel=name, ylabel=objective.name if axes.get_subplotspec().is_first_col() else "")
    figure.colorbar(ScalarMappable(numbers, _COLORS), ax=made, label="trial", aspect=30)
    return figure


def _draw_slice(axes: Axes, having: list[Any], scale: Scale, numbers: Normalize, best: FrozenTrial) -> None:
    places = np.array([scale.place(value) for _, value in having])
    if scale.choices is not None:
        # Beside each other, or equal ones would hide each other.
        places = places + np.linspace(-0.2, 0.2, max(len(places), 2))[: len(places)]
        axes.set_xticks(range(len(scale.choices)), [str(choice) for choice in scale.choices])
        axes.set_xlim(-0.6, len(scale.choices) - 0.4)
        axes.tick_params(axis="x", labelrotation=30 if sum(map(len, map(str, scale.choices))) > 24 else 0)
    elif scale.log:
        axes.set_xscale("log")
        if scale.high < 30 * scale.low:
            ticks = np.geomspace(scale.low, scale.high, 4)
            axes.set_xticks(ticks, [f"{tick:.3g}" for tick in ticks])
            axes.xaxis.set_minor_locator(NullLocator())
    values = [trial.values[0] for trial, _ in having]
    axes.scatter(places, values, c=[t.number for t, _ in having], cmap=_COLORS, norm=numbers, s=22)
    marked = [(x, y) for x, y, (trial, _) in zip(places, values, having, strict=True) if trial is best]
    for x, y in marked:
        axes.plot(x, y, "*", color=BEST, markersize=13, label="best")


def parallel_figure(trials: list[FrozenTrial], space: SearchSpace, objective: Any) -> Figure:
    """Return a line for each trial through its hyperparameters to its value.

    Args:
        trials: Trials that completed.
        space: What was searched.
        objective: The last axis, and the colour.
    """
    figure, (axes,) = panels(1, (max(6.0, 1.15 * (len(space) + 1)), 4.5))
    names = [display_names(space)[p.key] for p in space]
    rows = [display_values(trial, space) for trial in trials]
    scales = [Scale(p, [row[n] for row in rows if n in row]) for p, n in zip(space, names, strict=True)]
    values = [trial.values[0] for trial in trials]
    low, high = min(values), max(values)
    ordered = _best_first(trials, objective)
    for rank, trial in reversed(list(enumerate(ordered))):
        row = display_values(trial, space)
        heights = [scale.fraction(row[n]) if n in row else np.nan for scale, n in zip(scales, names, strict=True)]
        heights.append((trial.values[0] - low) / (high - low) if high > low else 0.5)
        _draw_line(axes, np.array(heights), rank / len(ordered))
    axes.set(xlim=(-0.1, len(names) + 0.55), ylim=(-0.06, 1.08), yticks=[])
    axes.set_xticks(range(len(names) + 1), [*names, objective.name], rotation=20 if len(names) > 4 else 0)
    axes.grid(visible=False)
    axes.spines["left"].set_visible(False)
    every = [*(scale.labels() for scale in scales), [(0.0, f"{low:.4g}"), (1.0, f"{high:.4g}")]]
    for place, labels in enumerate(every):
        axes.axvline(place, ymin=0.06 / 1.14, ymax=1.06 / 1.14, color="#8c8c8c", linewidth=0.8)
        for at, text in labels:
            axes.text(place + 0.04, at, text, fontsize=8, verticalalignment="center")
    axes.set_title(f"best of {len(trials)} trials in orange, the others from dark (good) to yellow", fontsize=9)
    return figure


def _draw_line(axes: Axes, heights: np.ndarray, rank: float) -> None:
    style: dict[str, Any] = {"color": _COLORS(rank), "linewidth": 1.0, "alpha": 0.6}
    if rank == 0:
        style = {"color": BEST, "linewidth": 2.5}
    there = np.flatnonzero(np.isfinite(heights))
    # What a trial does not have is passed by, dotted.
    axes.plot(there, heights[there], **{**style, "linewidth": 0.7 * style["linewidth"]}, linestyle=":")
    axes.plot(heights, **style)


def _best_first(trials: list[FrozenTrial], objective: Any) -> list[FrozenTrial]:
    return sorted(trials, key=lambda t: t.values[0], reverse=objective.direction == "max")
