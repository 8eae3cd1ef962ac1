"""Contracts on gradients that are not ordinary: none, zero, not finite, sparse, of the wrong number or shape."""

import warnings
from collections.abc import Sequence
from functools import partial
from typing import Any

import keras
import numpy as np

from tests.contracts.contract import contract, refusal
from tests.contracts.problem import (
    Arrays,
    Gradients,
    assert_follows,
    assert_same,
    gradients,
    make_variables,
    read,
    start_values,
)
from tests.contracts.running import BACKEND, run, run_on
from tests.contracts.subject import Subject


def slots_of(optimizer: Any, index: int) -> Arrays:
    """Return the state that belongs to one variable."""
    return read([v for role, v in optimizer.state_by_role().items() if role.endswith(f".{index}")])


@contract()
def leaves_variables_without_gradient_alone(subject: Subject) -> None:
    """None moves neither the variable nor its state, decays nothing, and counts as a step for the others."""
    start, micro_steps = start_values(), gradients()
    missing = [
        [None if step in (0, 4, 5) and i == 2 else g for i, g in enumerate(gs)] for step, gs in enumerate(micro_steps)
    ]
    twin = subject.twin(weight_decay=0.05).start(start)
    expected = twin.run(missing)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = run(subject.make(weight_decay=0.05), start, missing[:5])
        before = slots_of(result.optimizer, 2)
        rest = run_on(result.optimizer, result.variables, missing[5:6])
        assert_same(slots_of(result.optimizer, 2), before, "state of a variable without gradient")
        rest.trajectory += run_on(result.optimizer, result.variables, missing[6:]).trajectory
    assert_follows([*result.trajectory, *rest.trajectory], expected, start)
    assert [w for w in caught if "Gradients do not exist for variables ['variable_2']" in str(w.message)], "no warning"


@contract()
def refuses_only_missing_gradients(subject: Subject) -> None:
    """Not one gradient is an error."""
    assert_refuses(subject, [None] * 4, ["No gradients provided for any variable"])


@contract(every_variant=True)
def bears_zero_gradients(subject: Subject) -> None:
    """Zeros at first, in between and for good divide by nothing and change what the oracle says."""
    start, micro_steps = start_values(), gradients()
    for step in (0, 1, 5, 9):
        micro_steps[step] = [np.zeros_like(g) for g in micro_steps[step]]
    micro_steps = [[g * (i != 1) for i, g in enumerate(step)] for step in micro_steps]
    expected = subject.twin().start(start).run(micro_steps)
    assert_follows(run(subject.make(), start, micro_steps).trajectory, expected, start)


BAD = {3: np.nan, 4: np.inf, 8: -np.inf}


def with_bad_steps(micro_steps: Sequence[Arrays]) -> list[Arrays]:
    """Return the gradients with a bad element in three of the steps."""
    spoiled = [[g.copy() for g in step] for step in micro_steps]
    for step, value in BAD.items():
        spoiled[step][1][2] = value
    return spoiled


@contract()
def skips_nonfinite_steps(subject: Subject) -> None:
    """With `skip`, a bad step changes nothing: the rest goes as if it had never been."""
    start, micro_steps = start_values(), gradients()
    good = [step for i, step in enumerate(micro_steps) if i not in BAD]
    options = {"nonfinite": "skip", "use_ema": True, "global_clipnorm": 3.0}
    result = run(subject.make(**options), start, with_bad_steps(micro_steps))
    undisturbed = run(subject.make(**options), start, good)
    assert_same(result.trajectory[-1], undisturbed.trajectory[-1], "variables after skipped steps")
    own = {role: v for role, v in result.optimizer.state_by_role().items() if role not in ("iteration", "skipped")}
    others = undisturbed.optimizer.state_by_role()
    assert_same(read(list(own.values())), read([others[role] for role in own]), "state after skipped steps")
    assert int(result.optimizer.skipped) == len(BAD)
    assert int(result.optimizer.iterations) == len(good)


