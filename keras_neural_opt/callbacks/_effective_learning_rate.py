"""Watches how fast the direction of weights turns whose length does not matter."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from keras_neural_opt._core import masks
from keras_neural_opt._core.arguments import check_arguments, flag, integer, optional
from keras_neural_opt._core.scalars import number
from keras_neural_opt.optimizers import RuleOptimizer
from keras_neural_opt.optimizers._stepping import stepping
from keras_neural_opt.training._epochs import with_calls
from keras_neural_opt.training._scale_invariant import scale_invariant_weights

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class EffectiveLearningRate(keras.callbacks.Callback):
    r"""Watches the effective learning rate of scale-invariant weights (van Laarhoven, 2017; Hoffer et al., 2018).

    Of weights that are followed by a norm only the direction counts. A gradient is longer where they are shorter, so
    that the rate at which the direction moves is not :math:`\eta` but

    .. math::
        \eta_{\text{eff}} = \frac{\eta}{\lVert w \rVert^2}

    for SGD; :math:`\eta / \lVert w \rVert` for Adam and others whose steps do not depend on the length of a gradient.
    What really happens is the angle of a step, which it measures, too. With weight decay :math:`\lambda` the angle
    goes, whatever it is at first, to about :math:`\sqrt{2 \eta \lambda}` a step: the equilibrium (Wan et al., 2021).
    Look here when a rate or a decay seems to do nothing, or when training slows down without decay.

    Args:
        weights: Regular expressions found in the paths of the weights to watch (`"!..."` leaves out). Defaults to None:
            those that `training.scale_invariant_weights` finds at the first sample. Later samples leave out those that
            are no longer so, as `FreezeBatchNorm` makes them.
        every: Take a sample every so many batches, >= 1. Defaults to None: once an epoch, after its first step.
        power: Of the length in the effective rate: 2 (default) for SGD, 1 for Adam and its relatives.
        log_layers: Whether the logs get the values of each weight besides the medians over all. Defaults to False.

    Attributes:
        history: For each weight by its path the lists `step` (calls of the optimizer before the sample), `norm`,
            `effective_learning_rate`, `angular_update` in radians a step, and `equilibrium`: what the angle goes to,
            None where nobody knows.

    Raises:
        ValueError: An argument breaks its rule. At the first sample: there is no such weight, or several batches are
            one call (`steps_per_execution`).

    Example:
        >>> import keras
        >>> import numpy as np
        >>> import keras_neural_opt as kno
        >>> x = np.random.default_rng(0).normal(size=(64, 3)).astype("float32")
        >>> layers = [keras.Input((3,)), keras.layers.Dense(4), keras.layers.BatchNormalization()]
        >>> model = keras.Sequential([*layers, keras.layers.Dense(1)])
        >>> model.compile(kno.optimizers.SGD(0.1, weight_decay=5e-3), "mse")
        >>> watch = kno.callbacks.EffectiveLearningRate()
        >>> history = model.fit(x, x[:, :1], 16, epochs=2, callbacks=[watch], verbose=0)
        >>> sorted(name for name in history.history if name != "loss")
        ['angular_update', 'effective_learning_rate']
        >>> round(next(iter(watch.history.values()))["equilibrium"][-1], 4)
        0.0316

    Note:
        A sample reads the watched weights twice, in the optimizer's steps before and after, and costs other batches
        nothing. The equilibrium is known for `SGD` without Nesterov, decoupled or L2, and for `Adam` and `AdamW` with
        decoupled decay: with momentum :math:`\mu` (Adam: :math:`\beta_1`) it is :math:`\sqrt{2 \eta \lambda (1 - \mu) /
        (1 + \mu)}` where decay is decoupled, :math:`\sqrt{2 \eta \lambda / (1 + \mu)}` where it is L2 in SGD. It takes
        gradients of different steps for independent: it is exact for noise alone. :math:`\eta` is multiplied as
        `LayerwiseLearningRate` does, and a "corrected" decay by the rate over its peak; a "cautious" one has no
        equilibrium that is known.

    References:
        van Laarhoven, L2 Regularization versus Batch and Weight Normalization, 2017, https://arxiv.org/abs/1706.05350

        Hoffer, Banner, Golan, Soudry, Norm Matters, 2018, https://arxiv.org/abs/1803.01814

        Wan, Zhu, Zhang, Sun, Spherical Motion Dynamics, 2021, https://arxiv.org/abs/2006.08419
    """

    def __init__(
        self,
        weights: Sequence[str] | None = None,
        every: int | None = None,
        power: int = 2,
        log_layers: bool = False,
    ) -> None:
        super().__init__()
        given = check_arguments(
            type(self).__name__,
            weights=masks.patterns(weights),
            every=optional(integer(every, 1)),
            power=integer(power, 1, 2),
            log_layers=flag(log_layers),
        )
        self.history: dict[str, dict[str, list[Any]]] = {}
        self._patterns, self._every = given["weights"], given["every"]
        self._power, self._log_layers = given["power"], given["log_layers"]

    def on_train_begin(self, logs: Any = None) -> None:
        """Begin to count."""
        self._batches, self._next, self._until = 0, 1, 0
        self._due, self._fresh = True, False
        self._paths: set[str] = set()
        self._before: dict[str, np.ndarray] = {}
        self._noted: dict[str, dict[str, Any]] = {}

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Remember that a sample is due."""
        self._due, self._fresh = True, False

    # At the beginning of a batch, where the trainer waits for nobody: at its end JAX would have to wait in every step.
    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Take the first or the second half of a sample."""
        self._finish()
        # Not before the first step: a model may not be built there.
        if self._batches and not self._before and (self._due if self._every is None else self._batches >= self._next):
            self._begin()
        self._batches += 1

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Write the last sample into the logs."""
        self._finish()  # No other batch may come.
        if not self._fresh or logs is None:
            return
        for name in ("effective_learning_rate", "angular_update"):
            last = {path: self.history[path][name][-1] for path in self._noted}
            logs[name] = float(np.median(list(last.values())))
            if self._log_layers:
                logs.update({f"{name}/{path}": value for path, value in last.items()})

    def plot(self) -> "Figure":
        """Return a figure of the length, the effective rate and the angle of each weight over the steps."""
        from keras_neural_opt.callbacks._effective_learning_rate_figure import effective_learning_rate_figure

        return effective_learning_rate_figure(self.history)

    def _begin(self) -> None:
        model = self.model  # On JAX that brings the variables back from the compiled step.
        if model.steps_per_execution != 1:
            raise ValueError(
                f"{type(self).__name__} must see each batch: compile with steps_per_execution=1;"
                f" received {model.steps_per_execution}"
            )
        calls = max(calls for _, calls in with_calls(model.optimizer))
        self._until, self._due = self._batches + calls, False
        self._next = self._batches + (self._every or 0)
        watched = self._watched(model)
        self._before = {weight.path: _values(weight) for weight in watched}
        self._noted = {weight.path: self._known(model.optimizer, weight) for weight in watched}

    def _known(self, optimizer: Any, weight: Any) -> dict[str, Any]:
        """Return what is known before the step."""
        stepper, multiplier = stepping(optimizer, weight)
        rate, length = multiplier * number(stepper.learning_rate), float(np.linalg.norm(self._before[weight.path]))
        return {
            "step": int(number(stepper.iterations)),
            "norm": length,
            "effective_learning_rate": rate / length**self._power if length else math.inf,
            "equilibrium": equilibrium(stepper, weight, multiplier),
        }

    def _finish(self) -> None:
        if not self._before or self._batches != self._until:
            return
        weights = {weight.path: weight for weight in self.model.weights}
        for path, noted in self._noted.items():  # Not what is watched now: a norm may be frozen since.
            noted["angular_update"] = angle(self._before[path], _values(weights[path]))
            record = self.history.setdefault(path, {name: [] for name in noted})
            for name, value in noted.items():
                record[name].append(value)
        self._before, self._fresh = {}, True

    def _watched(self, model: keras.Model) -> list[Any]:
        if self._patterns is None:
            found = scale_invariant_weights(model)
        else:
            found = [weight for weight in model.trainable_variables if masks.selects(self._patterns, weight)]
        if self._paths:
            return [weight for weight in found if weight.path in self._paths]
        if not found:
            raise ValueError(
                f"{type(self).__name__}.weights must be patterns that the paths of trainable weights have, where no"
                f" weight is found to be scale-invariant; received {self._patterns!r}"
            )
        self._paths = {weight.path for weight in found}
        return found


