"""Steps that are left out leave nothing behind, and too many of them are an error."""

from collections.abc import Callable

import keras
import numpy as np
import pytest

from keras_neural_opt import optimizers, transforms
from tests.contracts.problem import assert_same, gradients, make_variables, read, start_values
from tests.contracts.running import WAYS, run, run_on

BAD = (0, 3, 4, 9)
BACKEND = keras.backend.backend()
SPOILS = {"nan": np.nan, "infinity": np.inf, "large": 1e6}


def micro_steps(spoil: float | None = None, bad: tuple[int, ...] = BAD) -> list[list[np.ndarray]]:
    """Return the test's gradients: those of the bad steps spoiled, or left out."""
    steps = [[np.array(g) for g in step] for step in gradients()]
    if spoil is None:
        return [step for i, step in enumerate(steps) if i not in bad]
    for i in bad:
        steps[i][1][2] = spoil
    return steps


def around(skip: transforms.GradientTransform) -> list[transforms.GradientTransform]:
    """Put a skip behind transforms with state, which it must keep from remembering a bad step."""
    return [transforms.AutoClip(60), transforms.GradientNoise(0.01, seed=1), skip]


def ours(skip: transforms.GradientTransform):
    return optimizers.Adam(0.1, use_ema=True, global_clipnorm=3.0, gradient_transforms=around(skip))


def native(skip: transforms.GradientTransform):
    return optimizers.with_transforms(keras.optimizers.Adam(0.1), around(skip))


def inside_others(skip: transforms.GradientTransform):
    inner = optimizers.with_transforms(keras.optimizers.SGD(0.1, momentum=0.9), around(skip))
    return optimizers.ExponentialMovingAverage(optimizers.Lookahead(inner, sync_period=2))


def state(optimizer) -> list[np.ndarray]:
    """Return what it keeps, without what counts calls or skipped steps."""
    kept = [v for v in optimizer.variables if "skipped" not in v.path]
    calls = getattr(optimizer, "_iterations", None)
    return read(v for v in kept if v is not calls)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("make", "spoil"),
    [(ours, "nan"), (ours, "infinity"), (ours, "large"), (native, "nan"), (native, "large"), (inside_others, "nan")],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_the_rest_goes_as_if_the_step_had_never_been(make: Callable, spoil: str, way: str):
    def skip():
        return transforms.SkipLargeUpdates(1e4) if spoil == "large" else transforms.SkipNonFinite(3)

    spoiled = run(make(skip()), start_values(), micro_steps(SPOILS[spoil]), way)
    undisturbed = run(make(skip()), start_values(), micro_steps(), way)
    assert_same(spoiled.trajectory[-1], undisturbed.trajectory[-1], "variables after skipped steps")
    assert_same(state(spoiled.optimizer), state(undisturbed.optimizer), "state after skipped steps")
    for i in BAD[1:]:
        assert_same(spoiled.trajectory[i], spoiled.trajectory[i - 1], "variables after a skipped step")
    assert int(spoiled.optimizer.iterations) == len(micro_steps())
    assert int(undisturbed.optimizer.iterations) == len(micro_steps())


def test_both_count_their_own():
    skips = [transforms.SkipNonFinite(), transforms.SkipLargeUpdates(1e4)]
    optimizer = optimizers.SGD(0.1, gradient_transforms=skips)
    run(optimizer, start_values(), [*micro_steps(np.nan), *micro_steps(1e6, (2,))])
    # What is no number is not within the limit either.
    assert [int(x.skipped) for x in optimizer.gradient_transforms] == [len(BAD), len(BAD) + 1]
    for skip in skips:
        with pytest.raises(AttributeError, match=f"{type(skip).__name__}.skipped exists once the optimizer"):
            skip.skipped  # noqa: B018 - reading it is the test


def test_a_bad_micro_step_costs_its_window():
    def make():
        skip = transforms.SkipNonFinite()
        return optimizers.Adam(0.1, gradient_accumulation_steps=2, gradient_transforms=[skip])

    spoiled = run(make(), start_values(), micro_steps(np.nan, (3,)))
    undisturbed = run(make(), start_values(), micro_steps(bad=(2, 3)))
    assert_same(spoiled.trajectory[-1], undisturbed.trajectory[-1], "variables after a dropped window")


@pytest.mark.parametrize("wrap", [False, True], ids=["ours", "native"])
def test_too_many_in_a_row_raise_where_steps_run_eagerly(wrap: bool):
    skip = transforms.SkipNonFinite(max_consecutive=3)
    optimizer = (
        optimizers.with_transforms(keras.optimizers.SGD(0.1), [skip])
        if wrap
        else optimizers.SGD(0.1, gradient_transforms=[skip])
    )
    variables = make_variables(start_values())
    steps = micro_steps(np.nan, (0, 1, 3, 4, 5))
    run_on(optimizer, variables, steps[:5])
    before, kept = read(variables), read(optimizer.variables)
    message = f"^{type(optimizer).__name__} stopped: 3 steps in a row had a gradient that is NaN or infinite, after"
    for _ in range(2):
        with pytest.raises(FloatingPointError, match=f"{message} effective step 1$"):
            run_on(optimizer, variables, steps[5:6])
    assert_same(read(variables), before, "variables after the error")
    assert_same(read(optimizer.variables), kept, "state after the error")
    run_on(optimizer, variables, steps[6:])
    assert int(optimizer.iterations) == 1 + len(steps[6:])


@pytest.mark.slow
@pytest.mark.parametrize("wrap", [False, True], ids=["ours", "native"])
def test_too_many_in_a_row_end_a_compiled_training(wrap: bool):
    x = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")
    y = x[:, :1].copy()
    y[12:24] = np.nan  # Batches 3, 4 and 5 of 10.
    skip = transforms.SkipNonFinite(3)
    optimizer = (
        optimizers.with_transforms(keras.optimizers.SGD(0.1), [skip])
        if wrap
        else optimizers.SGD(0.1, gradient_transforms=[skip])
    )
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile(optimizer, "mse", jit_compile=BACKEND != "torch")
    with pytest.raises(FloatingPointError, match=r"3 steps in a row had .* after effective step 3$"):
        model.fit(x, y, batch_size=4, shuffle=False, epochs=2, verbose=0)
    assert int(optimizer.iterations) == 3
    model.fit(x[:12], y[:12], batch_size=4, shuffle=False, verbose=0)
    assert int(optimizer.iterations) == 6
    model.fit(x[8:20], y[8:20], batch_size=4, shuffle=False, verbose=0)  # Two in a row are allowed.
    assert int(optimizer.iterations) == 7
