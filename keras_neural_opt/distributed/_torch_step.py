"""What torch's workers do together in a step beside gradients: batch norms and metrics are those of all of them."""

from collections.abc import Callable
from typing import Any

import keras
import torch

from keras_neural_opt.compression import Transport

# Of the seeds of two workers.
_APART, _SEEDS = 0x9E3779B1, 1 << 31


class Together:
    """A step of `fit` or `evaluate`, after which statistics and metrics are the same on all workers.

    Args:
        model: The model.
        step: Its own step.
        trains: Whether statistics change in it.
        transport: Makes the way to the other workers.
    """

    def __init__(self, model: Any, step: Any, trains: bool, transport: Callable[[], Transport]) -> None:
        self._model, self._step, self._trains, self._transport = model, step, trains, transport
        self._statistics: list[Any] = []
        self._found_for: Any = None

    def __call__(self, data: Any) -> Any:
        """Return the logs of all workers' data."""
        # From nothing, so that what a step adds can be summed.
        before = {id(v): v.value.detach().clone() for v in self._model.metrics_variables}
        for variable in self._model.metrics_variables:
            variable.value.detach().zero_()
        logs = self._step(data)
        with torch.no_grad():
            self._meet(before)
        if not isinstance(logs, dict):
            return logs
        return {**logs, **{name: x for name, x in self._model.get_metrics_result().items() if name in logs}}

    def _meet(self, before: dict[int, Any]) -> None:
        transport = self._transport()
        metrics = self._model.metrics_variables
        if self._trains and self._found_for is not self._model.train_function:
            # After the step, which may have built the model; anew when it is compiled, as layers may be frozen then.
            self._statistics, self._found_for = statistics_of(self._model), self._model.train_function
        both = [*metrics, *self._statistics]
        if not both:
            return
        joined = torch.cat([v.value.detach().reshape(-1).to(torch.float32) for v in both])
        parts = transport.sum(joined).split([v.value.numel() for v in both])
        for i, (variable, part) in enumerate(zip(both, parts, strict=True)):
            value = variable.value.detach()
            total = part.reshape(value.shape)
            if i >= len(metrics):
                value.copy_(total / transport.size)
            elif (old := before.get(id(variable))) is not None:
                value.copy_(old + total.to(value.dtype))
            else:
                value.copy_(total)


def statistics_of(model: Any) -> list[Any]:
    """Return what layers keep of the data that they have seen, as batch norms do."""
    layers = [layer for layer in model._flatten_layers() if layer.trainable]
    found = {id(v): v for layer in layers for v in layer._non_trainable_variables}
    own = {id(v) for v in model.non_trainable_variables}
    return [v for key, v in found.items() if key in own and keras.backend.is_float_dtype(v.dtype)]


def draw_apart(model: Any, rank: int) -> None:
    """Let a worker's layers draw other random numbers than those of the first one, where all have the same seeds."""
    for layer in model._flatten_layers():
        for generator in layer._seed_generators:
            seed = generator.state.value
            seed[0] = (int(seed[0]) + rank * _APART) % _SEEDS
    # Layers without a seed draw from torch's own generator.
    torch.manual_seed((int(torch.randint(_SEEDS, ())) + rank * _APART) % _SEEDS)
