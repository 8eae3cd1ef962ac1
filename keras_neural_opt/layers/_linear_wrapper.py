"""What wrappers around a dense or convolutional layer share."""

from typing import Any

import keras
from keras import ops

from keras_neural_opt._core.arguments import Argument, Configurable, integer, optional
from keras_neural_opt.layers._saved import read_saved

_CONVOLUTIONS = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)
_ADVICE = (
    "A file of a model without the wrapper is loaded into such a model; give the weights of its layers to the layers"
    " inside of the wrappers, by wrapper.layer.set_weights(layer.get_weights())"
)
_LINEAR = (keras.layers.Dense, *_CONVOLUTIONS)


class LinearWrapper(Configurable, keras.layers.Wrapper):
    """Base class: computes what the layer inside does, in the steps that a subclass wants to come between.

    Class attributes of a subclass:
        calls_layer: Whether it calls the layer inside. Otherwise it takes only layers of which the steps are all.
    """

    calls_layer = False

    def __init__(self, layer: Any, seed: Any, **kwargs: Any) -> None:
        self._layer_argument(layer).check(type(self).__name__, "layer")
        super().__init__(layer, **{"dtype": getattr(layer, "dtype_policy", None), **kwargs})
        self.set_hyperparameters(seed=optional(integer(seed, 0, 2**31 - 1)))
        self.seed_generator = keras.random.SeedGenerator(self.seed)
        self.supports_masking = layer.supports_masking

    @classmethod
    def _layer_argument(cls, layer: Any) -> Argument:
        rule = "a Dense, Conv1D, Conv2D or Conv3D layer, not causal"
        if not cls.calls_layer:
            rule += ", without activity_regularizer and with Keras' own call"

        def convert(given: Any) -> Any:
            if not cls.calls_layer and not _is_plain(given):
                raise ValueError
            # Keras pads for a causal convolution outside of `convolution_op`.
            if isinstance(given, keras.layers.Dense) or (
                isinstance(given, _CONVOLUTIONS) and given.padding != "causal"
            ):
                return given
            raise ValueError

        return Argument(layer, rule, convert)

    @property
    def channels_axis(self) -> int:
        """The axis of the inputs, and of the outputs, that has the units or channels."""
        return 1 if getattr(self.layer, "data_format", None) == "channels_first" else -1

    def linear(self, inputs: Any, kernel: Any) -> Any:
        """Return the product with a kernel, or the convolution, without bias and activation."""
        if isinstance(self.layer, keras.layers.Dense):
            return ops.matmul(inputs, kernel)
        return self.layer.convolution_op(inputs, kernel)

    def with_bias(self, outputs: Any) -> Any:
        """Return the outputs of `linear` with the bias of the layer, if it has one."""
        if not self.layer.use_bias:
            return outputs
        shape = [1] * len(outputs.shape)
        shape[self.channels_axis] = -1
        return outputs + ops.reshape(self.layer.bias, shape)

    def activate(self, outputs: Any) -> Any:
        """Return the activations of the layer."""
        return outputs if self.layer.activation is None else self.layer.activation(outputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the outputs of the layer inside."""
        return self.layer.compute_output_shape(input_shape)

    def save_own_variables(self, store: Any) -> None:
        """Save the weights and, which Keras' dropout does not, where the random numbers stand."""
        super().save_own_variables(store)
        store["seed_generator_state"] = self.seed_generator.state

    def load_own_variables(self, store: Any) -> None:
        """Load what `save_own_variables` saved."""
        saved = read_saved(self, store, _ADVICE)
        self.seed_generator.state.assign(saved.pop("seed_generator_state"))
        super().load_own_variables(saved)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, for saving."""
        return {**super().get_config(), **self.hyperparameters()}


def _is_plain(layer: Any) -> bool:
    known = any(isinstance(layer, each) and type(layer).call is each.call for each in _LINEAR)
    return known and layer.activity_regularizer is None
