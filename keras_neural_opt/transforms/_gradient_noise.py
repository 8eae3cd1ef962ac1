"""Noise on the gradients, less and less of it."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_neural_opt._core.arguments import integer, nonnegative, optional, positive
from keras_neural_opt._core.registry import export
from keras_neural_opt._core.tensors import Tensors
from keras_neural_opt.transforms._transform import GradientContext, GradientTransform


@export
class GradientNoise(GradientTransform):
    r"""Adds Gaussian noise whose variance falls over the steps (Neelakantan et al., 2015).

    Helps very deep networks, and bad initial weights, out of where plain gradients stay. Look at the size of the
    gradients first: noise far below them does nothing, and far above them everything.

    .. math:: g \leftarrow g + \mathcal N(0, \sigma_t^2), \qquad \sigma_t^2 = \frac{\eta}{t^\gamma}, \quad t = 1, 2, ...

    Args:
        eta: The variance :math:`\eta > 0` of the first step. Defaults to 0.01; the paper tries 0.01, 0.3 and 1.
        gamma: How fast it falls, >= 0. Defaults to 0.55.
        seed: Where the random numbers begin, an integer from 0 to 2147483647. Defaults to None: where
            `keras.utils.set_random_seed` says, or anywhere.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> optimizer = kno.optimizers.SGD(0.1, gradient_transforms=[kno.transforms.GradientNoise(0.3, seed=1)])

    Note:
        `optax.add_noise` does the same. The noise is new in every step, also where XLA compiles it, and the same on
        every replica; processes that each have an optimizer need a seed for that. TensorFlow draws other numbers where
        XLA compiles the step. State: the 8 or 16 bytes of the generator, saved with the optimizer, so that a resumed
        training draws what the uninterrupted one would have.

    References:
        Neelakantan, Vilnis, Le, Sutskever, Kaiser, Kurach, Martens, Adding Gradient Noise Improves Learning for Very
        Deep Networks, 2015, https://arxiv.org/abs/1511.06807
    """

    eta: float
    gamma: float
    seed: int | None

    def __init__(self, eta: float = 0.01, gamma: float = 0.55, seed: int | None = None) -> None:
        self.set_hyperparameters(
            eta=positive(eta), gamma=nonnegative(gamma), seed=optional(integer(seed, 0, 2**31 - 1))
        )
        self._generator: Any = None

    def build(self, optimizer: Any, variables: Sequence[Any]) -> None:
        """Make the generator of random numbers."""
        # Keras on torch adds the seed and a counter: those of two near seeds would be the same numbers soon.
        seed = self.seed if self.seed is None else int(np.random.SeedSequence(self.seed).generate_state(1)[0] >> 1)
        self._generator = optimizer.add_seed_generator(seed)

    def __call__(self, gradients: Tensors, context: GradientContext) -> Tensors:
        """Return the gradients with noise."""
        deviation = math.sqrt(self.eta) * context.step ** (-self.gamma / 2)
        noise = [keras.random.normal(x.shape, dtype=x.dtype, seed=self._generator) for x in gradients.tensors]
        return gradients + gradients.new(noise) * deviation
