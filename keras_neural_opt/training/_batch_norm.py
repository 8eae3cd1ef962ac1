"""Exact statistics for batch normalization, after weights were averaged or drawn."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from keras_neural_opt._core.arguments import check_arguments, integer, optional, positive_fraction
from keras_neural_opt._core.backend import native
from keras_neural_opt.training._data import is_dataset
from keras_neural_opt.training._frozen_batch_norm import batch_norms, is_frozen

OWNER = "recalibrate_batch_norm"


def recalibrate_batch_norm(
    model: keras.Model, data: Any, batch_size: int = 32, steps: int | None = None, fraction: float = 1.0
) -> int:
    r"""Set the means and variances of every batch norm to those of the data (Wu and Johnson, 2021).

    The moving averages that training leaves belong to weights that are gone: after weight averaging they are wrong
    altogether, after a short training they are half of where they began. This replaces them by what the present
    weights give, each sample with the same weight:

    .. math::
        \mu = \frac{1}{N} \sum_b n_b \mu_b, \qquad
        \sigma^2 = \frac{1}{N} \sum_b n_b (\sigma_b^2 + \mu_b^2) - \mu^2

    In each batch the norms take the batch's own statistics, as in training; everything else, such as dropout, does
    what it does in inference. Masked elements do not count. Sample weights are not looked at, as in training.

    Args:
        model: A model. Its frozen batch norms keep theirs.
        data: Inputs as the model takes them, an array or a structure of arrays; or a dataset (`tf.data`,
            `keras.utils.PyDataset`, torch `DataLoader`, generator) of inputs or of `(x, y)` tuples.
        batch_size: Samples a batch, >= 1, where `data` is arrays. Defaults to 32. Take that of the training; of a
            training on several replicas that of one, unless the norms are synchronized.
        steps: None for all of the data, or the largest number of batches, >= 1.
        fraction: The part in (0, 1] of all samples that these are; the old statistics speak for the others. 1/k for the
            k-th of k equal parts gives the statistics of all parts, with the first part's 1. Defaults to 1.

    Returns:
        The number of batch norms that were set. Without any the data is not read.

    Raises:
        ValueError: An argument breaks its rule, or there is no data. The statistics are as they were then.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> import keras_neural_opt as kno
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.BatchNormalization()])
        >>> kno.training.recalibrate_batch_norm(model, np.array([[1.0, 5.0], [3.0, 5.0]], "float32"))
        1
        >>> model.layers[0].moving_mean.numpy().tolist()
        [2.0, 5.0]

    Note:
        `torch.optim.swa_utils.update_bn` takes the mean of the batches' variances, without the variance between them,
        and runs dropout. `fvcore.nn.update_bn_stats` gives the same as this, with `num_iters` for `steps`. Under
        `tf.distribute` all replicas get the same statistics; in `fit` Keras lets those of norms that are not
        synchronized drift apart.

    References:
        Wu, Johnson, Rethinking "Batch" in BatchNorm, 2021, https://arxiv.org/abs/2105.07576
    """
    check_recalibration(OWNER, batch_size, steps, fraction)
    if not isinstance(model, keras.Model):
        raise ValueError(f"{OWNER}.model must be a Keras model; received {model!r}")
    norms = [layer for layer in batch_norms(model) if not is_frozen(layer)]
    if not norms:
        return 0
    if not all(layer.built for layer in norms):
        raise ValueError(f"{OWNER}.model must be built; call it once on data, or fit it")
    if any(getattr(layer, "renorm", False) for layer in norms):
        raise ValueError(
            f"{OWNER}.model must have no batch norm with renorm=True: its statistics are corrected otherwise"
        )
    sums = [_Sums(layer) for layer in norms]
    with contextlib.ExitStack() as restored:
        for each in sums:
            restored.enter_context(each.listening())
        with native.without_gradients():
            for _, x in zip(range(steps) if steps else iter(int, 1), _batches(data, batch_size), strict=False):
                model(x, training=False)
    if not all(each.count for each in sums):
        raise ValueError(f"{OWNER}.data must have samples that reach every batch norm; received none")
    for each in sums:
        each.assign(fraction)
    return len(norms)


def check_recalibration(owner: str, batch_size: Any, steps: Any, fraction: Any) -> None:
    """Raise `ValueError` in the name of an owner for the first argument that breaks its rule."""
    check_arguments(
        owner,
        batch_size=integer(batch_size, 1),
        steps=optional(integer(steps, 1)),
        fraction=positive_fraction(fraction),
    )


class _Sums:
    """What one batch norm has seen."""

    def __init__(self, layer: Any) -> None:
        self.layer = layer
        self.count = 0.0
        self.mean: Any = 0.0
        self.square: Any = 0.0

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Give a context in which the layer normalizes by each batch and its statistics are added up here."""
        layer = self.layer
        call, momentum = layer.call, layer.momentum
        before = [v.numpy() for v in (layer.moving_mean, layer.moving_variance)]

        def measured(inputs: Any, training: Any = None, mask: Any = None) -> Any:
            outputs = call(inputs, training=True, mask=mask)
            # With a momentum of 0 the moving statistics are the batch's.
            mean, variance = (v.numpy().astype("float64") for v in (layer.moving_mean, layer.moving_variance))
            n = _samples(inputs, layer.axis, mask)
            self.count += n
            self.mean += n * mean
            self.square += n * (variance + mean**2)
            return outputs

        layer.call, layer.momentum = measured, 0.0
        layer.moving_mean.assign(np.zeros(layer.moving_mean.shape))  # 0 times NaN would be NaN
        layer.moving_variance.assign(np.zeros(layer.moving_mean.shape))
        try:
            yield
        finally:
            layer.call, layer.momentum = call, momentum
            layer.moving_mean.assign(before[0])
            layer.moving_variance.assign(before[1])

    def assign(self, fraction: float) -> None:
        """Set the layer's statistics to those of all batches, which are a part of all there are."""
        mean, square = self.mean / self.count, self.square / self.count
        if fraction < 1.0:
            old, variance = (v.numpy().astype("float64") for v in (self.layer.moving_mean, self.layer.moving_variance))
            mean = old + fraction * (mean - old)
            square = (1.0 - fraction) * (variance + old**2) + fraction * square
        self.layer.moving_mean.assign(mean)
        self.layer.moving_variance.assign(np.maximum(square - mean**2, 0.0))


def _samples(inputs: Any, axis: int, mask: Any) -> float:
    if mask is not None:
        return float(np.sum(keras.ops.convert_to_numpy(mask)))
    return float(np.prod(inputs.shape) / inputs.shape[axis])


def _batches(data: Any, batch_size: int) -> Iterator[Any]:
    if is_dataset(data):
        batches = (data[i] for i in range(data.num_batches)) if isinstance(data, keras.utils.PyDataset) else data
        for batch in batches:
            x = batch[0] if isinstance(batch, (tuple, list)) else batch
            if any(type(each).__name__ == "PerReplica" for each in keras.tree.flatten(x)):
                raise ValueError(f"{OWNER}.data must be a dataset that is not distributed; received one that is")
            yield x
        return
    arrays = keras.tree.flatten(data)
    if not arrays or not all(getattr(array, "shape", ()) for array in arrays):
        raise ValueError(f"{OWNER}.data must be arrays or a dataset; received {type(data).__name__}")
    for start in range(0, int(arrays[0].shape[0]), batch_size):
        yield keras.tree.map_structure(lambda array: array[start : start + batch_size], data)  # noqa: B023 - used at once
