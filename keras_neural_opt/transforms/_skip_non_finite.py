"""Steps without a number."""

from typing import Any

from keras_neural_opt._core.arguments import integer, optional
from keras_neural_opt._core.backend import native
from keras_neural_opt._core.registry import export
from keras_neural_opt._core.tensors import Scalar
from keras_neural_opt.transforms._skip_steps import SkipSteps


@export
class SkipNonFinite(SkipSteps):
    r"""Leaves out steps whose gradient has a NaN or an infinity, and stops after too many (Micikevicius et al., 2018).

    One bad sample, or one overflow in half precision, then costs one step and not the training. Variables, moments,
    schedules and the state of all other transforms afterwards are those of a training without that step.

    .. math:: \theta_{t+1} = \begin{cases} \text{step}(\theta_t, g) & \lVert g \rVert_2 < \infty \\
              \theta_t & \text{otherwise} \end{cases}

    Args:
        max_consecutive: None, or how many steps in a row, >= 1, may be left out before training stops with an error.
            A loss that stays NaN is not a bad sample. Defaults to None: it never stops.

    Raises:
        ValueError: `max_consecutive` breaks its rule.
        FloatingPointError: In training, at the last allowed step in a row where steps run eagerly. A compiled training
            stands still from there on, and the error comes when `fit` ends.

    Example:
        >>> import keras
        >>> import keras_neural_opt as kno
        >>> optimizer = kno.optimizers.SGD(0.1, gradient_transforms=[kno.transforms.SkipNonFinite(10)])
        >>> v = keras.Variable([1.0])
        >>> optimizer.apply([keras.ops.convert_to_tensor([float("nan")])], [v])
        >>> float(v.numpy()[0]), int(optimizer.gradient_transforms[0].skipped)
        (1.0, 1)

    Note:
        The step is judged before any transform runs, wherever this stands among them, and after accumulation: one bad
        micro-step costs its window. `nonfinite="skip"` of an optimizer is this without a limit, and `"raise"` with a
        limit of 1. `optax.apply_if_finite` takes the bad step when its limit is reached; Keras' and torch's loss
        scaling skip likewise. A finite gradient whose norm is larger than any float counts as bad. `skipped` is the
        number of steps that were left out. State: 4 or 8 bytes a counter.

    References:
        Micikevicius, Narang, Alben, Diamos, Elsen, Garcia, Ginsburg, Houston, Kuchaiev, Venkatesh, Wu, Mixed Precision
        Training, ICLR 2018, https://arxiv.org/abs/1710.03740
    """

    fault = "a gradient that is NaN or infinite"

    def __init__(self, max_consecutive: int | None = None) -> None:
        self.set_hyperparameters(max_consecutive=optional(integer(max_consecutive, 1)))

    def takes(self, norm: Scalar) -> Any:
        """Return whether the norm is a number."""
        return native.all_finite(norm)
