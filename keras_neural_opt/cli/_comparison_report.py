"""What the quick start found, as a table, a page and a picture."""

import html
import platform
from typing import Any

import keras
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from rich.table import Table

from keras_neural_opt import __version__
from keras_neural_opt.cli._comparison import JUDGED_EPOCHS, LEARNING_RATES, TARGET, Comparison, Outcome
from keras_neural_opt.training._report import html_figure, html_page, html_table, svg

HEADER = ("optimizer", "rate", "test accuracy", "range", f"steps to {TARGET:.0%}", "seconds")

# Told apart by those who see colours differently too (Okabe and Ito), on white and on black.
_COLORS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8c8c8c")


def comparison_rows(comparison: Comparison) -> list[tuple[str, ...]]:
    """Return a row of text for each optimizer, the most accurate first."""
    return [_row(outcome, comparison.data.steps_per_epoch) for outcome in _best_first(comparison)]


def comparison_table(comparison: Comparison) -> Table:
    """Return the table for the terminal."""
    table = Table(*HEADER, title=_caption(comparison), title_justify="left")
    for column in table.columns:
        column.no_wrap = True
    for column in table.columns[1:]:
        column.justify = "right"
    for row in comparison_rows(comparison):
        table.add_row(*row)
    return table


def comparison_page(comparison: Comparison) -> str:
    """Return the report as one HTML page."""
    data = comparison.data
    sizes = f"{len(data.train[0])}, {len(data.validation[0])} and {len(data.test[0])}"
    method = (
        "<p>One network (64 inputs, 64 hidden units, 10 classes) learns scikit-learn's handwritten digits, "
        f"{comparison.epochs} epochs with each optimizer. The digits are split once into {sizes} images for training,"
        f" validation and test. The learning rate of each optimizer is the one of {', '.join(map(str, LEARNING_RATES))}"
        f" with the lowest validation loss over the last {JUDGED_EPOCHS} epochs; the test images are seen only at the"
        " end. One test image is"
        f" {1 / len(data.test[0]):.2%}: differences of a few of them are chance.</p>"
    )
    versions = html.escape(
        f"keras_neural_opt {__version__}, Keras {keras.__version__} on {keras.backend.backend()}, Python"
        f" {platform.python_version()}, {comparison.seconds:.0f} s in all"
    )
    parts = [
        method,
        html_table(_caption(comparison), HEADER, comparison_rows(comparison)),
        "<h2>Training loss</h2>",
        html_figure(_single(_draw_losses, comparison), "Training loss of each optimizer over the epochs"),
        "<h2>Test accuracy</h2>",
        html_figure(_single(_draw_accuracies, comparison), "Test accuracy of each optimizer, one dot a seed"),
        f'<p class="soft">{versions}</p>',
    ]
    return html_page("Optimizers on handwritten digits", "\n".join(parts))


def comparison_picture(comparison: Comparison) -> str:
    """Return loss curves and accuracies side by side as an SVG document."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    _draw_losses(left, comparison)
    _draw_accuracies(right, comparison)
    return svg(figure, background="white")


def _single(draw: Any, comparison: Comparison) -> Figure:
    figure = Figure(figsize=(6, 4), layout="constrained")
    draw(figure.subplots(), comparison)
    return figure


def _draw_losses(axes: Axes, comparison: Comparison) -> None:
    colors = _colors(comparison)
    epochs = range(1, comparison.epochs + 1)
    for outcome in _best_first(comparison):
        mean = np.mean([run.losses for run in outcome.runs], axis=0)
        marker = "o" if comparison.epochs == 1 else None
        axes.plot(epochs, mean, label=outcome.label, color=colors[outcome.label], marker=marker, linewidth=1.8)
    axes.set(xlabel="epoch", ylabel="training loss", yscale="log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False, fontsize=9)
    _plain(axes)


def _draw_accuracies(axes: Axes, comparison: Comparison) -> None:
    colors = _colors(comparison)
    outcomes = _best_first(comparison)[::-1]
    for height, outcome in enumerate(outcomes):
        color, mean = colors[outcome.label], float(np.mean(outcome.accuracies))
        axes.plot([min(outcome.accuracies), max(outcome.accuracies)], [height] * 2, color=color, linewidth=1.5)
        axes.plot(outcome.accuracies, [height] * len(outcome.accuracies), "o", color=color, markersize=4)
        axes.plot(mean, height, "D", color=color, markersize=8)
        above = {"xytext": (0, 8), "textcoords": "offset points", "ha": "center", "fontsize": 9}
        axes.annotate(f"{mean:.1%}", (mean, height), **above)
    axes.set_yticks(range(len(outcomes)), [outcome.label for outcome in outcomes])
    axes.set(xlabel="test accuracy (diamond: mean, dots: seeds)", ylim=(-0.6, len(outcomes) - 0.3))
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=1))
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.margins(x=0.1)
    _plain(axes)


def _plain(axes: Axes) -> None:
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def _colors(comparison: Comparison) -> dict[str, str]:
    return {outcome.label: color for outcome, color in zip(comparison.outcomes, _COLORS, strict=True)}


def _best_first(comparison: Comparison) -> list[Outcome]:
    return sorted(comparison.outcomes, key=lambda outcome: -float(np.mean(outcome.accuracies)))


def _row(outcome: Outcome, steps_per_epoch: int) -> tuple[str, ...]:
    steps = outcome.mean_steps_to_target(steps_per_epoch)
    return (
        outcome.label,
        f"{outcome.learning_rate:g}",
        f"{np.mean(outcome.accuracies):.1%}",
        f"{100 * min(outcome.accuracies):.1f}-{max(outcome.accuracies):.1%}",
        "not reached" if steps is None else f"{steps:.0f}",
        f"{np.mean([run.seconds for run in outcome.runs]):.1f}",
    )


def _caption(comparison: Comparison) -> str:
    seeds = len(comparison.outcomes[0].runs)
    word = "seed" if seeds == 1 else "seeds"
    return f"Test accuracy, mean and range over {seeds} {word}, {comparison.epochs} epochs each"
