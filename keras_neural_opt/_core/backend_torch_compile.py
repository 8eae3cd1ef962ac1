"""Any elementwise rule as one compiled pass over the memory, for `compile_update=True` on torch."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.fx.experimental.proxy_tensor import make_fx

from keras_neural_opt._core.plain_tensors import PlainTensors

Lists = list[list[Any]]


def compiled(step: Any, lists: Lists, marks: Sequence[bool], scalars: tuple[Any, ...]) -> Lists | None:
    """Run `step` compiled, and update `lists` in place; or do nothing and return None.

    Args:
        step: A `RuleStep`, whose `remembered` keeps the compiled forms.
        lists: Variables, gradients and slots.
        marks: Which of the variables are decayed.
        scalars: Learning rate, number of the step and coefficient of weight decay.
    """
    flat = len(marks) == 1 and lists[0][0].dim() == 1 and lists[0][0].numel() > 1
    if not step.compiles or not step.elementwise or not flat:
        return None
    tensors = [x for (x,) in lists]
    key = (marks[0], scalars[2] is None, *(x.dtype for x in tensors), tensors[0].device, *step.constants())
    if key not in step.remembered:
        step.remembered[key] = _Compiled(step, tensors, marks[0], scalars)
    return step.remembered[key](tensors, scalars)


class _Compiled:
    """One compiled form of a step, for given dtypes and constants; or the news that there is none."""

    def __init__(self, step: Any, tensors: list[Any], mark: bool, scalars: tuple[Any, ...]) -> None:
        self._name = step.name
        self._function: Callable[..., None] | None = None
        self._done = False
        try:
            self._function = torch.compile(_traced(step, tensors, mark, scalars), dynamic=True, fullgraph=True)
        except Exception as error:
            self._give_up(error)

    def __call__(self, tensors: list[Any], scalars: tuple[Any, ...]) -> Lists | None:
        if self._function is None:
            return None
        try:
            self._function(tensors, [_tensor(x) for x in scalars])
        except Exception as error:
            if self._done:
                raise
            self._give_up(error)  # It is compiled in its first call, and nothing was changed when that fails.
            return None
        self._done = True
        return [[x] for x in (tensors[0], *tensors[2:])]

    def _give_up(self, error: Exception) -> None:
        self._function = None
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        warnings.warn(
            f"{self._name}.compile_update: the rule runs uncompiled, since compiling it failed: {reason}", stacklevel=2
        )


def _traced(step: Any, tensors: list[Any], mark: bool, scalars: tuple[Any, ...]) -> Callable[..., None]:
    """Return the step as a graph over flat tensors of any length.

    Traced by running it, the rule may be any Python; a compiler of its bytecode would refuse some. The scalars are
    tensors in it, so that a new step number is no new graph; a rule that branches on their values raises.
    """

    def run(given: list[Any], scalars: list[Any]) -> list[Any]:
        new = step([[x] for x in given], [mark], *scalars, kind=PlainTensors)
        return [x for (x,) in new]

    graph = make_fx(run, tracing_mode="real")([x.new_zeros(8) for x in tensors], [_tensor(x) for x in scalars])

    def into(given: list[Any], scalars: list[Any]) -> None:
        for old, new in zip([given[0], *given[2:]], graph(given, scalars), strict=True):
            old.copy_(new)

    # The compiler counts its attempts for each code object: a form of its own gives each rule its own budget.
    into.__code__ = into.__code__.replace(co_name=f"{step.name}_update")
    return into


def _tensor(x: float | None) -> Any:
    return None if x is None else torch.tensor(x, dtype=torch.float64)
