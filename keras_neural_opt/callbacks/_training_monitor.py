"""Watches gradients and updates."""

import math
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from keras_neural_opt._core.arguments import check_arguments, integer, positive
from keras_neural_opt._core.backend import native
from keras_neural_opt._core.masks import path_of
from keras_neural_opt._core.nested import chain, innermost
from keras_neural_opt._core.norms import tensor_norms
from keras_neural_opt._core.scalars import number
from keras_neural_opt._core.tensors import Tensors
from keras_neural_opt.optimizers import RuleOptimizer
from keras_neural_opt.optimizers._gradient_watch import IN_STATE, UNKNOWN
from keras_neural_opt.training._monitor import MonitorSample, monitor_figure, monitor_table, still
from keras_neural_opt.transforms import SkipNonFinite

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SAVE_BY_POSITION = (keras.optimizers.LossScaleOptimizer, keras.optimizers.MultiOptimizer)


class TrainingMonitor(keras.callbacks.Callback):
    r"""Watches how large gradients are, and how much of itself each variable moves in a step.

    The first thing to look at when a model does not learn. Updates of about a thousandth of the weights are usual;
    far less and nothing happens, a tenth and training is about to blow up. It looks at one step in many; the
    others neither wait nor copy for it.

    .. math:: \text{ratio} = \frac{\operatorname{rms}(\theta_{t} - \theta_{t-1})}
              {\max(\operatorname{rms}(\theta_{t-1}), \epsilon)}

    Args:
        every: How many steps there are from one look to the next, >= 1. The first step of each epoch is looked at in
            any case, or the second where the first builds the optimizer. Defaults to 50.
        floor: :math:`\epsilon > 0`: biases begin at 0, and no change is a part of that. Defaults to 1e-3.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> import keras_neural_opt as kno
        >>> x = np.random.default_rng(0).normal(size=(64, 3)).astype("float32")
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        >>> model.compile(kno.optimizers.SGD(0.1, global_clipnorm=1e-3), "mse")
        >>> monitor = kno.callbacks.TrainingMonitor(every=2)
        >>> history = model.fit(x, x[:, :1], batch_size=16, epochs=2, callbacks=[monitor], verbose=0)
        >>> monitor.samples[-1].step, history.history["clipped"]
        (7, [1.0, 1.0])

    Note:
        Each epoch's logs get `gradient_norm` and `update_ratio` (medians over its samples), `clipped` (the part of them
        whose gradient was made shorter) and `nonfinite_steps`, all since training began: those that the optimizer left
        out, where `nonfinite` or a transform counts them, else the samples that were not finite. From the logs they go
        into the history and, where this callback stands before it, into TensorBoard. Gradients are seen as the rule
        would see them, over all replicas and accumulated micro-steps, and after what a `WithTransforms` around it did.
        Of Keras' own optimizers they are not known, only the updates; nor on JAX inside of its `LossScaleOptimizer` and
        `MultiOptimizer`. With `steps_per_execution` an update is that of all those steps. Rows of an embedding that are
        updated alone have no norm.

    References:
        Karpathy, A Recipe for Training Neural Networks, 2019, https://karpathy.github.io/2019/04/25/recipe/
    """

    def __init__(self, every: int = 50, floor: float = 1e-3) -> None:
        super().__init__()
        checked = check_arguments(type(self).__name__, every=integer(every, 1), floor=positive(floor))
        self.every, self.floor = checked["every"], checked["floor"]
        self.samples: list[MonitorSample] = []
        self._before: tuple[int, list[Any]] | None = None
        self._next = 0
        self._first_of_epoch = 0
        self._sees_gradients = False

    def plot(self) -> "Figure":
        """Return a matplotlib figure of gradient norms and update ratios over the steps.

        Returns:
            A figure that a notebook shows; elsewhere, use its `savefig`.

        Raises:
            ValueError: There are no samples yet.
        """
        self._check_samples("plot")
        return monitor_figure(self.samples)

    def table(self) -> None:
        """Print a row for each variable: its gradient's norm, its updates, and whether it ever had a gradient.

        Raises:
            ValueError: There are no samples yet.
        """
        from rich.console import Console

        self._check_samples("table")
        Console().print(monitor_table(self.samples))

    @property
    def still(self) -> list[str]:
        """The paths of variables whose gradient was 0 in every sample: dead units, or nothing depends on them."""
        return still(self.samples)

    def _check_samples(self, what: str) -> None:
        if not self.samples:
            raise ValueError(f"{type(self).__name__}.{what} needs a training; there are no samples yet")

    # ---- In training: at the beginning of batches only. At their end Keras on JAX would wait for each.

    def on_train_begin(self, logs: Any = None) -> None:
        """Ask the optimizers to show their gradients."""
        self._before = None
        watched = [each for each in innermost(self.model.optimizer) if isinstance(each, RuleOptimizer)]
        around = [each for each in chain(self.model.optimizer) if isinstance(each, _SAVE_BY_POSITION)]
        self._sees_gradients = bool(watched) and not (around and IN_STATE)
        if not self._sees_gradients:
            why = (
                f"inside of {type(around[0]).__name__} on JAX: files that it saves could not be loaded without"
                if watched
                else "of Keras' own optimizers; take the optimizer of the same name of keras_neural_opt.optimizers"
            )
            warnings.warn(f"{type(self).__name__} sees no gradients {why}", stacklevel=2)
            return
        before = [each._plan.watch for each in watched]
        if [each.watch_gradients() for each in watched] != before:
            self.model.make_train_function(force=True)  # An earlier `fit` may have compiled one.

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Look at the first step."""
        self._next, self._first_of_epoch = 0, len(self.samples)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Look at what the last step did, if it was to be looked at, and say whether the next one is."""
        if self._before is None and batch < self._next:
            return
        self._look()
        if self._before is None and batch >= self._next and self.model.optimizer.built:
            for watch in self._watches():
                watch.ask()
            values = [keras.ops.copy(native.read(v)) for v in self.model.trainable_variables]
            self._before = self._steps(), values
            self._next = batch + self.every

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Write what was seen in this epoch into the logs."""
        self._look()
        seen = self.samples[self._first_of_epoch :]
        if logs is None or not seen:
            return
        finite = [sample.gradient_norm for sample in seen if math.isfinite(sample.gradient_norm)]
        if any(sample.gradient_norms for sample in seen):
            logs["gradient_norm"] = float(np.median(finite)) if finite else math.nan
            logs["clipped"] = float(np.mean([sample.clipped for sample in seen]))
            logs["nonfinite_steps"] = self._nonfinite_steps()
        logs["update_ratio"] = float(np.median([sample.update_ratio for sample in seen]))

    def _look(self) -> None:
        """Make a sample of the step that was asked for, if it has been taken."""
        if self._before is None:
            return
        model, (steps, old) = self.model, self._before
        if self._steps() == steps:
            return  # Accumulated, or left out: the next one will be looked at.
        self._before = None
        variables = model.trainable_variables
        if [tuple(x.shape) for x in old] != [tuple(v.shape) for v in variables]:
            return  # Other layers are trained than at that time.
        norms: tuple[dict[str, float], dict[str, float]] = {}, {}
        for each, watch in zip(self._watched(), self._watches(), strict=True):
            for row, known in zip(watch.answer(), norms, strict=True):
                pairs = zip(each._trainable_variables, row.tolist(), strict=True)
                known.update({path_of(v): x for v, x in pairs if x != UNKNOWN})
        rates = [number(x.learning_rate) for x in innermost(model.optimizer)]
        rate = rates[0] if len(rates) == 1 else math.nan
        self.samples.append(MonitorSample(steps + 1, rate, *norms, *self._ratios(variables, old)))

    def _ratios(self, variables: list[Any], old: list[Any]) -> tuple[dict[str, float], float]:
        change = Tensors([native.read(v) for v in variables]) - Tensors(old)
        moved, size = (keras.ops.convert_to_numpy(tensor_norms(x)).astype("float64") for x in (change, Tensors(old)))
        counts = np.array([max(1, math.prod(v.shape)) for v in variables])
        size = np.maximum(size, self.floor * np.sqrt(counts))
        ratios = dict(zip(map(path_of, variables), (moved / size).tolist(), strict=True))
        return ratios, float(np.linalg.norm(moved) / np.linalg.norm(size))

    def _watched(self) -> Iterator[RuleOptimizer]:
        # Through the model: on JAX only that brings its variables back from the compiled step, and takes them again.
        inside = innermost(self.model.optimizer) if self._sees_gradients else ()
        return (each for each in inside if isinstance(each, RuleOptimizer))

    def _watches(self) -> list[Any]:
        return [each.watch_gradients() for each in self._watched()]

    def _steps(self) -> int:
        return max(int(keras.ops.convert_to_numpy(each.iterations)) for each in innermost(self.model.optimizer))

    def _nonfinite_steps(self) -> int:
        # One for each optimizer: where several are asked, each of them counts the same steps.
        counted = [counts[0] for each in chain(self.model.optimizer) if (counts := _counts(each))]
        if counted:
            return sum(int(keras.ops.convert_to_numpy(native.read(x))) for x in counted)
        return sum(not sample.finite for sample in self.samples)


def _counts(optimizer: Any) -> list[Any]:
    judges = optimizer._plan.judges if isinstance(optimizer, RuleOptimizer) else ()
    found = [*judges, *getattr(optimizer, "gradient_transforms", ())]
    return [judge.skipped for judge in found if isinstance(judge, SkipNonFinite)]
