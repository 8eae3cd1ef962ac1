"""LazyAdam."""

from typing import Any

from keras_neural_opt._core import masks
from keras_neural_opt._core.arguments import fraction, nonnegative
from keras_neural_opt._core.backend import native
from keras_neural_opt._core.plain_tensors import like
from keras_neural_opt._core.tensors import (
    Scalar,
    Tensors,
    add_product,
    bias_correction,
    descend,
    root,
    square,
)
from keras_neural_opt.optimizers._base import RuleOptimizer
from keras_neural_opt.optimizers._registry import export


@export
class LazyAdam(RuleOptimizer):
    r"""Adam for embeddings (Kingma and Ba, 2015), after LazyAdam of TensorFlow.

    Adam that leaves a row of an embedding alone, its moments too, in steps whose batch does not use it. Rare words keep
    their momentum until they are seen again; `Adam` moves them on for hundreds of steps. All other variables take
    Adam's step.

    .. math::
        r &\in \{\text{rows of } g_t \text{ that are not } 0\}: \qquad
        m_{t,r} = \beta_1 m_{t-1,r} + (1 - \beta_1) g_{t,r}, \qquad
        v_{t,r} = \beta_2 v_{t-1,r} + (1 - \beta_2) g_{t,r}^2 \\
        \theta_{t,r} &= \theta_{t-1,r}
        - \eta \frac{\sqrt{1 - \beta_2^t}}{1 - \beta_1^t} \frac{m_{t,r}}{\sqrt{v_{t,r}} + \epsilon}

    Args:
        learning_rate: :math:`\eta`, a number >= 0, a schedule or a function without arguments. Defaults to 0.001.
        beta_1: Decay of the mean, in [0, 1). Defaults to 0.9.
        beta_2: Decay of the mean square, in [0, 1). Defaults to 0.999.
        epsilon: :math:`\epsilon \ge 0`, added to the root before the bias correction. Defaults to 1e-7.
        lazy_mask: Which variables are updated row by row, in the forms of `weight_decay_mask`. Defaults to
            `("embeddings$",)`: those of `keras.layers.Embedding`.
        **kwargs: The arguments of `RuleOptimizer`.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> optimizer = kno.optimizers.LazyAdam(1e-3)

    Note:
        On every backend it is the gradient that says which rows are used, so that they agree. On TensorFlow the step of
        an embedding costs what its touched rows cost; elsewhere it saves no time. Weight decay, where asked for,
        shrinks all rows. `optax` and torch's `SparseAdam` have no such rule for dense gradients. State: 8 bytes a
        float32 parameter.

    References:
        Kingma, Ba, Adam: A Method for Stochastic Optimization, 2015, https://arxiv.org/abs/1412.6980
    """

    beta_1: float
    beta_2: float
    epsilon: float
    lazy_mask: masks.Mask
    slots = ("momentum", "velocity")
    elementwise = False
    sparse_rows = True

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        lazy_mask: masks.Mask = ("embeddings$",),
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.set_hyperparameters(
            beta_1=fraction(beta_1),
            beta_2=fraction(beta_2),
            epsilon=nonnegative(epsilon),
            lazy_mask=masks.mask(lazy_mask),
        )

    def row_wise(self, variable: Any) -> bool:
        return len(variable.shape) >= 2 and masks.selects(self.lazy_mask, variable)

    def marks(self, variable: Any) -> dict[str, Any]:
        return {"lazy": self.row_wise(variable)}

    def rule(  # type: ignore[override]
        self, p: Tensors, g: Tensors, lr: Scalar, t: Scalar, m: Tensors, v: Tensors, *, lazy: list[bool]
    ) -> Any:
        used = g.new(
            _used_rows(x) if row_wise else native.ones_like(x) for x, row_wise in zip(g.tensors, lazy, strict=True)
        )
        m = add_product(m, g - m, used, 1.0 - self.beta_1)
        v = add_product(v, square(g) - v, used, 1.0 - self.beta_2)
        step = lr * root(bias_correction(self.beta_2, t)) / bias_correction(self.beta_1, t)
        return descend(p, m * used, step, over=root(v, outside=self.epsilon)), m, v


def _used_rows(g: Any) -> Any:
    """Return 1 for each row with an element other than 0, and 0 for the others."""
    return like(native.sum_over(abs(g), range(1, len(g.shape))) > 0, g)
