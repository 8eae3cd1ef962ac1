"""Contracts on gradient transforms, and the table of transforms. A class without a row fails the suite."""

import json
import math
import numbers
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import pytest

from keras_neural_opt import transforms
from keras_neural_opt._core.backend import native
from keras_neural_opt._core.tensors import Tensors
from keras_neural_opt.optimizers import SGD
from tests.contracts.arguments_table import FLAG, MASK, NONNEGATIVE, PERCENTAGE, POSITIVE, Kind, integer
from tests.contracts.contract import refusal
from tests.contracts.documentation import assert_documented
from tests.contracts.problem import (
    Arrays,
    assert_follows,
    assert_same,
    distance,
    gradients,
    largest,
    make_variables,
    read,
    start_values,
)
from tests.contracts.running import WAYS, run
from tests.oracles import clipping
from tests.oracles import transforms as oracles


@dataclass(frozen=True)
class TransformSpec:
    """One row of the table.

    Args:
        cls: The class.
        options: Constructor arguments with which some of the test's gradients change and others do not.
        twin: Makes the same function in float64, of gradients and variables, which returns None for a step that is
            not to be taken; None where it draws random numbers.
        arguments: The kind of each constructor argument.
    """

    cls: Callable[..., Any]
    options: Mapping[str, Any]
    twin: Callable[[], Callable[[Sequence[np.ndarray], Sequence[np.ndarray]], Arrays | None]] | None
    arguments: Mapping[str, Kind]

    def __str__(self) -> str:
        return self.cls.__name__

    def make(self) -> Any:
        return self.cls(**self.options)

    def apply(self, values: Sequence[np.ndarray], dtype: str = "float32") -> tuple[list[Any], list[Any]]:
        """Return the backend's gradients and what the transform makes of them in its first step."""
        given = [keras.ops.convert_to_tensor(g, dtype) for g in values]
        variables = make_variables(self.variables(values), dtype)
        optimizer = SGD(gradient_transforms=[self.make()])
        optimizer.build(variables)
        context = transforms.GradientContext(variables)
        with native.without_gradients():  # as in a step
            return given, list(optimizer.gradient_transforms[0](Tensors(given), context).tensors)

    def exact(self, values: Sequence[np.ndarray], dtype: str = "float32") -> Arrays:
        """Return what the twin makes of them."""
        if self.twin is None:
            pytest.skip("draws random numbers")
        variables = [keras.ops.convert_to_tensor(x, dtype) for x in self.variables(values)]
        rounded = [keras.ops.convert_to_numpy(keras.ops.cast(x, "float32")) for x in variables]
        expected = self.twin()(read(values), read(rounded))
        return read(values) if expected is None else expected  # A refused step's gradients are nobody's.

    @staticmethod
    def variables(values: Sequence[np.ndarray]) -> Arrays:
        return start_values([np.shape(x) for x in values])


SEED = Kind(
    "None or an integer from 0 to 2147483647",
    (None, 0, 7, np.int64(0)),
    (-1, 0.5, 0.0, 2**31, "2", "", True, [0], math.nan),
)


def of_gradients(function: Callable[..., Arrays], *options: Any) -> Callable[..., Arrays]:
    """Return a twin that is a function of the gradients alone."""
    return lambda gs, ps: function(gs, *options)


def stateless(function: Callable[..., Arrays], *options: Any) -> Callable[[], Callable[..., Arrays]]:
    """Return what makes a twin that is a function of the gradients alone, and remembers nothing."""
    return lambda: of_gradients(function, *options)


SPECS = (
    TransformSpec(
        transforms.ClipByValue, {"clipvalue": 0.8}, stateless(clipping.by_value, 0.8), {"clipvalue": POSITIVE}
    ),
    TransformSpec(transforms.ClipByNorm, {"clipnorm": 1.5}, stateless(clipping.by_norm, 1.5), {"clipnorm": POSITIVE}),
    TransformSpec(
        transforms.ClipByGlobalNorm,
        {"clipnorm": 3.0},
        stateless(clipping.by_global_norm, 3.0),
        {"clipnorm": POSITIVE},
    ),
    TransformSpec(
        transforms.ClipByBlockRMS,
        {"threshold": 0.8},
        stateless(oracles.clipped_by_block_rms, 0.8),
        {"threshold": POSITIVE},
    ),
    TransformSpec(
        transforms.AdaptiveGradientClipping,
        {"clipping": 3.0, "epsilon": 0.2, "mask": None},
        lambda: lambda gs, ps: oracles.clipped_by_unit(gs, ps, 3.0, 0.2),
        {"clipping": POSITIVE, "epsilon": POSITIVE, "mask": MASK},
    ),
    TransformSpec(
        transforms.AutoClip,
        {"percentile": 40.0, "window": 4},
        lambda: of_gradients(oracles.AutoClip(40.0, 4)),
        {"percentile": PERCENTAGE, "window": integer(1)},
    ),
    TransformSpec(transforms.GradientCentralization, {"mask": None}, stateless(oracles.centralized), {"mask": MASK}),
    TransformSpec(
        transforms.NormalizeGradients,
        {"norm": 2.0, "per_variable": False, "epsilon": 1e-6},
        stateless(oracles.normalized, 2.0, 1e-6),
        {"norm": POSITIVE, "per_variable": FLAG, "epsilon": POSITIVE},
    ),
    TransformSpec(
        transforms.GradientNoise,
        {"eta": 0.3, "gamma": 0.55, "seed": 3},
        None,
        {"eta": POSITIVE, "gamma": NONNEGATIVE, "seed": SEED},
    ),
    TransformSpec(
        transforms.SkipNonFinite,
        {"max_consecutive": None},
        stateless(list),
        {"max_consecutive": integer(1).optional},
    ),
    TransformSpec(
        transforms.SkipLargeUpdates,
        {"max_norm": 3.0, "max_consecutive": None},
        stateless(oracles.unless_larger, 3.0),
        {"max_norm": POSITIVE, "max_consecutive": integer(1).optional},
    ),
)


