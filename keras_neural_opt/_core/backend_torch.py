"""What the optimizers need of torch; `backend` chooses between this file and its two siblings."""

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from operator import attrgetter
from typing import Any

import keras
import torch
from keras.src.backend.common.stateless_scope import in_stateless_scope

_ROW = 1 << 14
_OUT_OF_MEMORY = (
    "can't allocate memory",
    "not enough memory",
    "out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)
ROW_GRADIENTS = False  # only TensorFlow's gradients name the rows that they touch
sqrt, expm1, log, sin, sign, where = torch.sqrt, torch.expm1, torch.log, torch.sin, torch.sign, torch.where
_dtype, _layout, _dtype_of_variable = attrgetter("dtype"), attrgetter("layout"), attrgetter("_value.dtype")
isfinite, stack = torch.isfinite, torch.stack
ones_like, zeros_like = torch.ones_like, torch.zeros_like


def minimum(x: Any, y: Any) -> Any:
    """Elementwise minimum of a tensor and a tensor or number."""
    return torch.clamp(x, max=y)


def maximum(x: Any, y: Any) -> Any:
    """Elementwise maximum of a tensor and a tensor or number."""
    return torch.clamp(x, min=y)


def read(variable: Any) -> Any:
    """Return the variable's storage, which rules update in place; in a stateless scope, a copy of its value."""
    return read_all([variable])[0]


def read_all(variables: Sequence[Any]) -> list[Any]:
    """Return `read` of each variable. `_value` and not `value`, whose checks cost more than a small update."""
    if in_stateless_scope():
        return [variable.value.detach().clone() for variable in variables]
    return [variable._value for variable in variables]


def write(variables: Sequence[Any], values: Sequence[Any]) -> None:
    """Assign `values` to `variables`; a value that already is the variable's storage costs nothing."""
    if in_stateless_scope():
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        return
    pairs = [(s, x) for s, x in zip(read_all(variables), values, strict=True) if s is not x]
    if pairs:
        torch._foreach_copy_([storage for storage, _ in pairs], [x for _, x in pairs])


def clear(variables: Sequence[Any]) -> None:
    """Assign zeros to `variables`."""
    if in_stateless_scope():
        write(variables, [torch.zeros_like(variable.value) for variable in variables])
    else:
        torch._foreach_zero_(read_all(variables))


def cast(x: Any, dtype: Any) -> Any:
    """Return `x` as a tensor of `dtype`."""
    return keras.ops.cast(x, dtype)


def scalar(x: Any) -> float:
    """Return a number, a tensor or a variable as the kind of scalar that a rule computes with: a float."""
    return float(read(x) if isinstance(x, keras.Variable) else x)


def dense(gradients: Sequence[Any], variables: Sequence[Any]) -> list[Any]:
    """Return gradients as dense tensors of the variables' dtypes."""
    # Of every gradient in every step: without loops in bytecode, what there is to check costs a third.
    ready = set(map(type, gradients)) == {torch.Tensor} and set(map(_layout, gradients)) == {torch.strided}
    if ready and list(map(_dtype, gradients)) == list(map(_dtype_of_variable, variables)):
        return list(gradients)
    return [_converted(g, v) for g, v in zip(gradients, variables, strict=True)]


def _converted(gradient: Any, variable: Any) -> Any:
    tensor = keras.ops.convert_to_tensor(gradient, variable.dtype)
    return tensor.to_dense() if tensor.layout is not torch.strided else tensor


def vector(values: Sequence[Any], x: Any) -> Any:
    """Return numbers as a 1-D tensor of the dtype of `x`, and on its device."""
    return torch.tensor(values, dtype=x.dtype, device=x.device)


def total(x: Any) -> Any:
    """Return the sum of all elements."""
    return x.sum()


def sum_over(x: Any, axes: Sequence[int]) -> Any:
    """Return the sum of `x` over `axes`, which are kept with length 1."""
    return x.sum(tuple(axes), keepdim=True)


def column_means(x: Any) -> Any:
    """Return the means over all axes but the last, which are kept with length 1, of a tensor of at least float32."""
    return sum_over(x / math.prod(x.shape[:-1]), range(len(x.shape) - 1))


def copy(x: Any) -> Any:
    """Return `x`: assigning copies on torch."""
    return x


def fresh(variable: Any) -> Any:
    """Return the variable's value in memory of its own, to begin another variable with."""
    return variable.value.detach().clone()


def snapshot(x: Any) -> Any:
    """Return the present value of what `read` returned, which later steps change in place."""
    return x.clone()


def two_norms(tensors: Sequence[Any]) -> Any:
    """Return the 2-norm of each tensor, in one 1-D tensor of at least float32."""
    if accumulates_wide(tensors):
        return stack(
            [n.to(_wide(x)) for n, x in zip(torch._foreach_norm(tensors, 2, torch.float64), tensors, strict=True)]
        )
    folded = [_row_norms(x) if x.numel() >= 2 * _ROW else x for x in _widened(tensors)]
    return stack(_widened(torch._foreach_norm(folded)))


def _row_norms(x: Any) -> Any:
    """Return the 2-norms of stretches of `x`: torch adds in order, and loses four digits of a million squares."""
    flat = x.reshape(-1)
    whole = flat.numel() // _ROW * _ROW
    rows = torch.linalg.vector_norm(flat[:whole].view(-1, _ROW), dim=1)
    return torch.cat([rows, torch.linalg.vector_norm(flat[whole:]).reshape(1)])


def accumulates_wide(tensors: Sequence[Any]) -> bool:
    """Whether `two_norms` adds squares in so wide a type that they cannot overflow.

    Elsewhere the sum is checked, for which the host must wait: on an accelerator that costs more than float64.
    """
    return all(x.device.type not in ("cpu", "mps") and x.dtype is not torch.float64 for x in tensors)


def waits(tensors: Sequence[Any]) -> bool:
    """Whether a condition on these makes the host wait in a usual step."""
    return any(x.device.type != "cpu" for x in tensors)


def largest(tensors: Sequence[Any]) -> Any:
    """Return the largest absolute value of each tensor, in one 1-D tensor of at least float32."""
    return stack([x.abs().max().to(_wide(x)) if x.numel() else x.new_zeros((), dtype=_wide(x)) for x in tensors])


def _widened(tensors: Sequence[Any]) -> list[Any]:
    # Asking a tensor for its own dtype costs as much as a small operation.
    return [x if x.dtype is torch.float32 else x.to(_wide(x)) for x in tensors]


def _wide(x: Any) -> torch.dtype:
    return torch.promote_types(x.dtype, torch.float32)


def largest_over(x: Any, axes: Sequence[int]) -> Any:
    """Return the largest absolute value over `axes`, which are kept with length 1."""
    return x.abs().amax(tuple(axes), keepdim=True)


def finite_or(x: Any, other: Any) -> Any:
    """Return `x`, with its elements that are not finite replaced by those of `other`."""
    if x.device.type == "cpu" and bool(torch.isfinite(x.sum())):  # one pass instead of three; a GPU would have to wait
        return x
    return torch.where(torch.isfinite(x), x, other)


def plus_scaled(x: Any, y: Any, factor: float) -> Any:
    """Return `x + factor * y`."""
    return torch.add(x, y, alpha=factor)


def all_finite(x: Any) -> Any:
    """Whether every element of `x` is finite, as a condition for `choose` and `when`."""
    return bool(torch.isfinite(x).all())


def on_every_replica(finite: Any) -> Any:
    """Return whether a condition holds on every replica that takes this step."""
    return finite


def true_places(chosen: Any, count: int) -> Any:
    """Return the places of the first `count` true elements of a vector, in order, and then its length."""
    found = torch.nonzero(chosen)[:count, 0].to(torch.int32)
    return torch.nn.functional.pad(found, (0, count - len(found)), value=len(chosen))


def choose(condition: Any, yes: Callable[[], Any], no: Callable[[], Any]) -> Any:
    """Return `yes()` or `no()`, computing only the one that is asked for."""
    return yes() if condition else no()


def when(condition: Any, yes: Callable[[], Any], no: Callable[[], Any], variables: Sequence[Any]) -> None:
    """Run `yes` or `no`, whichever `condition` asks for."""
    (yes if condition else no)()


def step_when(condition: Any, step: Callable[[], Any], variables: Sequence[Any]) -> None:
    """Run `step`, in which any optimizer may take a step that changes `variables`, if `condition` says so."""
    if condition:
        step()


def uncompiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `function` as one that runs as it is where `torch.compile` compiles a whole training step.

    Dynamo would trace every call of an optimizer anew for each step number; loops over lists are what it is slowest at.
    """
    disabled: Callable[..., Any] = torch.compiler.disable(function)
    return disabled


@torch.no_grad()
def update(optimizer: Any, gradients: list[Any], variables: list[Any], step: Callable[..., Any]) -> Any:
    """Return `step(gradients)`; gradients are this process's own."""
    return step(gradients)


@torch.no_grad()
def locally(optimizer: Any, variables: Sequence[Any], step: Callable[..., Any], *arguments: Any) -> Any:
    """Return `step(*arguments)`."""
    return step(*arguments)


def take_summed_gradients(optimizer: Any) -> None:
    """Make an optimizer take gradients that are already summed over replicas, as it always does here."""


def without_gradients() -> AbstractContextManager[Any]:
    """Return a context in which nothing is kept for a backward pass."""
    return torch.no_grad()


def on_host() -> AbstractContextManager[Any]:
    """Return a context in which variables are made where the host reads them without waiting for an accelerator."""
    return keras.device("cpu")


def outside_graph() -> AbstractContextManager[None]:
    """Return a context in which assignments happen now and not in a step that is being traced."""
    return nullcontext()


def runs_eagerly(x: Any) -> bool:
    """Whether `x` has a value now, or only when the traced step runs."""
    return True


def overwrite(optimizer: Any, variables: Sequence[Any], averages: Sequence[Any]) -> None:
    """Assign the values of `averages` to `variables`, outside of a step."""
    with torch.no_grad():
        write(variables, [read(a) for a in averages])


def has_value(variable: Any) -> bool:
    """Whether the variable holds a value; on torch it always does."""
    return True


def random_state() -> Any:
    """Return the states of the backend's own random numbers, of every device."""
    return torch.get_rng_state(), torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []


def set_random_state(state: Any) -> None:
    """Go back to what `random_state` returned."""
    torch.set_rng_state(state[0])
    if state[1]:
        torch.cuda.set_rng_state_all(state[1])


def saved_random_state(state: Any) -> Any:
    """Return what `random_state` returned as numbers and arrays."""
    return state[0].numpy(), [each.cpu().numpy() for each in state[1]]


def loaded_random_state(saved: Any) -> Any:
    """Return what `saved_random_state` was made of."""
    return torch.from_numpy(saved[0]), [torch.from_numpy(each) for each in saved[1]]


def gradients(function: Callable[[list[Any]], Any], tensors: Sequence[Any]) -> list[Any]:
    """Return the gradient of what a function makes of tensors, a number, with respect to each of them.

    It reads and writes no variable; what it does not depend on has a gradient of zeros.
    """
    leaves = [x.detach().requires_grad_() for x in tensors]
    return list(torch.autograd.grad(function(leaves), leaves, materialize_grads=True))


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that there is no more memory."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    # Of the processor's memory, and of the libraries below it, torch has no error of its own.
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _OUT_OF_MEMORY)


def free_memory() -> None:
    """Give back memory that is kept for later."""
    torch.cuda.empty_cache()
