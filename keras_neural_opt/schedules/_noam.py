"""The transformer's schedule."""

from typing import Any

from keras_neural_opt._core.arguments import integer, positive
from keras_neural_opt._core.registry import export
from keras_neural_opt._core.scalars import minimum, sqrt, to_float
from keras_neural_opt.schedules._schedule import Schedule


@export
class Noam(Schedule):
    r"""Warms up linearly and falls with the root of the steps, by the model's width (Vaswani et al., 2017).

    That of the first transformer, named after Noam Shazeer, for `Adam(beta_2=0.98, epsilon=1e-9)`. Where the rate is to
    be chosen take `Warmup` around `InverseSquareRoot`.

    .. math:: \eta(t) = \frac{c}{\sqrt d} \min\left(\frac{1}{\sqrt s}, \frac{s}{w \sqrt w}\right), \qquad s = t + 1

    Args:
        model_size: :math:`d`, an integer >= 1: the width of the model.
        warmup_steps: :math:`w`, the steps until it is largest. Defaults to 4000.
        scale: :math:`c > 0`. Defaults to 1.
        **kwargs: `unit` and `name`, see `Schedule`.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> schedule = kno.schedules.Noam(model_size=512)
        >>> round(schedule(3999), 6)
        0.000699

    Note:
        The paper counts steps from 1, and so does this: the first step moves.

    References:
        Vaswani, Shazeer, Parmar, Uszkoreit, Jones, Gomez, Kaiser, Polosukhin, Attention Is All You Need, 2017,
        https://arxiv.org/abs/1706.03762
    """

    model_size: int
    warmup_steps: int
    scale: float
    counts = ("warmup_steps",)

    def __init__(self, model_size: int, warmup_steps: float = 4000, scale: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.set_hyperparameters(
            model_size=integer(model_size, 1), warmup_steps=self.count(warmup_steps, 1), scale=positive(scale)
        )

    def value(self, step: Any) -> Any:
        s = to_float(step) + 1.0
        return self.scale * self.model_size**-0.5 * minimum(1.0 / sqrt(s), s * self.warmup_steps**-1.5)