@contract()
def drops_nonfinite_windows(subject: Subject) -> None:
    """With `skip`, one bad micro-step drops its window of accumulated gradients, and no more than that."""
    start, micro_steps = start_values(), gradients()
    good = [step for i, step in enumerate(micro_steps) if i // 2 not in {bad // 2 for bad in BAD}]
    options = {"nonfinite": "skip", "gradient_accumulation_steps": 2}
    result = run(subject.make(**options), start, with_bad_steps(micro_steps))
    undisturbed = run(subject.make(**options), start, good)
    assert_same(result.trajectory[-1], undisturbed.trajectory[-1], "variables after dropped windows")
    assert (int(result.optimizer.skipped), int(result.optimizer.iterations)) == (3, len(good) // 2)


@contract()
def raises_on_nonfinite_gradients(subject: Subject) -> None:
    """With `raise`, an eager bad step raises and changes no variable and no state; the next good one goes on."""
    start, micro_steps = start_values(), gradients()
    for options in ({}, {"gradient_accumulation_steps": 2}):
        optimizer = subject.make(nonfinite="raise", **options)
        result = run(optimizer, start, micro_steps[:3])
        before, state = read(result.variables), result.state
        bad = with_bad_steps(micro_steps)[3:4]
        message = refusal(FloatingPointError, partial(run_on, optimizer, result.variables, bad))
        assert type(optimizer).__name__ in message
        assert_same(read(result.variables), before, "variables after the error")
        if not options:
            assert_same(result.state, state, "state after the error")
    optimizer = subject.make(nonfinite="raise")
    expected = subject.twin().start(start).run(micro_steps)
    assert_follows(run(optimizer, start, micro_steps).trajectory, expected, start)


@contract()
def propagates_nonfinite_gradients(subject: Subject) -> None:
    """By default NaN goes where it comes from: into that element and no other; a rule of norms takes the variable."""
    start, micro_steps = start_values(), gradients()
    micro_steps[3][1][2] = np.nan
    with np.errstate(invalid="ignore"):
        expected = subject.twin().start(start).run(micro_steps)
    result = run(subject.make(), start, micro_steps)
    assert np.isnan(result.trajectory[-1][1][2]), "NaN did not reach its element"
    lost = 2 if subject.make().elementwise else slice(None)
    for step in (*result.trajectory, *expected):
        step[1] = np.delete(step[1], lost)
    start[1] = np.delete(start[1], lost)
    assert_follows(result.trajectory, expected, start)


@contract()
def refuses_gradients_that_do_not_match(subject: Subject) -> None:
    """Wrong counts and shapes are named, with the variable's path, before anything changes."""
    good = gradients(1)[0]
    name = subject.spec.cls.__name__
    assert_refuses(subject, good[:3], [f"{name}.apply", "3 gradients", "4 variables"])
    assert_refuses(subject, [*good, good[0]], [f"{name}.apply", "5 gradients", "4 variables"])
    for i, wrong in ((1, (1,)), (1, ()), (2, (5, 4)), (2, (5,)), (0, (1,)), (3, (2, 3, 2))):
        bad = [*good[:i], np.ones(wrong, "float32"), *good[i + 1 :]]
        assert_refuses(subject, bad, [f"variable_{i}", str(wrong), str(good[i].shape)])


def assert_refuses(subject: Subject, bad: Gradients, words: Sequence[str]) -> None:
    """Assert that `bad` raises a `ValueError` that says `words`, and changes nothing."""
    optimizer = subject.make()
    result = run(optimizer, start_values(), gradients(2))
    before, state = read(result.variables), result.state
    tensors = [None if g is None else keras.ops.convert_to_tensor(g) for g in bad]
    message = refusal(ValueError, lambda: optimizer.apply(tensors, result.variables))
    assert all(word in message for word in words), f"{message!r} does not say {words}"
    assert_same(read(result.variables), before, "variables after a refused call")
    assert_same(result.state, state, "state after a refused call")


ROWS, WIDTH, TOUCHED = 6, 3, (4, 1, 4)


def sparse(rows: np.ndarray) -> Any:
    """Return the backend's sparse gradient whose `TOUCHED` rows are `rows`; one of them comes twice."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        return tf.IndexedSlices(tf.constant(rows), tf.constant(TOUCHED), (ROWS, WIDTH))
    from jax.experimental import sparse as jax_sparse

    return jax_sparse.BCOO((rows, np.array(TOUCHED)[:, None]), shape=(ROWS, WIDTH))


def _no_sparse_gradients(subject: Subject) -> str:
    return "Keras has no sparse gradients on torch" if BACKEND == "torch" else ""


@contract(every_variant=True, pointless=_no_sparse_gradients)
def takes_sparse_gradients(subject: Subject) -> None:
    """A sparse gradient moves the touched rows alone where the class says so, else as the dense one would."""
    start = start_values([(ROWS, WIDTH), (3,)])
    by_rows = [row for (row, *_) in gradients(shapes=[(len(TOUCHED), WIDTH), (3,)])]
    others = [g for (_, g) in gradients(shapes=[(len(TOUCHED), WIDTH), (3,)])]
    optimizer, variables = subject.make(), make_variables(start)
    for rows, other in zip(by_rows, others, strict=True):
        optimizer.apply([sparse(rows), keras.ops.convert_to_tensor(other)], variables)
    dense = [np.zeros((ROWS, WIDTH)) for _ in by_rows]
    for gradient, rows in zip(dense, by_rows, strict=True):
        np.add.at(gradient, list(TOUCHED), rows)
    if subject.row_wise and BACKEND == "tensorflow":
        touched = sorted(set(TOUCHED))
        expected = start[0].astype("float64")
        twin = subject.twin().start([start[0][touched]])
        expected[touched] = twin.run([[g[touched]] for g in dense])[-1][0]
    else:
        expected = subject.twin().start(start[:1]).run([[g] for g in dense])[-1][0]
    dense_part = subject.twin().start(start[1:]).run([[g] for g in others])[-1]
    assert_follows([read(variables)], [[expected, *dense_part]], start)


@contract(pointless=_no_sparse_gradients)
def takes_sparse_gradients_with_services(subject: Subject) -> None:
    """What looks at every row (decay, clipping, accumulation, judging) works on a sparse gradient, too."""
    for options in (
        {"weight_decay": 0.1},
        {"global_clipnorm": 1.0},
        {"gradient_accumulation_steps": 2},
        {"loss_scale_factor": 2.0},
        {"nonfinite": "skip"},
    ):
        start = start_values([(ROWS, WIDTH)])
        by_rows = [rows for (rows,) in gradients(shapes=[(len(TOUCHED), WIDTH)])]
        optimizer, variables, dense = subject.make(**options), make_variables(start), []
        for rows in by_rows:
            optimizer.apply([sparse(rows)], variables)
            dense.append(np.zeros((ROWS, WIDTH)))
            np.add.at(dense[-1], list(TOUCHED), rows)
        expected = subject.twin(**options).start(start).run([[g] for g in dense])
        assert_follows([read(variables)], expected[-1:], start)
