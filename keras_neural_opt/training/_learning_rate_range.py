"""A range test: the loss at ever larger learning rates, and the rate that it suggests."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from keras_neural_opt._core.arguments import check_arguments, choice, flag, integer, positive
from keras_neural_opt._core.nested import is_innermost
from keras_neural_opt.schedules import ExponentialDecay, LinearDecay
from keras_neural_opt.training._data import Data, count_batches, fit_arguments
from keras_neural_opt.training._epochs import count_epochs, with_calls
from keras_neural_opt.training._training_state import TrainingState

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OWNER = "find_learning_rate"
_RULES = ("steepest", "valley", "minimum")


@dataclass(frozen=True)
class LearningRateRange:
    """What `find_learning_rate` found.

    Args:
        rates: The learning rate of each step.
        losses: The loss of its batch, before the step.
        rule: Which of `suggestions` is `suggestion`.

    Example:
        >>> import keras_neural_opt as kno
        >>> rates = [10 ** (i / 10 - 4) for i in range(31)]
        >>> losses = [1.0] * 10 + [1 - i / 12 for i in range(11)] + [0.2 + i for i in range(10)]
        >>> found = kno.training.LearningRateRange(rates, losses)
        >>> round(found.suggestion, 4)
        0.001
    """

    rates: Sequence[float]
    losses: Sequence[float]
    rule: str = "minimum"

    @property
    def smoothed(self) -> list[float]:
        """The losses averaged over a twentieth of the steps to both sides."""
        width = max(1, len(self.losses) // 20)
        padded = np.pad(np.asarray(self.losses, "float64"), width, mode="edge")
        windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * width + 1)
        return [float(x) for x in windows.mean(-1)]

    @property
    def suggestions(self) -> dict[str, float]:
        """A rate by each rule: `"steepest"` fall of the loss, middle of the `"valley"`, a tenth of the `"minimum"`'s.

        The valley is the longest stretch over which the loss falls, and its rate lies two thirds into it.
        """
        rates, losses = np.log(self.rates), np.asarray(self.smoothed)
        slope = np.gradient(losses, rates)
        lowest = int(losses.argmin())
        steepest = int(slope[: max(1, lowest)].argmin())
        start, end = _longest_fall(losses)
        return {
            "steepest": float(self.rates[steepest]),
            "valley": float(self.rates[start + (end - start) * 2 // 3]),
            "minimum": float(self.rates[lowest]) / 10,
        }

    @property
    def suggestion(self) -> float:
        """The rate by `rule`."""
        return self.suggestions[self.rule]

    def plot(self) -> "Figure":
        """Return a picture of the losses and the suggestions.

        Raises:
            ModuleNotFoundError: matplotlib is not installed.
        """
        from keras_neural_opt.training._learning_rate_figure import learning_rate_figure

        return learning_rate_figure(self)

    def table(self) -> str:
        """Return the suggestions, a line each."""
        marks = {name: "  <- suggestion" if name == self.rule else "" for name in _RULES}
        return "\n".join(f"{name:<10}{rate:.3g}{marks[name]}" for name, rate in self.suggestions.items())


def find_learning_rate(
    model: keras.Model,
    data: Any,
    minimum: float = 1e-6,
    maximum: float = 10.0,
    steps: int = 100,
    spacing: str = "exponential",
    stop_factor: float = 4.0,
    batch_size: int = 32,
    rule: str = "minimum",
    shuffle: bool = True,
) -> LearningRateRange:
    """Find a learning rate by a range test (Smith, 2017): some steps at ever larger rates, until the loss blows up.

    Before a training, for a model, an optimizer and data that are new to each other. Afterwards the model, its
    optimizer, all random numbers and the order of the data are exactly as before: see `training.TrainingState`.

    Args:
        model: A model that is built and compiled. A copy of its optimizer, with its other settings, takes the steps.
        data: What `fit` takes: `(x, y)`, `(x, y, sample_weight)`, or a dataset that knows its length. Its first
            `steps` batches are trained on, over several epochs if it has fewer.
        minimum: The first rate, > 0. Defaults to 1e-6.
        maximum: The last rate, above the first. Defaults to 10.
        steps: How many steps lead from one to the other, >= 10. Defaults to 100; more show more.
        spacing: `"exponential"` (default) or `"linear"`.
        stop_factor: It ends where a loss is above that many times the least one plus the first, > 0. Defaults to 4.
        batch_size: Samples a step where the data are arrays. Defaults to 32. Take that of the training.
        rule: Which suggestion is `suggestion`: `"minimum"`, a tenth of the rate where the smoothed loss is least
            (default); `"steepest"`, where it falls fastest; or `"valley"`, two thirds into its longest fall.
        shuffle: Whether arrays and a PyDataset are shuffled, as by `fit`. Defaults to True.

    Returns:
        Rates, losses, `suggestion`, `suggestions`, `plot()`, `table()`.

    Raises:
        ValueError: An argument breaks its rule. Nothing was trained then.
        RuntimeError: The loss blows up at once.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> import keras_neural_opt as kno
        >>> x = np.random.default_rng(0).normal(size=(256, 4)).astype("float32")
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
        >>> model.compile(kno.optimizers.SGD(), "mse")
        >>> found = kno.find_learning_rate(model, (x, x.sum(1)))
        >>> 0.001 < found.suggestion < 1.0
        True

    Note:
        As fastai's `lr_find` and torch-lr-finder; the loss is that of each batch, and not Keras' mean over the epoch.

    References:
        Smith, Cyclical Learning Rates for Training Neural Networks, 2017, https://arxiv.org/abs/1506.01186
    """
    checked = check_arguments(
        OWNER,
        minimum=positive(minimum),
        maximum=positive(maximum),
        steps=integer(steps, 10),
        spacing=choice(spacing, ("exponential", "linear")),
        stop_factor=positive(stop_factor),
        batch_size=integer(batch_size, 1),
        rule=choice(rule, _RULES),
        shuffle=flag(shuffle),
    )
    low, high = checked["minimum"], checked["maximum"]
    if high <= low:
        raise ValueError(f"{OWNER}.maximum must be above minimum; received {maximum!r}, minimum {minimum!r}")
    batches = _batches(model, data, batch_size)
    recorder = _Recorder(steps, checked["stop_factor"])
    state, optimizer = TrainingState.capture(model), model.optimizer
    before = {name: getattr(model, name, None) for name in ("train_function", "steps_per_execution", "history")}
    probe = _with_rate(optimizer, low, high, steps, spacing)
    count_epochs(OWNER, probe, batches)
    try:
        # Several steps in one call would show one loss.
        model.optimizer, model.train_function, model.steps_per_execution = probe, None, 1
        model.fit(
            **fit_arguments(data, batch_size, shuffle), epochs=-(-steps // batches), callbacks=[recorder], verbose=0
        )
    finally:
        model.optimizer = optimizer
        for name, value in before.items():
            setattr(model, name, value)
        state.restore(model)
    if len(recorder.losses) < 10:
        raise RuntimeError(
            f"{OWNER}: the loss blew up after {len(recorder.losses)} steps, at a rate of {recorder.last_rate:.3g};"
            f" take a smaller minimum than {low:g}"
        )
    return LearningRateRange(*_by_rate(recorder.rates, recorder.losses), rule)


def _batches(model: Any, data: Any, batch_size: int) -> int:
    """Return how many batches an epoch has; raise `ValueError` unless the model can be trained on the data."""
    if not isinstance(model, keras.Model) or getattr(model, "optimizer", None) is None:
        raise ValueError(f"{OWNER}.model must be a compiled Keras model; received {model!r}")
    if not model.built:
        raise ValueError(f"{OWNER}.model must be built; call it once on data, or give it an Input")
    Data(data, argument=f"{OWNER}.data")
    batches = count_batches(data, batch_size)
    if batches is None:
        raise ValueError(f"{OWNER}.data must know its length, and not be used up by looking at it; received {data!r}")
    return batches


class _Recorder(keras.callbacks.Callback):
    """Keeps the loss of each batch, and ends the training when it has seen enough."""

    def __init__(self, steps: int, stop_factor: float) -> None:
        super().__init__()
        self.rates: list[float] = []
        self.losses: list[float] = []
        self.last_rate = 0.0
        self._steps, self._stop_factor = steps, stop_factor

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        # Keras shows the mean since the metrics were reset: reset them, and it is the batch's own.
        self.model.reset_metrics()
        # That of the optimizer itself, which may accumulate gradients or skip a step.
        self.last_rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        loss = float((logs or {})["loss"])
        blown_up = not math.isfinite(loss) or (
            len(self.losses) >= 10 and loss > self._stop_factor * min(self.losses) + abs(self.losses[0])
        )
        if not blown_up:
            self.rates.append(self.last_rate)
            self.losses.append(loss)
        if blown_up or len(self.losses) == self._steps:
            self.model.stop_training = True


def _with_rate(optimizer: Any, low: float, high: float, steps: int, spacing: str) -> Any:
    """Return a new optimizer of the same configuration, whose rate goes from low to high."""
    copy = type(optimizer).from_config(optimizer.get_config())
    for each, calls in with_calls(copy):
        if is_innermost(each):
            count = max(1, (steps - 1) // calls)
            linear = spacing == "linear"
            each.learning_rate = LinearDecay(low, count, high) if linear else ExponentialDecay(low, count, high / low)
    return copy


def _by_rate(rates: Sequence[float], losses: Sequence[float]) -> tuple[list[float], list[float]]:
    """Return each rate once, with the mean loss at it: several batches may make one step."""
    at: dict[float, list[float]] = {}
    for rate, loss in zip(rates, losses, strict=True):
        at.setdefault(rate, []).append(loss)
    return list(at), [float(np.mean(found)) for found in at.values()]


def _longest_fall(losses: np.ndarray) -> tuple[int, int]:
    """Return first and last index of the longest, not necessarily unbroken, falling subsequence."""
    length, before = np.ones(len(losses), int), np.full(len(losses), -1)
    for i in range(1, len(losses)):
        for j in range(i):
            if losses[j] > losses[i] and length[j] + 1 > length[i]:
                length[i], before[i] = length[j] + 1, j
    end = start = int(length.argmax())
    while before[start] >= 0:
        start = int(before[start])
    return start, end
