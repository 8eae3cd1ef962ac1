"""A learning rate for each layer."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Self

from keras_neural_opt._core.arguments import Argument, is_number, positive_fraction
from keras_neural_opt._core.backend import native
from keras_neural_opt._core.masks import path_of
from keras_neural_opt._core.tensors import Tensors, lerp
from keras_neural_opt.optimizers._wrapper import Wrapper, export


@export
class LayerwiseLearningRate(Wrapper):
    r"""A learning rate for each layer (Howard and Ruder, 2018).

    Multiplies the steps of chosen variables. For fine-tuning: small rates for the first layers, which know most, or
    none at all, and the full one for the new head.

    .. math:: \theta_t = \theta_{t-1} + c_\theta (\theta_t' - \theta_{t-1})

    where :math:`\theta_t'` is what the inner optimizer would make of :math:`\theta_{t-1}`.

    Args:
        inner_optimizer: The optimizer, or its name.
        multipliers: Regular expressions, each with a number >= 0. A variable takes the number of the first that is
            found in its path, or 1. 0 freezes it.
        name: The name of this optimizer.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> optimizer = kno.optimizers.LayerwiseLearningRate("adamw", {"embedding": 0, "encoder": 0.1})

    Note:
        Weight decay, as a part of the step, is multiplied, too. A frozen variable keeps its moments up to date. As
        torch's parameter groups, where the rule is proportional to the learning rate. State: none besides the inner
        optimizer's, and a copy during a step of the variables that are not multiplied by 1.

    References:
        Howard, Ruder, Universal Language Model Fine-tuning for Text Classification, 2018,
        https://arxiv.org/abs/1801.06146
    """

    multipliers: dict[str, float]
    rewrites_steps = True

    def __init__(self, inner_optimizer: Any, multipliers: Mapping[str, float], name: str | None = None) -> None:
        super().__init__(inner_optimizer, name=name)
        rule = "a mapping of regular expressions to numbers >= 0"
        self.set_hyperparameters(multipliers=Argument(multipliers, rule, _multipliers))

    @classmethod
    def with_layer_decay(
        cls, inner_optimizer: Any, layers: Sequence[str], decay: float, name: str | None = None
    ) -> Self:
        """Return an optimizer whose rate falls from the last layer to the first.

        Args:
            inner_optimizer: The optimizer, or its name.
            layers: Regular expressions, from the input to the output. The last is multiplied by 1, the one before it
                by `decay`, the one before that by its square.
            decay: A number in (0, 1].
            name: The name of this optimizer.
        """
        decay = positive_fraction(decay).check(cls.__name__, "decay")
        return cls(inner_optimizer, {x: decay ** (len(layers) - 1 - i) for i, x in enumerate(layers)}, name)

    def multiplier(self, variable: Any) -> float:
        """Return the number by which the steps of a variable are multiplied.

        Args:
            variable: A variable.
        """
        path = path_of(variable)
        return next((x for pattern, x in self.multipliers.items() if re.search(pattern, path)), 1.0)

    def needs_old_value(self, variable: Any) -> bool:
        return self.multiplier(variable) != 1.0

    def after(self, gradients: list[Any], variables: list[Any], old: list[Any], step: Any) -> None:
        chosen = [v for v in variables if self.needs_old_value(v)]
        factors = [self.multiplier(v) for v in chosen]
        triples = zip(old, native.read_all(chosen), factors, strict=True)
        native.write(chosen, [_between(x, y, c) if c else x for x, y, c in triples])


def _between(old: Any, new: Any, part: float) -> Any:
    """Return where `part` of the way from old to new ends. Going back from the new is in place on torch."""
    return lerp(Tensors([new]), Tensors([old]), 1.0 - part).tensors[0]


def _multipliers(value: Any) -> dict[str, float]:
    if not isinstance(value, Mapping) or not value:
        raise ValueError
    for pattern, number in value.items():
        if not isinstance(pattern, str) or not pattern or not is_number(number) or number < 0:
            raise ValueError
        try:
            re.compile(pattern)
        except re.error:
            raise ValueError from None
    return {pattern: float(number) for pattern, number in value.items()}
