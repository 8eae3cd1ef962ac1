"""The blocks of the network of which all networks of the space of MobileNetV3 are parts."""

from typing import Any

from keras_neural_opt.nas._elastic import ElasticDepthwiseConv2D, FirstChannels, Numbers, Present
from keras_neural_opt.nas._images import channel_axis
from keras_neural_opt.nas._mobilenet_v3_network import Form


class ElasticForm(Form):
    """Takes the kernel, the channels inside, and those between squeeze and excitation from numbers.

    Args:
        numbers: Those of the network.
    """

    NUMBERS = 3
    # Without channels there is no block.
    ABSENT = (1, 0, 0)

    def __init__(self, numbers: Numbers) -> None:
        self._kernel, self._expanded, self._squeezed = (numbers() for _ in range(self.NUMBERS))

    def expanded(self, x: Any) -> Any:
        """Return the first channels inside the block."""
        return FirstChannels(channel_axis())([x, self._expanded])

    def squeezed(self, x: Any) -> Any:
        """Return the first channels between squeeze and excitation."""
        return FirstChannels(channel_axis())([x, self._squeezed])

    def depthwise(self, x: Any, kernel: int, stride: int) -> Any:
        """Return a convolution with the middle of the kernel."""
        return ElasticDepthwiseConv2D(kernel, stride)([x, self._kernel])

    def residual(self, shortcut: Any, x: Any) -> Any:
        """Return what the block gives out, or what it took in."""
        return Present()([super().residual(shortcut, x), shortcut, self._expanded])
