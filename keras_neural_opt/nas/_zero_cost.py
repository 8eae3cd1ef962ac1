"""What a network that was not trained says of how well it would train: gradients on one batch."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from keras_neural_opt._core.backend import native

_JITTER = 1e-5  # Mellor et al. (2020)
_LARGEST = float(np.log(np.finfo("float32").max))


def zero_cost(model: keras.Model, x: Any, y: Any, loss: Any) -> dict[str, float]:
    r"""Return three scores of a network that was not trained; each is higher where more is to be expected of it.

    With weights :math:`\theta`, inputs :math:`x`, and logits :math:`f`:

    .. math::
        \text{synflow} &= \log \textstyle\sum_i |\theta_i| \, \partial R / \partial |\theta_i|,
            \quad R = \sum f(1; |\theta|) \\
        \text{jacobian\_covariance} &= -\textstyle\sum_i \log(\lambda_i + k) + 1 / (\lambda_i + k) \\
        \text{gradient\_norm} &= \lVert \nabla_\theta \, L(f(x; \theta), y) \rVert

    where :math:`\lambda_i` are the eigenvalues of the correlations of the examples' gradients
    :math:`\partial \sum f / \partial x`, and :math:`k` is 1e-5.

    Args:
        model: A model that is built, with one tensor of inputs and one of outputs. Nothing of it changes, nor
            does the state of random numbers.
        x: A batch of inputs, of shape `(batch, ...)`.
        y: Their labels.
        loss: A loss, or its name.

    Returns:
        `synflow`, `jacobian_covariance` and `gradient_norm`. What is beyond float32 is its largest number, or for the
        covariance of gradients without a variance, its smallest. Integers, such as tokens, have no gradients: their
        covariance is 0.

    Example:
        >>> import keras, numpy as np
        >>> import keras_neural_opt as kno
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(1)])
        >>> scores = kno.nas.zero_cost(model, np.eye(4, dtype="float32"), np.ones((4, 1)), "mean_squared_error")
        >>> sorted(scores)
        ['gradient_norm', 'jacobian_covariance', 'synflow']

    Note:
        On JAX, each network's gradients are compiled first, which may take as long as a short training.

    References:
        - Tanaka, Kunin, Yamins, Ganguli, Pruning Neural Networks without Any Data by Iteratively Conserving Synaptic
          Flow, 2020, https://arxiv.org/abs/2006.05467
        - Mellor, Turner, Storkey, Crowley, Neural Architecture Search without Training, 2020,
          https://arxiv.org/abs/2006.04647
        - Abdelfattah, Mehrotra, Dudziak, Lane, Zero-Cost Proxies for Lightweight NAS, 2021,
          https://arxiv.org/abs/2101.08134
    """
    x = keras.ops.convert_to_tensor(x, model.inputs[0].dtype)
    random = native.random_state()
    try:
        with _logits(model) as logits:
            scores = {"synflow": _synflow(logits, x), "jacobian_covariance": _jacobian_covariance(logits, x)}
        return {**scores, "gradient_norm": _gradient_norm(model, x, keras.ops.convert_to_tensor(y), _loss_of(loss))}
    finally:
        native.set_random_state(random)


def _synflow(model: Any, x: Any) -> float:
    ones = keras.ops.ones_like(x[:1])
    magnitudes = [keras.ops.abs(value) for value in _values(model)]
    # Averages of batch norms would be those of the ones.
    flow = native.gradients(lambda values: keras.ops.sum(_outputs(model, values, ones, False)), magnitudes)
    total = sum(_total(w * g) for w, g in zip(magnitudes, flow, strict=True))
    return float(np.nan_to_num(np.log(max(total, np.finfo("float32").tiny)), nan=_LARGEST, posinf=_LARGEST))


def _jacobian_covariance(model: Any, x: Any) -> float:
    if not keras.backend.is_float_dtype(x.dtype):
        return 0.0
    values = _values(model)
    (gradient,) = native.gradients(lambda inputs: keras.ops.sum(_outputs(model, values, inputs[0], True)), [x])
    rows = keras.ops.convert_to_numpy(gradient).reshape(len(x), -1).astype("float64")
    with np.errstate(divide="ignore", invalid="ignore"):
        correlations = np.corrcoef(rows)
    if not np.isfinite(correlations).all():
        return -float(np.finfo("float32").max)
    eigenvalues = np.linalg.eigvalsh(correlations) + _JITTER
    return -float(np.sum(np.log(eigenvalues) + 1.0 / eigenvalues))


def _gradient_norm(model: Any, x: Any, y: Any, loss: Any) -> float:
    def of_weights(values: list[Any]) -> Any:
        return keras.ops.mean(loss(y, _outputs(model, values, x, True)))

    squares = sum(_total(g * g) for g in native.gradients(of_weights, _values(model)))
    return float(min(np.nan_to_num(np.sqrt(squares), nan=np.inf), np.finfo("float32").max))


def _values(model: Any) -> list[Any]:
    return [native.read(variable) for variable in model.trainable_variables]


def _outputs(model: Any, values: list[Any], x: Any, training: bool) -> Any:
    others = [native.read(variable) for variable in model.non_trainable_variables]
    return model.stateless_call(values, others, x, training=training)[0]


def _total(x: Any) -> float:
    return float(keras.ops.convert_to_numpy(x).astype("float64").sum())


def _loss_of(given: Any) -> Callable[[Any, Any], Any]:
    """Return a loss as `compile` would use it."""
    found = keras.losses.get(given)
    loss = found if isinstance(found, keras.losses.Loss) else _Function(found)

    def of_same_rank(y: Any, outputs: Any) -> Any:
        is_column = len(outputs.shape) == len(y.shape) + 1 and outputs.shape[-1] == 1
        return loss(keras.ops.expand_dims(y, -1) if is_column else y, outputs)

    return of_same_rank


class _Function(keras.losses.Loss):
    def __init__(self, function: Callable[[Any, Any], Any]) -> None:
        super().__init__()
        self._function = function

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self._function(y_true, y_pred)


@contextlib.contextmanager
def _logits(model: Any) -> Iterator[Any]:
    """Give the model without a last activation: probabilities sum to one, whatever the network."""
    last = model.layers[-1]
    if isinstance(last, keras.layers.Softmax):
        yield keras.Model(model.inputs, last.input)
        return
    activation = getattr(last, "activation", None)
    if activation is not None:
        last.activation = keras.activations.linear
    try:
        yield model
    finally:
        if activation is not None:
            last.activation = activation
