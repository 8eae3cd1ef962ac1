"""Cautious optimizers."""

import math
from typing import Any

from keras_neural_opt._core.backend import native
from keras_neural_opt.optimizers._wrapper import Wrapper, export


@export
class Cautious(Wrapper):
    r"""Cautious optimizers (Liang, Chen, Liu and Liu, 2024).

    Takes only those coordinates of another optimizer's step that go downhill by the present gradient, and makes them
    as much longer as there are fewer. One line around any momentum method; speeds up the training of language models
    by up to a half.

    .. math::
        u_t = \theta_{t-1} - \theta_t', \qquad
        \phi_t = [u_t \odot g_t > 0], \qquad
        \theta_t = \theta_{t-1} - \frac{\dim \theta}{\lVert \phi_t \rVert_1 + 1}\, \phi_t \odot u_t

    where :math:`\theta_t'` is what the inner optimizer would make of :math:`\theta_{t-1}`.

    Args:
        inner_optimizer: The optimizer, or its name.
        name: The name of this optimizer.

    Raises:
        ValueError: An argument breaks its rule; or the inner optimizer scales the loss, averages weights or accumulates
            gradients, which belongs outside.

    Example:
        >>> import keras_neural_opt as kno
        >>> optimizer = kno.optimizers.Cautious(kno.optimizers.AdamW(1e-3))

    Note:
        As the authors' code, where weight decay is outside: here the decay that is part of the inner step is masked,
        too. State: none besides the inner optimizer's, and a copy of the variables during a step.

    References:
        Liang, Chen, Liu, Liu, Cautious Optimizers: Improving Training with One Line of Code, 2024,
        https://arxiv.org/abs/2411.16085
    """

    changes_gradients = True
    rewrites_steps = True

    def __init__(self, inner_optimizer: Any, name: str | None = None) -> None:
        super().__init__(inner_optimizer, name=name)

    def needs_old_value(self, variable: Any) -> bool:
        return True

    def after(self, gradients: list[Any], variables: list[Any], old: list[Any], step: Any) -> None:
        new = native.read_all(variables)
        native.write(variables, [_masked(x, y, g) for x, y, g in zip(old, new, gradients, strict=True)])


def _masked(old: Any, new: Any, g: Any) -> Any:
    step = new - old
    agrees = native.cast(step * g < 0, old.dtype)
    size = math.prod(old.shape)
    return old + step * agrees * (size / (native.sum_over(agrees, range(len(old.shape))) + 1.0))
