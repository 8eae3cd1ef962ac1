"""Depthwise convolutions on JAX for processors, where XLA's own are slow: a loop over the places of the kernel."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

Pads = tuple[tuple[int, int], tuple[int, int]]


def is_quick() -> bool:
    """Whether `depthwise_conv` is quicker than XLA's, as on processors it is."""
    return jax.default_backend() == "cpu"


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def depthwise_conv(x: Any, kernel: Any, stride: int, padding: str) -> Any:
    """Return the convolution of each channel with its own kernel.

    Args:
        x: Of shape `(batch, rows, columns, channels)`.
        kernel: Of shape `(rows, columns, channels, 1)`.
        stride: Of both axes, >= 1.
        padding: `"same"` or `"valid"`.
    """
    return _forward(x, kernel, stride, padding)[0]


@partial(jax.jit, static_argnums=(2, 3))
def _forward(x: Any, kernel: Any, stride: int, padding: str) -> tuple[Any, tuple[Any, Any]]:
    # Half precision would round each sum, and overflow in products.
    dtype = jnp.promote_types(x.dtype, jnp.float32)
    padded = jnp.pad(x.astype(dtype), ((0, 0), *_pads(x, kernel, stride, padding), (0, 0)))
    rows, columns = _output_shape(padded, kernel, stride)
    flat = _flat(kernel).astype(dtype)

    def add_place(place: Any, total: Any) -> Any:
        return total + _seen(padded, kernel, place, rows, columns, stride) * flat[place]

    total = jnp.zeros((x.shape[0], rows, columns, x.shape[3]), dtype)
    return lax.fori_loop(0, len(flat), add_place, total).astype(x.dtype), (x, kernel)


@partial(jax.jit, static_argnums=(0, 1))
def _backward(stride: int, padding: str, known: tuple[Any, Any], gradient: Any) -> tuple[Any, Any]:
    x, kernel = known
    dtype = jnp.promote_types(x.dtype, jnp.float32)
    gradient, pads = gradient.astype(dtype), _pads(x, kernel, stride, padding)
    padded = jnp.pad(x.astype(dtype), ((0, 0), *pads, (0, 0)))
    _, rows, columns, _ = gradient.shape
    height, width = padded.shape[1:3]
    flat, sides = _flat(kernel).astype(dtype), kernel.shape[:2]
    # With zeros between its pixels, and as many around as a kernel reaches.
    around = [
        (side - 1, size - (count - 1) * stride - 1, stride - 1)
        for side, size, count in zip(sides, (height, width), (rows, columns), strict=True)
    ]
    spread = lax.pad(gradient, jnp.zeros((), gradient.dtype), ((0, 0, 0), *around, (0, 0, 0)))

    def add_place(place: Any, totals: tuple[Any, Any]) -> tuple[Any, Any]:
        of_x, of_kernel = totals
        row, column = place // sides[1], place % sides[1]
        start = (0, sides[0] - 1 - row, sides[1] - 1 - column, 0)
        of_x += lax.dynamic_slice(spread, start, padded.shape) * flat[place]
        seen = _seen(padded, kernel, place, rows, columns, stride)
        return of_x, of_kernel.at[place].set(jnp.sum(seen * gradient, (0, 1, 2), of_kernel.dtype))

    totals = jnp.zeros(padded.shape, dtype), jnp.zeros(flat.shape, dtype)
    of_x, of_kernel = lax.fori_loop(0, len(flat), add_place, totals)
    (top, _), (left, _) = pads
    of_x = of_x[:, top : top + x.shape[1], left : left + x.shape[2]]
    return of_x.astype(x.dtype), of_kernel.reshape(kernel.shape).astype(kernel.dtype)


depthwise_conv.defvjp(_forward, _backward)


def _seen(padded: Any, kernel: Any, place: Any, rows: int, columns: int, stride: int) -> Any:
    """Return the pixel that one place of the kernel meets, for each pixel of the output."""
    shape = (padded.shape[0], (rows - 1) * stride + 1, (columns - 1) * stride + 1, padded.shape[3])
    start = (0, place // kernel.shape[1], place % kernel.shape[1], 0)
    return lax.dynamic_slice(padded, start, shape)[:, ::stride, ::stride]


def _flat(kernel: Any) -> Any:
    return kernel.reshape(-1, kernel.shape[2])


def _output_shape(padded: Any, kernel: Any, stride: int) -> tuple[int, int]:
    rows, columns = ((padded.shape[axis + 1] - kernel.shape[axis]) // stride + 1 for axis in (0, 1))
    return rows, columns


def _pads(x: Any, kernel: Any, stride: int, padding: str) -> Pads:
    if padding == "valid":
        return (0, 0), (0, 0)
    rows, columns = (_same(x.shape[axis + 1], kernel.shape[axis], stride) for axis in (0, 1))
    return rows, columns


def _same(size: int, side: int, stride: int) -> tuple[int, int]:
    missing = max((-(-size // stride) - 1) * stride + side - size, 0)
    return missing // 2, missing - missing // 2
