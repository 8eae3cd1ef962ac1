"""Collectives of `torch.distributed`, for a `DistributedOptimizer`."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import keras
import numpy as np
import torch
import torch.distributed as dist

from keras_neural_opt.compression import Transport
from keras_neural_opt.distributed._torch_step import Together, draw_apart

REDUCES_HERE = True
# Each process runs a program of its own, so that a variable may have a gradient on one worker alone.
GRADIENTS_MAY_DIFFER = True


class TorchTransport(Transport):
    """The ranks of the default process group."""

    def __init__(self) -> None:
        super().__init__()
        self.size, self.rank = workers(), dist.get_rank() if workers() > 1 else 0

    def _sum(self, x: Any) -> Any:
        total = x.detach().clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total

    def _gather(self, x: Any) -> Any:
        sent = _as_bytes(x)
        found = sent.new_empty((self.size, *sent.shape))
        if sent.device.type == "cpu":
            self._send([sent] * self.size, found)
        else:
            dist.all_gather(list(found.unbind()), sent)
        return _from_bytes(found, x)

    def _exchange(self, x: Any) -> Any:
        sent = _as_bytes(x)
        found = torch.empty_like(sent)
        if sent.device.type == "cpu":
            self._send(list(sent.unbind()), found)
        else:
            dist.all_to_all_single(found, sent)
        return _from_bytes(found, x)

    def _send(self, rows: Sequence[Any], found: Any) -> None:
        """Send each worker its row, and receive those of the others.

        gloo sends when the receiver has said that it waits. In its own collectives a worker says so after it has begun
        to send: behind all of that, so that a slow link carries one direction after the other. And in each round
        everyone sends to one and receives from one, so that no link has two messages to share.
        """
        before, after = ([(self.rank + s * d) % self.size for d in range(1, self.size)] for s in (-1, 1))
        received = [dist.irecv(found[other], other) for other in before]
        found[self.rank].copy_(rows[self.rank])
        for other, arrived in zip(after, received, strict=True):
            sent = dist.isend(rows[other], other)
            arrived.wait()
            sent.wait()


def _as_bytes(x: Any) -> Any:
    # No engine has all dtypes.
    return x.contiguous().view(torch.uint8)


def _from_bytes(found: Any, x: Any) -> Any:
    return found.view(x.dtype)


def workers() -> int:
    """Return the number of workers that train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def transport() -> Transport:
    """Return the way to the other workers."""
    return TorchTransport()


def factor() -> float:
    """Return what gradients are multiplied by to be those of a worker's own mean loss."""
    return 1.0


def add_state(optimizer: Any, name: str, shape: tuple[int, ...], initializer: Any, local: bool) -> Any:
    """Return a new variable of the optimizer, of which each process has its own."""
    return optimizer.add_variable(shape, initializer=initializer, dtype="float32", name=name)


def mean(variable: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return the mean of all workers' values; all of them must ask."""
    value = variable.value.detach().clone()
    if workers() > 1:
        dist.all_reduce(value)
    return np.asarray(value.cpu()) / workers()


def scope(model: Any) -> AbstractContextManager[Any]:
    """Return the context in which a model's workers are known: any."""
    return nullcontext()


def together(function: Callable[..., Any], variables: Sequence[Any], local: Sequence[bool]) -> Callable[[], Any]:
    """Return what runs `function(transport, values)` on every worker, as in a step, and waits; all must call it."""

    def run() -> Any:
        with torch.no_grad():
            found = function(transport(), [v.value.detach() for v in variables])
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return found

    return run


def trace_again(model: Any) -> None:
    """Let a model's step be made anew: something that it has looked at has changed."""
    model.make_train_function(force=True)


def mean_of(numbers: Sequence[float]) -> list[float]:
    """Return the means of all processes' numbers, the same everywhere; all must ask."""
    mean, _ = transport().mean(keras.ops.convert_to_tensor(np.asarray(numbers, "float32")))
    return [float(x) for x in mean]


def begin_alike(variables: Sequence[Any]) -> None:
    """Give variables the values that they have on the first worker."""
    if workers() > 1:
        for variable in variables:
            dist.broadcast(variable.value.detach(), 0)


def part() -> tuple[int, int]:
    """Return the number of this process among those that each give a part of a batch, and how many they are."""
    return (dist.get_rank(), workers()) if workers() > 1 else (0, 1)


def distribute(model: Any) -> None:
    """Give all workers the first one's weights, and the same statistics and metrics after each step."""
    if workers() == 1:
        return
    begin_alike([v for v in model.variables if keras.backend.is_float_dtype(v.dtype)])
    draw_apart(model, dist.get_rank())
    if hasattr(model, "ddp_model"):
        # Where Keras would put DistributedDataParallel around the model, which sends all gradients in float32.
        object.__setattr__(model, "ddp_model", model)
    cls = type(model)
    model.train_step = Together(model, partial(cls.train_step, model), True, transport)
    model.test_step = Together(model, partial(cls.test_step, model), False, transport)
    model.train_function = model.test_function = None
