"""The contract of every compressor."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from keras_neural_opt._core.configured import Configured
from keras_neural_opt.compression._layout import Layout
from keras_neural_opt.compression._transport import Transport


@dataclass(frozen=True)
class State:
    """One tensor that a compressor keeps from step to step.

    Args:
        name: Its name in saved files.
        shape: Its shape, on one worker.
        local: Whether every worker has its own (default), or all the same.
        value: A function that returns its first value, a NumPy array; zeros by default.

    Example:
        >>> from keras_neural_opt import compression
        >>> feedback = compression.ErrorFeedback(compression.Int8())
        >>> [kept.name for kept in feedback.state(compression.Layout(((4, 2),)))]
        ['residual']
    """

    name: str
    shape: tuple[int, ...]
    local: bool = True
    value: Callable[[], np.ndarray] | None = None


class Reduced(NamedTuple):
    """What became of the workers' vectors.

    Attributes:
        mean: Roughly their mean, the same on every worker to the last bit.
        lost: Returns what the mean lacks of this worker's vector: over all workers, the mean of what is lost and
            `mean` are the exact mean. A function, because most callers do not ask.
        state: The new state, in order.

    Example:
        >>> import keras
        >>> from keras_neural_opt import compression
        >>> layout, alone = compression.Layout(((3,),)), compression.Transport()
        >>> found = compression.Int8().reduce(keras.ops.ones(3), layout, [], alone, step=0)
        >>> float(found.lost()[0])  # nobody to send it to
        0.0
    """

    mean: Any
    lost: Callable[[], Any]
    state: list[Any]


class Compressor(Configured):
    """Base class: replaces the mean of the workers' gradients by one that costs fewer bytes.

    A compressor is a pure function of a vector, in which the gradients of a bucket lie one after another, and of its
    own state; it talks to the other workers through a `Transport` alone. A subclass overrides `reduce` and, if it
    keeps something, `state`.

    Attributes:
        unbiased: Whether the expected `mean` is the exact one.
        remembers: Whether it sends later what it has not sent: around it `ErrorFeedback` is of no use.
        has_momentum: Whether its means hold the momentum that the optimizer then has not.
        is_mean: Whether its result has the size of a mean, which a vote has not.

    Example:
        >>> import keras
        >>> from keras_neural_opt import compression
        >>> int8 = compression.Int8()
        >>> means, _ = compression.simulate(int8, [[keras.ops.ones(300)], [keras.ops.zeros(300)]])
        >>> round(float(means[0][7]), 3)
        0.5
    """

    unbiased: bool = False
    remembers: bool = False
    has_momentum: bool = False
    is_mean: bool = True

    def state(self, layout: Layout) -> list[State]:
        """Return what is kept for a bucket.

        Args:
            layout: The shapes of its tensors.
        """
        return []

    def reduce(self, x: Any, layout: Layout, state: list[Any], transport: Transport, step: Any) -> Reduced:
        """Return roughly the mean of all workers' vectors.

        Args:
            x: This worker's gradients, one float32 vector of finite numbers.
            layout: The shapes of the tensors in it.
            state: The state that the last call returned.
            transport: The way to the other workers.
            step: The number of the step, from 0, the same on every worker; an integer or an integer tensor.
        """
        raise NotImplementedError(f"{type(self).__name__} must override reduce(x, layout, state, transport, step)")

    def reduce_exactly(self, x: Any, layout: Layout, state: list[Any], transport: Transport) -> Reduced:
        """Return the mean of all workers' vectors in float32, with what waits to be sent: where compression is off.

        A compressor that remembers overrides it; otherwise what waits goes on waiting.

        Args:
            x: This worker's gradients, one float32 vector of finite numbers.
            layout: The shapes of the tensors in it.
            state: The state that the last call returned.
            transport: The way to the other workers.
        """
        mean, lost = transport.mean(x)
        return Reduced(mean, lost, state)
