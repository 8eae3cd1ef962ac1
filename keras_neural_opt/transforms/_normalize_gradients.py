"""Gradients of one length."""

from keras_neural_opt._core.arguments import flag, positive
from keras_neural_opt._core.norms import tensor_norms
from keras_neural_opt._core.registry import export
from keras_neural_opt._core.tensors import Tensors, is_half, multiply_each
from keras_neural_opt.transforms._transform import GradientContext, GradientTransform


@export
class NormalizeGradients(GradientTransform):
    r"""Gives the gradients one 2-norm, whatever it was (Hazan et al., 2015).

    The step's length is then the learning rate alone: it does not stop where the loss is flat, nor jump where it is
    steep. The rate must fall, or training circles around the minimum.

    .. math:: g \leftarrow c \, \frac{g}{\lVert g \rVert_2 + \epsilon}

    Args:
        norm: The norm :math:`c > 0` that they get. Defaults to 1.
        per_variable: Whether each variable's gradient gets it, or all of them together (default).
        epsilon: A number :math:`\epsilon > 0`, for gradients that are zero. Defaults to 1e-6.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> optimizer = kno.optimizers.SGD(0.1, gradient_transforms=[kno.transforms.NormalizeGradients()])

    Note:
        `optax.normalize_by_update_norm` does the same for all together. No state.

    References:
        Hazan, Levy, Shalev-Shwartz, Beyond Convexity: Stochastic Quasi-Convex Optimization, 2015,
        https://arxiv.org/abs/1507.02030
    """

    norm: float
    per_variable: bool
    epsilon: float

    def __init__(self, norm: float = 1.0, per_variable: bool = False, epsilon: float = 1e-6) -> None:
        self.set_hyperparameters(norm=positive(norm), per_variable=flag(per_variable), epsilon=positive(epsilon))

    def __call__(self, gradients: Tensors, context: GradientContext) -> Tensors:
        """Return the normalized gradients."""
        count = len(gradients.tensors)
        if self.per_variable:
            factors = self.norm / (tensor_norms(gradients) + self.epsilon)
            return multiply_each(gradients, [factors[i] for i in range(count)])
        factor = self.norm / (context.norm(gradients) + self.epsilon)
        if any(map(is_half, gradients.tensors)):
            return multiply_each(gradients, [factor] * count)
        return gradients.scaled_by(factor)
