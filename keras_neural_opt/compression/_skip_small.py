"""Small tensors as they are."""

from collections.abc import Callable
from typing import Any

from keras_neural_opt._core import registry
from keras_neural_opt._core.arguments import integer
from keras_neural_opt.compression._around import Around
from keras_neural_opt.compression._checks import without_momentum
from keras_neural_opt.compression._compressor import Compressor, Reduced, State
from keras_neural_opt.compression._layout import Layout
from keras_neural_opt.compression._transport import Transport


@registry.export
class SkipSmall(Around):
    """Leaves small tensors, such as biases and scales of norms, uncompressed.

    They are few bytes, and training is sensitive to some of them.

    Args:
        compression: The compressor of the others.
        elements: How many elements a tensor has that is compressed, at least; >= 1. Defaults to 1024.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> from keras_neural_opt import compression
        >>> compression.SkipSmall(compression.TopK(0.01))
        SkipSmall(compression=TopK(ratio=0.01, selection='auto', warmup_steps=0, momentum=None), elements=1024)
    """

    compression: Compressor
    elements: int

    def __init__(self, compression: Compressor, elements: int = 1024) -> None:
        self.set_hyperparameters(compression=without_momentum(compression), elements=integer(elements, 1))

    def state(self, layout: Layout) -> list[State]:
        """Return what the compressor keeps."""
        large = self._large(layout)
        return self.compression.state(large) if large.size else []

    def reduce(self, x: Any, layout: Layout, state: list[Any], transport: Transport, step: Any) -> Reduced:
        """Return roughly the mean of all workers' vectors; see `Compressor.reduce`."""

        def of_large(own: Any, large: Layout) -> Reduced:
            return self.compression.reduce(own, large, state, transport, step)

        return self._apart(x, layout, state, transport, of_large)

    def reduce_exactly(self, x: Any, layout: Layout, state: list[Any], transport: Transport) -> Reduced:
        """Return the mean of all workers' vectors; see `Compressor.reduce_exactly`."""

        def of_large(own: Any, large: Layout) -> Reduced:
            return self.compression.reduce_exactly(own, large, state, transport)

        return self._apart(x, layout, state, transport, of_large)

    def _apart(
        self,
        x: Any,
        layout: Layout,
        state: list[Any],
        transport: Transport,
        reduce_large: Callable[[Any, Layout], Reduced],
    ) -> Reduced:
        is_large = [size >= self.elements for size in layout.sizes]
        if all(is_large):
            return reduce_large(x, layout)
        small = Layout(tuple(s for s, large in zip(layout.shapes, is_large, strict=True) if not large))
        parts = list(zip(layout.split(x), is_large, strict=True))
        mean, lost = transport.mean(small.join([part for part, large in parts if not large]))
        large = self._large(layout)
        if not large.size:
            return Reduced(mean, lost, state)
        found = reduce_large(large.join([p for p, of_it in parts if of_it]), large)

        def merged(of_small: Any, of_large: Any) -> Any:
            rest, own = iter(small.split(of_small)), iter(large.split(of_large))
            return layout.join([next(own) if of_it else next(rest) for of_it in is_large])

        return Reduced(merged(mean, found.mean), lambda: merged(lost(), found.lost()), found.state)

    def _large(self, layout: Layout) -> Layout:
        return Layout(tuple(s for s, n in zip(layout.shapes, layout.sizes, strict=True) if n >= self.elements))
