"""Gives the dropout of a model a schedule."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras

from keras_neural_opt._core.backend import native
from keras_neural_opt.layers._scheduled_dropout import ScheduledDropout
from keras_neural_opt.layers._scheduled_gaussian_dropout import ScheduledGaussianDropout
from keras_neural_opt.layers._scheduled_rate import LearningRateSchedule, rate_argument
from keras_neural_opt.layers._scheduled_spatial_dropout import (
    ScheduledSpatialDropout1D,
    ScheduledSpatialDropout2D,
    ScheduledSpatialDropout3D,
)

OWNER = "with_scheduled_dropout"
# The scheduled one of each of Keras', and the arguments that it takes from it.
REPLACEMENTS: dict[type, tuple[type, tuple[str, ...]]] = {
    keras.layers.Dropout: (ScheduledDropout, ("noise_shape",)),
    keras.layers.GaussianDropout: (ScheduledGaussianDropout, ()),
    keras.layers.SpatialDropout1D: (ScheduledSpatialDropout1D, ()),
    keras.layers.SpatialDropout2D: (ScheduledSpatialDropout2D, ("data_format",)),
    keras.layers.SpatialDropout3D: (ScheduledSpatialDropout3D, ("data_format",)),
}


def with_scheduled_dropout(model: keras.Model, schedule: Any) -> keras.Model:
    """Return a copy of a model whose dropout layers follow a schedule.

    Every `Dropout`, `SpatialDropout1D`, `2D`, `3D` and `GaussianDropout` with a rate above 0 becomes the scheduled
    layer of that kind, with its name, seed, `noise_shape` and dtype, also in models inside of the model. All weights
    are copied, and in inference the copy computes exactly what the model does.

    Args:
        model: A `Sequential` or functional model. It stays as it is.
        schedule: A schedule of rates in [0, 1), or a number for the callback `DropoutScheduler` to change. Or a
            function that is given each of the old layers and returns one of these, such as
            `lambda layer: CurriculumDropout(layer.rate, 1000)`.

    Returns:
        A new model, not compiled: a new optimizer has to be made for its weights.

    Raises:
        ValueError: The model is of another kind, or has a dropout layer inside of a layer. Build one of your own with a
            scheduled layer, and give `ScheduledDropout` the whole sequence instead of each timestep by
            `TimeDistributed`, where it would count timesteps. Or `schedule` breaks its rule.

    Example:
        >>> import keras
        >>> import keras_neural_opt as kno
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dropout(0.5, name="drop"), keras.layers.Dense(1)])
        >>> model = kno.layers.with_scheduled_dropout(model, kno.schedules.LateDropout(0.5, start_steps=1000))
        >>> type(model.get_layer("drop")).__name__
        'ScheduledDropout'

    Note:
        `dropout=` of recurrent and attention layers is no layer of the model, and stays as it is, as does
        `AlphaDropout`.
    """
    _check_model(model)
    if not _is_function(schedule):
        rate_argument(schedule).check(OWNER, "schedule")
    pairs: list[tuple[Any, Any]] = []

    def clone(layer: Any) -> Any:
        new = _scheduled(layer, schedule) if is_ordinary(layer) else type(layer).from_config(layer.get_config())
        pairs.append((layer, new))
        return new

    with _as_uncompiled(model):
        new_model = keras.models.clone_model(model, clone_function=clone, recursive=True)
    if type(new_model) is not type(model):
        raise ValueError(f"{OWNER}.model must take the arguments of keras.Model; received {model!r}")
    for layer, new in pairs:
        _copy_variables(layer, new)
    return new_model


def is_ordinary(layer: Any) -> bool:
    """Whether a layer is a dropout layer of Keras that drops something, at a rate that is compiled in."""
    return type(layer) in REPLACEMENTS and layer.rate > 0


def _is_function(schedule: Any) -> bool:
    return callable(schedule) and not isinstance(schedule, LearningRateSchedule)


def _check_model(model: Any) -> None:
    if not isinstance(model, keras.Model) or not _is_graph(model):
        raise ValueError(f"{OWNER}.model must be a Sequential or functional model; received {model!r}")
    hidden = [layer.name for layer in _hidden(model, True)]
    if hidden:
        raise ValueError(
            f"{OWNER}.model must have no dropout inside of other layers, which cannot be replaced there; received"
            f" {', '.join(hidden)}. Build these layers with one of keras_neural_opt.layers, but without"
            " TimeDistributed, in which it would count timesteps: ScheduledDropout takes the whole sequence, and its"
            " noise_shape says what is dropped together"
        )


def _scheduled(layer: Any, schedule: Any) -> Any:
    cls, names = REPLACEMENTS[type(layer)]
    rate = schedule(layer) if _is_function(schedule) else schedule
    more = {name: getattr(layer, name) for name in names}
    return cls(rate, seed=layer.seed, name=layer.name, dtype=layer.dtype_policy, trainable=layer.trainable, **more)


def _is_graph(layer: Any) -> bool:
    # Not every functional model is a `Functional` by name; Keras exports the base only.
    return isinstance(layer, (keras.Sequential, keras.Function))


def _hidden(layer: Any, reached: bool) -> Iterator[Any]:
    """Yield the dropout layers inside of a layer that cloning does not reach, but for those that are its own."""
    if isinstance(layer, (keras.layers.MultiHeadAttention, keras.layers.GroupQueryAttention)):
        return
    for inside in layer._flatten_layers(include_self=False, recursive=False):
        if is_ordinary(inside) and not reached:
            yield inside
        yield from _hidden(inside, reached and _is_graph(inside))


@contextmanager
def _as_uncompiled(model: Any) -> Iterator[None]:
    """Give a context in which Keras does not compile the clone, whose optimizer would be built too early."""
    models = [each for each in model._flatten_layers() if getattr(each, "compiled", False)]
    for each in models:
        each.compiled = False
    try:
        yield
    finally:
        for each in models:
            each.compiled = True


def _copy_variables(layer: Any, new: Any) -> None:
    if is_ordinary(layer):
        pairs = [(layer.seed_generator.state, new.seed_generator.state)]
    else:  # An operation, such as a sum of two tensors, has none.
        pairs = list(zip(getattr(layer, "variables", ()), getattr(new, "variables", ()), strict=True))
    for old, variable in pairs:
        variable.assign(native.fresh(old))