def equals_its_twin_in_every_way(spec: TransformSpec) -> None:
    """Plain steps along the transformed gradients, eager and compiled."""
    if spec.twin is None:
        pytest.skip("draws random numbers")
    start, micro_steps = start_values(), gradients()
    twin, position, expected = spec.twin(), read(start), []
    for step in micro_steps:
        changed = twin(read(step), position)
        if changed is not None:
            position = [p - 0.1 * g for p, g in zip(position, changed, strict=True)]
        expected.append(position)
    for way in WAYS:
        optimizer = SGD(0.1, gradient_transforms=[spec.make()])
        assert_follows(run(optimizer, start, micro_steps, way).trajectory, expected, start)


def leaves_its_input_alone(spec: TransformSpec) -> None:
    """The gradients that it was given still hold what they held."""
    values = gradients(1)[0]
    given, _ = spec.apply(values)
    assert_same(read(given), read(values), "the given gradient")


def keeps_shapes_and_dtypes(spec: TransformSpec) -> None:
    """Float32, bfloat16 and float16 stay what they are, of the same shapes, near to the twin."""
    values = gradients(1)[0]
    for dtype, epsilon in (("float32", 2.0**-23), ("bfloat16", 2.0**-7), ("float16", 2.0**-10)):
        given, result = spec.apply(values, dtype)
        assert [keras.backend.standardize_dtype(x.dtype) for x in result] == [dtype] * len(values)
        assert [tuple(x.shape) for x in result] == [g.shape for g in values]
        exact = spec.exact([keras.ops.convert_to_numpy(keras.ops.cast(g, "float32")) for g in given], dtype)
        # A rounding of the factor, one of the product, one of the limit.
        assert distance(read(keras.ops.cast(x, "float32") for x in result), exact) <= 2 * epsilon * largest(exact)


def survives_extreme_gradients(spec: TransformSpec) -> None:
    """Squares that overflow or underflow, zeros and empty variables are no trouble; NaN is not hidden."""
    values = gradients(1)[0]
    for factor in (1e30, 1e-30, 0.0):
        extreme = [(g * factor).astype("float32") for g in values]
        exact = spec.exact(extreme)
        assert distance(read(spec.apply(extreme)[1]), exact) <= 1e-6 * largest(exact)
    with_empty = [*values, np.zeros((0, 3), "float32")]
    exact = spec.exact(values)
    assert distance(read(spec.apply(with_empty)[1])[:-1], exact) <= 1e-6 * largest(exact)
    values[2][1, 1] = np.nan
    assert np.isnan(read(spec.apply(values)[1])[2][1, 1])


def makes_itself_again_from_its_config(spec: TransformSpec) -> None:
    """The configuration is the arguments, as JSON."""
    transform = spec.make()
    data = json.loads(json.dumps(keras.saving.serialize_keras_object(transform)))
    again = keras.saving.deserialize_keras_object(data)
    assert type(again) is spec.cls
    assert again.get_config() == transform.get_config() == dict(spec.options)
    assert repr(transform) == f"{spec.cls.__name__}({', '.join(f'{k}={v!r}' for k, v in spec.options.items())})"


def refuses_bad_arguments(spec: TransformSpec) -> None:
    """Every bad value is refused in the library's one wording; every kind of number is taken."""
    for argument, kind in spec.arguments.items():
        for bad in kind.bad:
            message = refusal(ValueError, lambda a=argument, b=bad: spec.cls(**{**spec.options, a: b}))
            assert message == f"{spec.cls.__name__}.{argument} must be {kind.rule}; received {bad!r}"
        for good in kind.good:
            value = spec.cls(**{**spec.options, argument: good}).get_config()[argument]
            if isinstance(good, numbers.Number):
                assert type(value) is float or not kind.rule.startswith("a number")
                assert value == good


def is_documented(spec: TransformSpec) -> None:
    """The docstring has every part."""
    assert_documented(spec.cls)


CONTRACTS = (
    equals_its_twin_in_every_way,
    leaves_its_input_alone,
    keeps_shapes_and_dtypes,
    survives_extreme_gradients,
    makes_itself_again_from_its_config,
    refuses_bad_arguments,
    is_documented,
)
