"""Steps that are larger than any that should be."""

from typing import Any

from keras_neural_opt._core.arguments import integer, optional, positive
from keras_neural_opt._core.registry import export
from keras_neural_opt._core.tensors import Scalar
from keras_neural_opt.transforms._skip_steps import SkipSteps


@export
class SkipLargeUpdates(SkipSteps):
    r"""Leaves out steps whose global gradient norm is above a limit (Chowdhery et al., 2022, in spirit).

    Clipping still steps along a spoiled gradient; this does not. Take it against rare spikes, with a limit far above
    the usual norms, which `TrainingMonitor` shows. The authors skip the batches around a spike after it happened.

    .. math:: \theta_{t+1} = \begin{cases} \text{step}(\theta_t, g) & \lVert g \rVert_2 \le c \\
              \theta_t & \text{otherwise} \end{cases}

    Args:
        max_norm: The largest global 2-norm :math:`c > 0` that makes a step.
        max_consecutive: None, or how many steps in a row, >= 1, may be left out before training stops with an error.
            Defaults to None: it never stops.

    Raises:
        ValueError: An argument breaks its rule.
        FloatingPointError: In training, as by `SkipNonFinite`.

    Example:
        >>> import keras
        >>> import keras_neural_opt as kno
        >>> optimizer = kno.optimizers.SGD(0.1, gradient_transforms=[kno.transforms.SkipLargeUpdates(100.0)])
        >>> v = keras.Variable([1.0])
        >>> optimizer.apply([keras.ops.convert_to_tensor([1e4])], [v])
        >>> float(v.numpy()[0])
        1.0

    Note:
        The step is judged before any transform or clipping runs, wherever this stands among them, by the norm that they
        share. NaN and infinity are not below any limit. `optax.skip_large_updates` asks for the square of the norm.
        `skipped` is the number of steps that were left out. State: 4 or 8 bytes a counter.

    References:
        Chowdhery et al., PaLM: Scaling Language Modeling with Pathways, 2022, section 5.1,
        https://arxiv.org/abs/2204.02311
    """

    fault = "a gradient norm above max_norm"
    max_norm: float

    def __init__(self, max_norm: float, max_consecutive: int | None = None) -> None:
        self.set_hyperparameters(max_norm=positive(max_norm), max_consecutive=optional(integer(max_consecutive, 1)))

    def takes(self, norm: Scalar) -> Any:
        """Return whether the norm is within the limit."""
        return norm <= self.max_norm
