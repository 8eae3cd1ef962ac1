"""What an architecture search trains: the network of a trial's genes."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_neural_opt.hpo._refused import RefusedTrialError
from keras_neural_opt.hpo._searched import Searched
from keras_neural_opt.nas._architecture_space import SearchSpace
from keras_neural_opt.nas._compilation import jit_compile
from keras_neural_opt.nas._depthwise import with_quick_depthwise
from keras_neural_opt.nas._measures import MEASURES, measured
from keras_neural_opt.nas._task import Task, example
from keras_neural_opt.training._batch_norm import recalibrate_batch_norm
from keras_neural_opt.training._data import is_dataset, samples_a_batch
from keras_neural_opt.training._frozen_batch_norm import batch_norms

# So many examples are enough for what gradients of a batch say, and for the statistics of a batch norm. Averages of
# more are those of weights that are gone, which in a deep network, whose norms follow each other, means chance for the
# first epochs.
_EXAMPLES = 64


class SearchedArchitecture(Searched):
    """Builds and trains the network of a genotype; what breaks a limit without a training is refused.

    Args:
        architectures: The space.
        task: What the networks are for.
        limits: The largest values of measures, by name.
        wanted: The names of metrics that objectives and constraints need.
        *args: Those of `Searched`; its space has the genes and what is searched with them.
    """

    def __init__(
        self, architectures: SearchSpace, task: Task, limits: Mapping[str, float], wanted: Any, *args: Any
    ) -> None:
        super().__init__(*args)
        self.architectures, self.task, self.limits = architectures, task, limits
        self._batch: tuple[Any, Any] | None = None
        self._measures = [name for name in MEASURES if name in limits or name in wanted]

    def genotype(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the genes among the values of a trial."""
        return {name: values[name] for name in self.architectures.genes.names if name in values}

    def build(self, hp: Any) -> Any:
        """Return the network, compiled."""
        genotype = self.genotype(hp.values)
        hp.asked.update(genotype)
        model = self.architectures.build(genotype, self.task.input_shape, self.task.outputs)
        with_quick_statistics(model, self._examples(hp))
        with_quick_depthwise(model)
        model.compile(
            optimizer=self._optimizer(hp, self.options["optimizer"]),
            loss=self.options["loss"] or self.task.loss,
            metrics=self.options["metrics"] or list(self.task.metrics),
            jit_compile=jit_compile(),
        )
        return model

    def measure(self, hp: Any, model: Any) -> None:
        """Write down what it costs.

        Raises:
            RefusedTrialError: It breaks a limit.
        """
        # Once a network: the next measurement of its time would be another.
        known = hp.measured = hp.measured or measured(model, self._measures)
        broken = [
            f"{name} {known[name]:.6g} > {limit:.6g}" for name, limit in self.limits.items() if known[name] > limit
        ]
        if broken:
            raise RefusedTrialError(", ".join(broken), known)

    def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
        """Train it, unless it breaks a limit."""
        self.measure(hp, model)
        known = {name: hp.measured[name] for name in self._measures}
        callbacks = [Measured(known), *kwargs.pop("callbacks", ())]
        if model.built and not model.optimizer.built:
            # TensorFlow would trace the first step once more if it made variables. Not before the weights are those to
            # begin with, which an optimizer may copy.
            model.optimizer.build(model.trainable_variables)
        return super().fit(hp, model, *args, callbacks=callbacks, **kwargs)

    def finish(self, model: Any, inputs: Any, batch_size: int) -> None:
        """Give its batch norms the statistics of all data: their averages are those of a few batches."""
        recalibrate_batch_norm(model, inputs, batch_size)

    def batch(self) -> tuple[Any, Any]:
        """Return some inputs of the training data, and their labels, for all networks the same."""
        if self._batch is None:
            x, y = (keras.ops.convert_to_numpy(each) for each in example(self.data.training))
            # Labels may be in order.
            rows = np.sort(np.random.default_rng(0).permutation(len(x))[:_EXAMPLES])
            self._batch = x[rows], y[rows]
        return self._batch

    def _examples(self, hp: Any) -> int:
        if is_dataset(self.data.training):
            return samples_a_batch(self.data.training) or self.options["batch_size"]
        return self._of_fit(hp, "batch_size")

    def _varied_in_compile(self, hp: Any) -> list[str]:
        return [name for name in super()._varied_in_compile(hp) if name not in self.architectures.genes.names]


class Measured(keras.callbacks.Callback):
    """Puts what is known of a network among the metrics of each epoch.

    Args:
        known: The measures by name.
    """

    def __init__(self, known: Mapping[str, float]) -> None:
        super().__init__()
        self.known = dict(known)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Add them, for the callbacks that follow."""
        if logs is not None:
            logs.update(self.known)


def with_quick_statistics(model: Any, batch_size: int) -> None:
    """Let the moving averages of batch norms follow the weights within a few steps."""
    momentum = min(max(1.0 - batch_size / _EXAMPLES, 0.5), 0.9)
    for layer in batch_norms(model):
        layer.momentum = min(layer.momentum, momentum)
