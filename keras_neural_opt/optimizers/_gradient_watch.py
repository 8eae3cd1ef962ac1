"""What a monitor learns of the gradients, from inside of the step."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_neural_opt._core.backend import NAME, native
from keras_neural_opt._core.branches import nothing
from keras_neural_opt._core.norms import tensor_norms
from keras_neural_opt._core.tensors import Tensors

UNKNOWN = -1.0
# On JAX a compiled step can write nothing but the optimizer's variables. Elsewhere these are nobody's: optimizers of
# Keras that are around this one save by position, and would save them, too.
IN_STATE = NAME == "jax"


class GradientWatch:
    """Keeps the norm of each variable's gradient, before and after the transforms, of steps that someone asks for.

    Any other step costs one look at a number. Nothing of it is saved: a file is the same with and without.
    """

    def __init__(self) -> None:
        self.variables: list[Any] = []

    def build(self, optimizer: Any, variables: Sequence[Any]) -> None:
        """Make its variables.

        Args:
            optimizer: Whose they are.
            variables: The variables whose gradients are watched.
        """
        self._positions = {id(v): i for i, v in enumerate(variables)}
        with native.on_host():
            self._wanted = _variable(optimizer, (), "int32", "gradient_watch_wanted")
        self._norms = _variable(optimizer, (2, len(variables)), "float32", "gradient_watch_norms")
        self.variables = [self._wanted, self._norms]

    def ask(self) -> None:
        """Ask for the norms of the next effective step."""
        self._wanted.assign(1)

    def answer(self) -> Any:
        """Return the norms of the last step that was asked for: two rows, `UNKNOWN` where there is none."""
        return self._norms.numpy()

    def before(self, gradients: Tensors, variables: Sequence[Any]) -> None:
        """Note the gradients of `variables` as they came; nothing is known of those after the transforms yet."""
        self._note(gradients, variables, 0)

    def after(self, gradients: Tensors, variables: Sequence[Any]) -> None:
        """Note the gradients that the rule gets."""
        self._note(gradients, variables, 1)

    def _note(self, gradients: Tensors, variables: Sequence[Any], row: int) -> None:
        wanted, norms = self._wanted, self._norms

        def note() -> None:
            found = ops.cast(tensor_norms(gradients), "float32")
            places = {self._positions[id(v)]: i for i, v in enumerate(variables)}
            order = [places.get(position, len(variables)) for position in range(norms.shape[1])]
            mine = ops.take(ops.append(found, UNKNOWN), ops.array(order, "int32"))
            other = ops.full_like(mine, UNKNOWN) if row == 0 else native.read(norms)[0]
            native.write([norms], [ops.stack([mine, other] if row == 0 else [other, mine])])
            if row == 1:
                native.clear([wanted])

        native.when(native.read(wanted) > 0, note, nothing, [norms, wanted])


def _variable(optimizer: Any, shape: tuple[int, ...], dtype: str, name: str) -> Any:
    options = {"shape": shape, "dtype": dtype, "name": name, "aggregation": "only_first_replica"}
    if IN_STATE:
        return optimizer.add_variable(**options)
    return keras.Variable("zeros", trainable=False, **options)
