"""Small objects that are their hyperparameters, and are saved with the optimizer that has them."""

from typing import Any, Self

import keras

from keras_neural_opt._core.arguments import Configurable


class Configured(Configurable):
    """Makes and shows an object by its hyperparameters."""

    def get_config(self) -> dict[str, Any]:
        """Return the constructor arguments, JSON-ready."""
        save = keras.saving.serialize_keras_object
        found = self.hyperparameters().items()
        return {name: save(value) if isinstance(value, Configured) else value for name, value in found}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Return an object with these constructor arguments."""
        restore = keras.saving.deserialize_keras_object
        return cls(**{name: restore(value) if isinstance(value, dict) else value for name, value in config.items()})

    def __repr__(self) -> str:
        options = ", ".join(f"{name}={value!r}" for name, value in self.hyperparameters().items())
        return f"{type(self).__name__}({options})"
