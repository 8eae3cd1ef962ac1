"""Any elementwise rule as one compiled pass over the memory, for `compile_update=True` on torch."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.fx.experimental.proxy_tensor import make_fx

from keras_neural_opt._core.plain_tensors import PlainTensors

Lists = list[list[Any]]


# So many forms are kept. Who changes a hyperparameter in every step would compile in every step.
_MOST = 8


def compiled(
    step: Any, lists: Lists, marks: Sequence[bool], scalars: tuple[Any, ...], constants: tuple[Any, ...]
) -> Lists | None:
    """Run `step` compiled, and update `lists` in place; or do nothing and return None.

    Args:
        step: A `RuleStep`, whose `remembered` keeps the compiled forms.
        lists: Variables, gradients and slots.
        marks: Which of the variables are decayed.
        scalars: Learning rate, number of the step and coefficient of weight decay.
        constants: What `step.constants()` returned in this step.
    """
    flat = len(marks) == 1 and lists[0][0].dim() == 1 and lists[0][0].numel() > 1
    if not step.compiles or not flat:
        return None
    tensors = [x for (x,) in lists]
    key = (marks[0], scalars[2] is None, *(x.dtype for x in tensors), tensors[0].device, constants)
    if key not in step.remembered:
        if len(step.remembered) >= _MOST:
            _give_up(step, f"it would be compiled for more than {_MOST} sets of hyperparameters")
            return None
        step.remembered[key] = _Compiled(step, tensors, marks[0], scalars)
    return step.remembered[key](tensors, scalars)


class _Compiled:
    """One compiled form of a step, for given dtypes and constants; or the news that there is none."""

    def __init__(self, step: Any, tensors: list[Any], mark: bool, scalars: tuple[Any, ...]) -> None:
        self._step = step
        self._update: Callable[..., None] | None = None
        self._done = False
        self._scalars: tuple[Any, ...] = ()
        self._derived: list[Any] = []
        try:
            self._derive, update = _traced(step, tensors, mark, scalars)
            self._update = torch.compile(update, dynamic=True, fullgraph=True)
        except Exception as error:
            _give_up(step, error)

    def __call__(self, tensors: list[Any], scalars: tuple[Any, ...]) -> Lists | None:
        if self._update is None:
            return None
        if scalars != self._scalars:  # in the first part of each step
            self._scalars, self._derived = scalars, self._derive(*_as_tensors(scalars))
        try:
            self._update(tensors, self._derived)
        except Exception as error:
            if self._done:
                raise
            self._update = None
            _give_up(self._step, error)  # It is compiled in its first call, and nothing was changed when that fails.
            return None
        self._done = True
        return [[x] for x in (tensors[0], *tensors[2:])]


def _give_up(step: Any, reason: Exception | str) -> None:
    step.compilable = False
    text = " ".join(str(reason).split())[:200] or type(reason).__name__
    warnings.warn(
        f"{step.name}.compile_update: the rule runs uncompiled, since compiling it failed: {text}", stacklevel=2
    )


def _traced(
    step: Any, tensors: list[Any], mark: bool, scalars: tuple[Any, ...]
) -> tuple[Callable[..., list[Any]], Callable[..., None]]:
    """Return what a step derives from its scalars alone, and the rest, over flat tensors of any length.

    Traced by running it, the rule may be any Python; a compiler of its bytecode would refuse some. The scalars are
    tensors in it, so that a new step number is no new graph; a rule that branches on their values raises.
    """

    def run(given: list[Any], scalars: list[Any]) -> list[Any]:
        lr, t, *coefficient = scalars
        new = step([[x] for x in given], [mark], [{}], lr, t, *(coefficient or [None]), kind=PlainTensors)
        old = [given[0], *given[2:]]
        if any(x is y for (x,), own in zip(new, old, strict=True) for y in old if y is not own):
            # It would be overwritten before it is read: the compiler drops a copy that is made in time.
            raise NotImplementedError("the rule returns an old value as new state")
        return [x for (x,) in new]

    samples = [x.new_zeros(8) for x in tensors]
    traced = make_fx(run, tracing_mode="real")(samples, _as_tensors(scalars))
    derive, graph = _split(traced, len(tensors))

    def update(given: list[Any], derived: list[Any]) -> None:
        for old, new in zip([given[0], *given[2:]], graph(*given, *derived), strict=True):
            old.copy_(new)

    # The compiler counts its attempts for each code object: a form of its own gives each rule its own budget.
    update.__code__ = update.__code__.replace(co_name=f"{step.name}_update")
    return derive, update


def _split(traced: Any, count: int) -> tuple[Any, Any]:
    """Return a graph of all that depends on scalars alone, and the graph of the rest, which takes its results.

    Compiled together, the scalars would be computed anew for every few elements.

    Args:
        traced: A graph module whose first `count` inputs are tensors and the others scalars.
        count: The number of tensors.
    """
    nodes = list(traced.graph.nodes)
    inputs = [node for node in nodes if node.op == "placeholder"]
    early, late = torch.fx.Graph(), torch.fx.Graph()
    derived = {node: early.placeholder(node.name) for node in inputs[count:]}
    rest = {node: late.placeholder(node.name) for node in inputs[:count]}
    for node in nodes:
        if node.op == "call_function" and node.all_input_nodes and all(n in derived for n in node.all_input_nodes):
            derived[node] = early.node_copy(node, derived.__getitem__)
    handed = [node for node in derived if any(user not in derived for user in node.users)]
    rest |= {node: late.placeholder(node.name) for node in handed}
    for node in nodes:
        if node.op not in ("placeholder", "output") and node not in derived:
            rest[node] = late.node_copy(node, rest.__getitem__)
    (output,) = (node for node in nodes if node.op == "output")
    early.output([derived[node] for node in handed])
    late.output(torch.fx.map_arg(output.args[0], rest.__getitem__))
    return torch.fx.GraphModule(traced, early), torch.fx.GraphModule(traced, late)


def _as_tensors(scalars: tuple[Any, ...]) -> list[Any]:
    return [torch.tensor(x, dtype=torch.float64) for x in scalars if x is not None]
