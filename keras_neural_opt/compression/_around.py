"""Compressors around another one."""

from typing import Any

from keras_neural_opt.compression._compressor import Compressor, Reduced, State
from keras_neural_opt.compression._layout import Layout
from keras_neural_opt.compression._transport import Transport


class Around(Compressor):
    """Base class: a compressor that is as unbiased and as forgetful as the one inside, and keeps what that keeps."""

    compression: Compressor

    @property
    def unbiased(self) -> bool:  # type: ignore[override]
        """Whether the compressor inside is."""
        return self.compression.unbiased

    @property
    def remembers(self) -> bool:  # type: ignore[override]
        """Whether the compressor inside does."""
        return self.compression.remembers

    @property
    def has_momentum(self) -> bool:  # type: ignore[override]
        """Whether the compressor inside has."""
        return self.compression.has_momentum

    @property
    def is_mean(self) -> bool:  # type: ignore[override]
        """Whether the compressor inside returns one."""
        return self.compression.is_mean

    def state(self, layout: Layout) -> list[State]:
        """Return what the compressor inside keeps."""
        return self.compression.state(layout)

    def reduce_exactly(self, x: Any, layout: Layout, state: list[Any], transport: Transport) -> Reduced:
        """Return what the compressor inside does."""
        return self.compression.reduce_exactly(x, layout, state, transport)
