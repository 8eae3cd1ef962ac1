"""What a watched training looked like: samples of it, as numbers, table and picture."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.table import Table


@dataclass(frozen=True)
class MonitorSample:
    """One step of a training, looked at from outside and inside.

    The mappings are from the paths of variables; one that is unknown is not in them.

    Args:
        step: The number of the effective step, from 1.
        learning_rate: That after the step; NaN where there are several.
        gradient_norms: The 2-norm of each gradient, before clipping and transforms.
        transformed_norms: The same after them.
        update_ratios: For each variable, the root mean square of its change over that of its values before.
        update_ratio: The same of all variables together.

    Example:
        >>> import keras_neural_opt as kno
        >>> norms = {"dense/kernel": 3.0, "dense/bias": 4.0}
        >>> sample = kno.training.MonitorSample(1, 0.1, norms, norms, {"dense/kernel": 1e-3, "dense/bias": 2e-3}, 1e-3)
        >>> sample.gradient_norm, sample.clipped
        (5.0, False)
    """

    step: int
    learning_rate: float
    gradient_norms: dict[str, float]
    transformed_norms: dict[str, float]
    update_ratios: dict[str, float]
    update_ratio: float

    @property
    def gradient_norm(self) -> float:
        """The 2-norm of all gradients together; NaN if none is known."""
        return _together(self.gradient_norms.values())

    @property
    def transformed_norm(self) -> float:
        """The same after clipping and transforms."""
        return _together(self.transformed_norms.values())

    @property
    def clipped(self) -> bool:
        """Whether clipping or transforms made the gradient shorter."""
        return self.transformed_norm < self.gradient_norm * (1 - 1e-5)

    @property
    def finite(self) -> bool:
        """Whether no gradient that is known was NaN or infinite."""
        return all(map(math.isfinite, self.gradient_norms.values()))


def still(samples: Sequence[MonitorSample]) -> list[str]:
    """Return the paths of variables whose gradient was 0 in every sample: dead units, or nothing depends on them."""
    paths = dict.fromkeys(path for sample in samples for path in sample.gradient_norms)
    return [path for path in paths if all(sample.gradient_norms.get(path, 0.0) == 0.0 for sample in samples)]


def monitor_table(samples: Sequence[MonitorSample]) -> "Table":
    """Return a table with a row a variable: medians over the samples, and the last."""
    from rich.table import Table

    table = Table(title=f"{len(samples)} samples up to step {samples[-1].step}")
    table.add_column("variable", overflow="fold")
    for name in ("gradient norm, median", "last", "update / weight, median", "last", "remark"):
        table.add_column(name, justify="right")
    dead = set(still(samples))
    for path in dict.fromkeys(path for sample in samples for path in sample.update_ratios):
        norms = [sample.gradient_norms[path] for sample in samples if path in sample.gradient_norms]
        ratios = [sample.update_ratios[path] for sample in samples if path in sample.update_ratios]
        cells = [f"{value:.2e}" for values in (norms, ratios) for value in _median_and_last(values)]
        table.add_row(path, *cells, "no gradient" if path in dead else "")
    return table


def monitor_figure(samples: Sequence[MonitorSample]) -> "Figure":
    """Return a figure of the gradient's norm, and of how much of itself each variable moves in a step."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 6), layout="constrained")
    above, below = figure.subplots(2, sharex=True)
    steps = [sample.step for sample in samples]
    norms, changed = ([getattr(x, name) for x in samples] for name in ("gradient_norm", "transformed_norm"))
    if any(map(math.isfinite, norms)):
        above.plot(steps, norms, color="#1f5fa8", marker=".", label="of the loss")
        if any(sample.clipped for sample in samples):
            above.plot(steps, changed, color="#e8a33d", marker=".", label="after clipping and transforms")
            above.legend(frameon=False)
        above.set_yscale("log")
    bad = [sample.step for sample in samples if not sample.finite]
    for step in bad:
        above.axvline(step, color="#c0392b", linewidth=0.8)
    above.set(ylabel="gradient norm", title=f"{len(bad)} samples were not finite" if bad else None)
    for path in dict.fromkeys(path for sample in samples for path in sample.update_ratios):
        ratios = [sample.update_ratios.get(path, math.nan) or math.nan for sample in samples]
        below.plot(steps, ratios, color="#b0b0b0", linewidth=0.8)
    below.plot(steps, [sample.update_ratio or math.nan for sample in samples], color="#1f5fa8", label="all together")
    below.plot([], [], color="#b0b0b0", label="a variable")
    below.axhline(1e-3, color="#2e7d32", linestyle=":", label="a thousandth")
    below.set(xlabel="step", ylabel="update / weight", yscale="log")
    below.legend(frameon=False, ncols=3, fontsize=9)
    for axes in (above, below):
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _together(norms: Iterable[float]) -> float:
    values = list(norms)
    return math.hypot(*values) if values else math.nan


def _median_and_last(values: Sequence[float]) -> tuple[float, float]:
    return (float(np.median(values)), values[-1]) if values else (math.nan, math.nan)
