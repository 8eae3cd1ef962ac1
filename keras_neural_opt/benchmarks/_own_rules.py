"""Adam as users write it: what a rule costs that no kernel is made for."""

from typing import Any

from keras_neural_opt.optimizers import RuleOptimizer
from keras_neural_opt.optimizers.rules import Scalar, Tensors, bias_correction, descend, ema, ema_of_square, root


class AdamByPrimitives(RuleOptimizer):
    """Adam with the primitives of `optimizers.rules`."""

    slots = ("momentum", "velocity")

    def rule(self, p: Tensors, g: Tensors, lr: Scalar, t: Scalar, m: Tensors, v: Tensors) -> Any:  # type: ignore[override]
        """Return the new variables and slots."""
        m, v = ema(m, g, 0.9), ema_of_square(v, g, 0.999)
        step = lr * root(bias_correction(0.999, t)) / bias_correction(0.9, t)
        return descend(p, m, step, over=root(v, outside=1e-7)), m, v


class AdamByOperators(RuleOptimizer):
    """Adam with plain operators, as on paper."""

    slots = ("momentum", "velocity")

    def rule(self, p: Tensors, g: Tensors, lr: Scalar, t: Scalar, m: Tensors, v: Tensors) -> Any:  # type: ignore[override]
        """Return the new variables and slots."""
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g * g
        step = lr * root(bias_correction(0.999, t)) / bias_correction(0.9, t)
        return p - step * m / (root(v) + 1e-7), m, v


OWN_RULES: dict[str, type] = {cls.__name__: cls for cls in (AdamByPrimitives, AdamByOperators)}
