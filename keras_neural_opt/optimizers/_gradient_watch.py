"""What a monitor learns of the gradients, from inside of the step."""

from collections.abc import Sequence
from typing import Any

from keras import ops

from keras_neural_opt._core.backend import native
from keras_neural_opt._core.branches import nothing
from keras_neural_opt._core.counters import new_counter
from keras_neural_opt._core.norms import tensor_norms
from keras_neural_opt._core.tensors import Tensors

UNKNOWN = -1.0


class GradientWatch:
    """Keeps the norm of each variable's gradient, before and after the transforms, of steps that someone asks for.

    Any other step costs one look at a number. The variables are the optimizer's, so that compiled steps may write them,
    but are not saved: a file is the same with and without.
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
        self._wanted = new_counter(optimizer, "gradient_watch_wanted")
        shape = (2, len(variables))
        self._norms = optimizer.add_variable(
            shape, dtype="float32", name="gradient_watch_norms", aggregation="only_first_replica"
        )
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
