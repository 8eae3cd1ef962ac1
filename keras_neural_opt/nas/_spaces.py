"""The built-in spaces by name."""

from collections.abc import Callable

from keras_neural_opt.nas._architecture_space import SearchSpace
from keras_neural_opt.nas._cell import cell
from keras_neural_opt.nas._mlp import mlp
from keras_neural_opt.nas._mobilenet_v3 import mobilenet_v3
from keras_neural_opt.nas._resnet import resnet
from keras_neural_opt.nas._transformer import transformer

SPACES: dict[str, Callable[..., SearchSpace]] = {
    "cell": cell,
    "mlp": mlp,
    "mobilenet_v3": mobilenet_v3,
    "resnet": resnet,
    "transformer": transformer,
}