def angle(before: np.ndarray, after: np.ndarray) -> float:
    """Return the angle in radians between two vectors, exact also where it is tiny."""
    a, b = (x / max(float(np.linalg.norm(x)), np.finfo("float64").tiny) for x in (before, after))
    return 2.0 * math.atan2(float(np.linalg.norm(a - b)), float(np.linalg.norm(a + b)))


def equilibrium(optimizer: Any, weight: Any, multiplier: float = 1.0) -> float | None:
    """Return the angle of a step at which decay and growth are in balance, or None where nobody knows.

    Args:
        optimizer: The one that moves the weight; where its decay is corrected, one that is built.
        weight: A scale-invariant weight.
        multiplier: What wrappers multiply the steps by.
    """
    kind = type(optimizer).__name__
    if kind not in ("SGD", "Adam", "AdamW") or getattr(optimizer, "nesterov", False):
        return None
    step, rate = optimizer.iterations, number(optimizer.learning_rate)
    momentum = _at(optimizer.momentum if kind == "SGD" else optimizer.beta_1, step)
    decay, l2 = _decay(optimizer, weight, rate), 2.0 * float(getattr(weight.regularizer, "l2", 0.0))
    mode = getattr(optimizer, "weight_decay_mode", "decoupled")
    if mode == "cautious" and decay:
        return None
    if mode == "l2":
        decay, l2 = 0.0, decay + l2
    rate *= multiplier
    if decay and not l2:
        return math.sqrt(2.0 * rate * decay * (1.0 - momentum) / (1.0 + momentum))
    if l2 and not decay and kind == "SGD":
        return math.sqrt(2.0 * rate * l2 / (1.0 + momentum))
    return None


def _decay(optimizer: Any, weight: Any, rate: float) -> float:
    """Return the coefficient of the weight decay of a weight in a step at a rate."""
    if not optimizer.weight_decay:
        return 0.0
    if not isinstance(optimizer, RuleOptimizer):
        return float(optimizer.weight_decay) if optimizer._use_weight_decay(weight) else 0.0
    if not masks.selects(optimizer.weight_decay_mask, weight):
        return 0.0
    decay = _at(optimizer.weight_decay, optimizer.iterations)
    if optimizer.weight_decay_mode == "corrected":
        peak = max(number(optimizer.state_by_role()["peak_learning_rate"]), rate)
        decay *= rate / peak if peak else 0.0
    return decay


def _values(weight: Any) -> np.ndarray:
    return np.array(keras.ops.convert_to_numpy(weight), "float64").ravel()


def _at(value: Any, step: Any) -> float:
    """Return a number, or that of a schedule, at a step."""
    return number(value(step) if callable(value) else value)
