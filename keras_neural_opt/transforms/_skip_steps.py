"""What transforms that leave out whole steps have in common."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from keras_neural_opt._core.backend import native
from keras_neural_opt._core.branches import nothing
from keras_neural_opt._core.counters import count, new_counter
from keras_neural_opt._core.tensors import Scalar, Tensors
from keras_neural_opt.transforms._transform import GradientContext, GradientTransform


class SkipSteps(GradientTransform):
    """Leaves out, and counts, the steps whose global gradient norm it does not take.

    A subclass says which those are, in `takes` and, for the reader of an error, in `fault`.
    """

    fault: str
    max_consecutive: int | None

    def takes(self, norm: Scalar) -> Any:
        """Return whether a step of this global gradient norm is taken, as a condition."""
        raise NotImplementedError

    @property
    def skipped(self) -> Any:
        """The number of steps that were left out. A variable.

        Raises:
            AttributeError: No optimizer was built with this transform: it builds its own copy.
        """
        if not hasattr(self, "_skipped"):
            raise AttributeError(f"{type(self).__name__}.skipped exists once the optimizer that keeps it is built")
        return self._skipped

    def build(self, optimizer: Any, variables: Sequence[Any]) -> None:
        """Make the counters."""
        self._owner = type(optimizer).__name__
        self._skipped = new_counter(optimizer, "skipped")
        if self.max_consecutive:
            self._in_a_row = new_counter(optimizer, "skipped_in_a_row")

    @property
    def counters(self) -> dict[str, Any]:
        """The counters of a built one, by what they count."""
        in_a_row = {"skipped_in_a_row": self._in_a_row} if self.max_consecutive else {}
        return {"skipped": self._skipped, **in_a_row}

    def __call__(self, gradients: Tensors, context: GradientContext) -> Tensors:
        """Return the gradients as they are."""
        return gradients

    def accepts(self, gradients: Tensors, context: GradientContext) -> Any:
        """Return whether the step is taken, and count it if not.

        Raises:
            FloatingPointError: Too many in a row were not, and steps run eagerly. Nothing was changed then.
        """
        good = self.takes(context.norm(gradients))
        if self.max_consecutive:
            good = self._with_limit(good, context, self.max_consecutive)
        native.when(good, nothing, partial(count, self._skipped), [self._skipped])
        return good

    def _with_limit(self, good: Any, context: GradientContext, limit: int) -> Any:
        in_a_row = self._in_a_row
        if native.runs_eagerly(good) and not good and int(native.read(in_a_row)) >= limit - 1:
            raise FloatingPointError(self._message(int(context.step) - 1))
        # A compiled step cannot raise: from the last one that was allowed on nothing changes, until `fit` ends.
        stopped = native.read(in_a_row) >= limit
        native.when(good, nothing, partial(count, in_a_row), [in_a_row])
        good = good & ~stopped
        native.when(good, partial(native.clear, [in_a_row]), nothing, [in_a_row])
        return good

    def finish(self, optimizer: Any) -> None:
        """Say what a compiled step could not.

        Raises:
            FloatingPointError: Too many steps in a row were left out. The next training begins anew.
        """
        if self.max_consecutive and int(native.read(self._in_a_row)) >= self.max_consecutive:
            message = self._message(int(native.read(optimizer.iterations)))
            self._in_a_row.assign(0)
            raise FloatingPointError(message)

    def _message(self, steps_before: int) -> str:
        those = "1 step" if self.max_consecutive == 1 else f"{self.max_consecutive} steps in a row"
        return f"{self._owner} stopped: {those} had {self.fault}, after effective step {steps_before}"
