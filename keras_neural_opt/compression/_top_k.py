"""The largest elements alone."""

from typing import Any

from keras import ops

from keras_neural_opt._core import registry
from keras_neural_opt._core.arguments import choice, fraction, integer, optional, positive_fraction
from keras_neural_opt.compression import _selection
from keras_neural_opt.compression._compressor import Compressor, Reduced, State
from keras_neural_opt.compression._layout import Layout
from keras_neural_opt.compression._sparse import at_places, reduce_sparse, scatter
from keras_neural_opt.compression._transport import Transport

# Above it, sorting takes longer than sending does on most links.
_MOST_SORTED = 1_000_000
# The first steps send a quarter of all elements, in this many stages down to the ratio, as the paper does.
_FIRST_RATIO, _STAGES = 0.25, 4


@registry.export
class TopK(Compressor):
    r"""Sends the elements with the largest absolute values (Aji and Heafield, 2017; Lin et al., 2018).

    Every worker sends its own choice, value and place: 8 bytes an element. It wants error feedback, which
    `DistributedOptimizer` puts around it: what is not sent waits for its turn. Bytes received grow with the number of
    workers: with a ratio of 1 % it breaks even near 100 workers.

    With `momentum`, as in Deep Gradient Compression, velocities are accumulated instead of gradients, and forgotten
    where they were sent: what waits for long would otherwise be sent with the momentum of a single step,

    .. math::
        u \leftarrow m u + g, \qquad v \leftarrow v + u, \qquad \text{send top-}k(v), \text{ then } u, v \leftarrow 0
        \text{ there.}

    The optimizer is then one without momentum.

    Args:
        ratio: The part of the elements that is sent, in (0, 1]. Defaults to 0.01.
        selection: `"exact"`; `"sampled"`: what is above a threshold that every hundredth element tells, or more of
            them, up to a tenth fewer elements than asked for; or `"auto"` (default): exact up to a million elements.
        warmup_steps: Over how many steps the ratio falls from a quarter, in four stages. Defaults to 0.
        momentum: None or the momentum in [0, 1) of Deep Gradient Compression.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> from keras_neural_opt import compression
        >>> compression.TopK(0.001, warmup_steps=400).ratios()
        [0.25, 0.0397, 0.0063, 0.001]

    References:
        Aji, Heafield, Sparse Communication for Distributed Gradient Descent, 2017, https://arxiv.org/abs/1704.05021
        Lin, Han, Mao, Wang, Dally, Deep Gradient Compression, 2018, https://arxiv.org/abs/1712.01887
    """

    ratio: float
    selection: str
    warmup_steps: int
    momentum: float | None

    def __init__(
        self, ratio: float = 0.01, selection: str = "auto", warmup_steps: int = 0, momentum: float | None = None
    ) -> None:
        self.set_hyperparameters(
            ratio=positive_fraction(ratio),
            selection=choice(selection, ("auto", "exact", "sampled")),
            warmup_steps=integer(warmup_steps, 0),
            momentum=optional(fraction(momentum)),
        )

    @property
    def remembers(self) -> bool:  # type: ignore[override]
        """Whether it keeps what it has not sent: with momentum."""
        return self.momentum is not None

    @property
    def has_momentum(self) -> bool:  # type: ignore[override]
        """Whether its means hold a momentum."""
        return self.momentum is not None

    def ratios(self) -> list[float]:
        """Return the ratios of the stages, the last of which stays."""
        if not self.warmup_steps or self.ratio >= _FIRST_RATIO:
            return [self.ratio]
        fall = (self.ratio / _FIRST_RATIO) ** (1 / (_STAGES - 1))
        return [float(f"{_FIRST_RATIO * fall**i:.3g}") for i in range(_STAGES - 1)] + [self.ratio]

    def state(self, layout: Layout) -> list[State]:
        """Return velocity and what waits, with momentum."""
        if self.momentum is None:
            return []
        return [State("velocity", (layout.size,)), State("residual", (layout.size,))]

    def reduce(self, x: Any, layout: Layout, state: list[Any], transport: Transport, step: Any) -> Reduced:
        """Return the mean of what the workers choose; see `Compressor.reduce`."""
        if self.momentum is None:
            mean, left, _ = self._in_stages(x, x, transport, step)
            return Reduced(mean, lambda: left, state)
        velocity = self.momentum * state[0] + x
        mean, left, velocity = self._in_stages(state[1] + velocity, velocity, transport, step)
        return Reduced(mean, lambda: ops.zeros_like(x), [velocity, left])

    def reduce_exactly(self, x: Any, layout: Layout, state: list[Any], transport: Transport) -> Reduced:
        """Return the mean of all workers' vectors; with momentum that of their velocities, and of what waits."""
        if self.momentum is None:
            return super().reduce_exactly(x, layout, state, transport)
        # Velocities stay: where all is sent there is no stale momentum to forget, and the optimizer has none.
        velocity = self.momentum * state[0] + x
        mean, lost = transport.mean(state[1] + velocity)
        return Reduced(mean, lost, [velocity, ops.zeros_like(x)])

    def _in_stages(self, x: Any, velocity: Any, transport: Transport, step: Any) -> tuple[Any, Any, Any]:
        ratios = self.ratios()

        def stage(i: int) -> tuple[Any, Any, Any]:
            if i == len(ratios) - 1:
                return self._sparse(x, velocity, ratios[i], transport)
            end = -(-(i + 1) * self.warmup_steps // (len(ratios) - 1))
            found: tuple[Any, Any, Any] = transport.choose(
                step < end, lambda: self._sparse(x, velocity, ratios[i], transport), lambda: stage(i + 1)
            )
            return found

        return stage(0)

    def _sparse(self, x: Any, velocity: Any, ratio: float, transport: Transport) -> tuple[Any, Any, Any]:
        length = x.shape[0]
        count = max(1, round(ratio * length))
        is_exact = self.selection == "exact" or (self.selection == "auto" and length <= _MOST_SORTED)
        places = (_selection.exact if is_exact else _selection.sampled)(x, count)
        if self.momentum is not None:
            velocity = velocity - scatter(places, at_places(velocity, places), length)
        return *reduce_sparse(x, places, transport), velocity
