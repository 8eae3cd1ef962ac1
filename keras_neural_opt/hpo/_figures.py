"""Pictures of a search over its trials and epochs, and of what mattered."""

from collections.abc import Iterable, Mapping
from itertools import accumulate
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from keras_neural_opt.hpo._panels import BEST, DOT, PALE, panels, scale_for
from keras_neural_opt.hpo._parameter import is_finite


def history_figure(trials: Iterable[Any], objectives: list[Any]) -> Figure:
    """Return the value of each trial in their order, and the best so far.

    Args:
        trials: `SearchedTrial`s.
        objectives: Those of the search.
    """
    figure, made = panels(len(objectives), (6.0, 4.0), columns=2)
    done = [trial for trial in trials if trial.values is not None]
    pruned = [trial for trial in trials if trial.state in ("pruned", "paused")]
    for place, (axes, objective) in enumerate(zip(made, objectives, strict=True)):
        values = [trial.values[place] for trial in done]
        better = min if objective.direction == "min" else max
        reached = [
            (t.number, better(filter(is_finite, t.history[objective.name]))) for t in pruned if _curve(t, objective)
        ]
        if reached:
            axes.plot(
                *zip(*reached, strict=True), "x", color=PALE, markersize=5, label="stopped early: best epoch until then"
            )
        numbers = [trial.number for trial in done]
        axes.plot(numbers, values, "o", color=DOT, markersize=5, label="completed")
        best = list(accumulate(values, better))
        axes.step(numbers, best, where="post", color=BEST, label="best so far")
        axes.set(xlabel="trial", ylabel=objective.name)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        scale_for(axes, [*values, *(value for _, value in reached)], objective)
        axes.legend(frameon=False, fontsize=9)
    return figure


def learning_curves_figure(trials: Iterable[Any], objective: Any, best: int | None) -> Figure:
    """Return a line for each trial over its epochs.

    Args:
        trials: `SearchedTrial`s.
        objective: What is drawn.
        best: The number of the best trial, or None.
    """
    figure, (axes,) = panels(1, (6.0, 4.0))
    known: set[str] = set()
    shown = [trial for trial in trials if _curve(trial, objective)]
    # The best last, above the others.
    for trial in sorted(shown, key=lambda t: (t.number == best, t.values is not None)):
        style = {"color": DOT, "alpha": 0.5, "linewidth": 1.2, "label": "completed"}
        if trial.values is None:
            style = {"color": PALE, "alpha": 0.45, "linewidth": 1.0, "label": "stopped early or failed"}
        if trial.number == best:
            style = {"color": BEST, "linewidth": 2.5, "label": f"best, trial {trial.number}"}
        style["label"] = style["label"] if style["label"] not in known else "_"
        known.add(str(style["label"]))
        _draw_curve(axes, trial.history[objective.name], style)
    axes.set(xlabel="epoch", ylabel=objective.name)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    scale_for(axes, [v for t in shown for v in t.history[objective.name] if is_finite(v)], objective)
    axes.legend(frameon=False, fontsize=9)
    return figure


def _curve(trial: Any, objective: Any) -> list[float]:
    return [value for value in trial.history.get(objective.name, []) if is_finite(value)]


def _draw_curve(axes: Axes, values: list[float], style: Mapping[str, Any]) -> None:
    # A line of one point would not be seen.
    marker = "o" if len(values) == 1 else None
    axes.plot(range(1, len(values) + 1), values, marker=marker, markersize=4, **style)


def importance_figure(importances: Mapping[str, Mapping[str, float]]) -> Figure:
    """Return a bar for each hyperparameter, the longest on top.

    Args:
        importances: Those of each objective, by the names of both.
    """
    most = max(map(len, importances.values()))
    figure, made = panels(len(importances), (6.0, 1.2 + 0.45 * most), columns=2)
    for axes, (objective, parts) in zip(made, importances.items(), strict=True):
        ordered = sorted(parts.items(), key=lambda item: item[1])
        bars = axes.barh([name for name, _ in ordered], [part for _, part in ordered], color=DOT, height=0.6)
        axes.bar_label(bars, [f"{part:.0%}" for _, part in ordered], padding=4, fontsize=9)
        axes.set(
            xlabel=f"importance for {objective}", xlim=(0, 1.12 * max((p for _, p in ordered), default=1.0) or 1.0)
        )
        axes.xaxis.set_major_formatter(lambda x, _: f"{x:.0%}")
        axes.grid(visible=False, axis="y")
    return figure
