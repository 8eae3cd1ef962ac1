"""Optimizers by name."""

import fnmatch
from typing import Any, TypeVar

import keras

from keras_neural_opt._core import registry
from keras_neural_opt._core.arguments import did_you_mean

_classes: dict[str, type] = {}

T = TypeVar("T", bound=type)


def export(cls: T) -> T:
    """Register an optimizer class under its name in lower case, with Keras and with `get`."""
    registry.export(cls)
    name = cls.__name__.lower()
    _classes[name] = cls
    if name not in _keras_classes():
        # A custom object shadows a class of Keras of the same name, so only names that Keras lacks get a short one.
        keras.saving.get_custom_objects().setdefault(name, cls)
    return cls


def optimizer_class(name: str) -> type:
    """Return the class of this library called `name`, in any case.

    Raises:
        ValueError: There is no such class; the message names the nearest.
    """
    try:
        return _classes[name.lower()]
    except KeyError:
        near = did_you_mean(name, _classes)
        raise ValueError(f"optimizer must be one of {', '.join(available())}; received {name!r}{near}") from None


def available(pattern: str = "*") -> list[str]:
    """Return the names of this library's optimizers that match a shell pattern, sorted.

    Args:
        pattern: A pattern such as `"ada*"`; case does not matter. Defaults to all.

    Returns:
        Names that `get` takes.

    Example:
        >>> import keras_neural_opt as kno
        >>> kno.optimizers.available("adam*")
        ['adam', 'adamax', 'adamp', 'adamw']
    """
    return sorted(fnmatch.filter(_classes, pattern.lower()))


def get(identifier: Any, **options: Any) -> keras.optimizers.Optimizer:
    """Return an optimizer, given its name, its configuration or itself.

    Args:
        identifier: The name of an optimizer of this library or of Keras, in any case (ours first); a configuration as
            `keras.optimizers.serialize` gives it; or an optimizer, which is returned as it is.
        **options: Constructor arguments; only with a name.

    Returns:
        A Keras optimizer.

    Raises:
        ValueError: The name is unknown (the message names the nearest), or an argument is bad.

    Example:
        >>> import keras_neural_opt as kno
        >>> kno.optimizers.get("radam", learning_rate=0.01).name.startswith("r_adam")
        True
    """
    if not isinstance(identifier, str):
        if options:
            raise ValueError(f"optimizer must be a name when options are given; received {identifier!r}")
        if isinstance(identifier, (keras.optimizers.Optimizer, dict)):
            return keras.optimizers.get(identifier)
        raise ValueError(f"optimizer must be a name, a configuration or an optimizer; received {identifier!r}")
    if identifier.lower() in _classes:
        return _classes[identifier.lower()](**options)
    if identifier.lower() in _keras_classes():
        return _keras_classes()[identifier.lower()](**options)
    near = did_you_mean(identifier, [*_classes, *_keras_classes()])
    raise ValueError(f"optimizer must be a known name; received {identifier!r}{near}")


def _keras_classes() -> dict[str, type]:
    found = vars(keras.optimizers).items()
    base = keras.optimizers.Optimizer
    return {name.lower(): c for name, c in found if isinstance(c, type) and issubclass(c, base) and c is not base}
