"""How optimizers walk down a function of two variables: a picture of what their rules do."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from matplotlib.figure import Figure

from keras_neural_opt._core.arguments import check_arguments, choice, integer
from keras_neural_opt._core.backend import native

Point = np.ndarray
_COLORS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b", "#e377c2")


@dataclass(frozen=True)
class _Problem:
    """A function of two variables, its gradient, where to begin, where it is least, and what of it to draw."""

    value: Callable[[Any, Any], Any]
    gradient: Callable[[float, float], tuple[float, float]]
    start: tuple[float, float]
    minimum: tuple[float, float]
    window: tuple[float, float, float, float]


def _ravine(x: Any, y: Any) -> Any:
    return 0.5 * (0.05 * (x + y) ** 2 + (x - y) ** 2)


def _ravine_gradient(x: float, y: float) -> tuple[float, float]:
    return 0.05 * (x + y) + (x - y), 0.05 * (x + y) - (x - y)


def _rosenbrock(x: Any, y: Any) -> Any:
    return (1 - x) ** 2 + 20 * (y - x**2) ** 2


def _rosenbrock_gradient(x: float, y: float) -> tuple[float, float]:
    return -2 * (1 - x) - 80 * x * (y - x**2), 40 * (y - x**2)


PROBLEMS = {
    # Its axes are not the coordinates', or methods that scale each coordinate would have it too easy.
    "ravine": _Problem(_ravine, _ravine_gradient, (-2.5, 0.5), (0.0, 0.0), (-3.2, 1.6, -2.2, 1.6)),
    "rosenbrock": _Problem(_rosenbrock, _rosenbrock_gradient, (-1.4, 1.2), (1.0, 1.0), (-1.9, 1.6, -0.7, 2.4)),
}


def trajectory(optimizer: Any, problem: str = "rosenbrock", steps: int = 200) -> np.ndarray:
    """Return the way of an optimizer down a function of two variables.

    Args:
        optimizer: A Keras optimizer that has not been built.
        problem: `"ravine"` (an ill-conditioned quadratic, turned) or `"rosenbrock"` (a curved valley).
        steps: The number of steps, >= 1.

    Returns:
        An array of shape (steps + 1, 2): the start, and where it stands after each step.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> from keras_neural_opt.benchmarks import trajectory
        >>> trajectory(kno.optimizers.Adam(0.1), "ravine", steps=3).shape
        (4, 2)
    """
    check_arguments("trajectory", problem=choice(problem, PROBLEMS), steps=integer(steps, 1))
    chosen = PROBLEMS[problem]
    # A row for both, so that methods with a norm a variable see one variable; its name says that it is a kernel.
    variable = keras.Variable(np.array([chosen.start], "float32"), name="kernel")
    optimizer.build([variable])
    way = [np.array(chosen.start)]
    for _ in range(steps):
        gradient = np.array([chosen.gradient(*way[-1])], "float32")
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
        way.append(keras.ops.convert_to_numpy(native.read(variable))[0].astype("float64"))
    return np.array(way)


def trajectory_figure(optimizers: Mapping[str, Any], problem: str = "rosenbrock", steps: int = 200) -> Figure:
    """Return a figure: contours of a function of two variables, and the way of each optimizer down to its minimum.

    Args:
        optimizers: Optimizers that have not been built, by the name that the legend gives them; 8 at most.
        problem: `"ravine"` or `"rosenbrock"`, as in `trajectory`.
        steps: The number of steps, >= 1.

    Returns:
        A matplotlib figure; a dot on a line marks every tenth step, a star the minimum.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> from keras_neural_opt.benchmarks import trajectory_figure
        >>> figure = trajectory_figure({"Adam": kno.optimizers.Adam(0.1)}, "ravine", steps=20)
    """
    if not optimizers or len(optimizers) > len(_COLORS):
        raise ValueError(
            f"trajectory_figure.optimizers must be 1 to {len(_COLORS)} optimizers; received {len(optimizers)}"
        )
    ways = {name: trajectory(optimizer, problem, steps) for name, optimizer in optimizers.items()}
    chosen = PROBLEMS[problem]
    figure = Figure(figsize=(7, 5.5), layout="constrained")
    axes = figure.add_subplot()
    left, right, bottom, top = chosen.window
    x, y = np.meshgrid(np.linspace(left, right, 300), np.linspace(bottom, top, 300))
    z = chosen.value(x, y)
    axes.contour(x, y, z, levels=np.geomspace(z.max() * 1e-4, z.max(), 18), colors="#c8c8c8", linewidths=0.7)
    for (name, way), color in zip(ways.items(), _COLORS, strict=False):
        axes.plot(*way.T, color=color, linewidth=1.4, label=name)
        axes.plot(*way[::10].T, color=color, linestyle="", marker="o", markersize=3)
    axes.plot(*chosen.start, marker="o", color="#333333", markersize=7, linestyle="")
    axes.plot(*chosen.minimum, marker="*", color="#333333", markersize=13, linestyle="")
    axes.set(xlim=(left, right), ylim=(bottom, top), title=f"{problem}, {steps} steps")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9)
    return figure
