"""One bit an element."""

from typing import Any

from keras import ops

from keras_neural_opt._core import registry
from keras_neural_opt._core.arguments import flag
from keras_neural_opt.compression._bits import pack, unpack
from keras_neural_opt.compression._checks import multiple_of
from keras_neural_opt.compression._codec import Codec, Draw, in_blocks


@registry.export
class SignSGD(Codec):
    r"""Sends signs, eight to a byte, and the mean size of a block (Seide et al., 2014; Bernstein et al., 2018).

    .. math::
        C(x) = \frac{\lVert x \rVert_1}{n}\, \mathrm{sgn}(x)

    for blocks of :math:`n` elements; 0 counts as positive. It needs error feedback, which `DistributedOptimizer` puts
    around it (Karimireddy et al., 2019).

    Args:
        block: :math:`n`, the elements that share a size, a multiple of 32. Defaults to 512, with which a size adds a
            sixteenth.
        majority_vote: Whether the result is the sign that most workers have, without a size, as in the paper of 2018:
            the optimizer then makes steps of the same size for all elements. Without error feedback. Defaults to False.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> from keras_neural_opt import compression
        >>> compression.SignSGD(majority_vote=True)
        SignSGD(block=512, majority_vote=True)

    References:
        Seide, Fu, Droppo, Li, Yu, 1-Bit Stochastic Gradient Descent, 2014,
        https://www.isca-archive.org/interspeech_2014/seide14_interspeech.html
        Bernstein, Wang, Azizzadenesheli, Anandkumar, signSGD: Compressed Optimisation for Non-Convex Problems, 2018,
        https://arxiv.org/abs/1802.04434
        Karimireddy, Rebjock, Stich, Jaggi, Error Feedback Fixes SignSGD, 2019, https://arxiv.org/abs/1901.09847
    """

    block: int
    majority_vote: bool

    def __init__(self, block: int = 512, majority_vote: bool = False) -> None:
        self.set_hyperparameters(block=multiple_of(block, 32), majority_vote=flag(majority_vote))

    @property
    def remembers(self) -> bool:  # type: ignore[override]
        """Whether error feedback is of no use: a vote has no size to lack."""
        return self.majority_vote

    @property
    def is_mean(self) -> bool:  # type: ignore[override]
        """Whether its result has the size of a mean: not of a vote."""
        return not self.majority_vote

    def encode(self, x: Any, draw: Draw | None = None) -> tuple[Any, ...]:
        """Return packed signs and, without a vote, sizes."""
        signs = pack(ops.cast(x >= 0.0, "uint8"), 1)
        if self.majority_vote:
            return (signs,)
        return signs, ops.mean(ops.absolute(in_blocks(x, self.block)), axis=-1)

    def decode(self, payload: tuple[Any, ...]) -> Any:
        """Return signs times sizes."""
        signs = 2.0 * ops.cast(unpack(payload[0], 1), "float32") - 1.0
        if self.majority_vote:
            return signs
        return ops.reshape(in_blocks(signs, self.block) * payload[1][..., None], signs.shape)
