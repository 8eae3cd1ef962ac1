"""`compile_update=True` on torch: the same numbers from one compiled pass, or a warning and the ordinary step."""

import os
import subprocess
import sys
import warnings

import keras
import numpy as np
import pytest

import keras_neural_opt as kno
from keras_neural_opt._core.arguments import fraction
from keras_neural_opt.optimizers.rules import descend, ema

pytestmark = [
    pytest.mark.skipif(keras.backend.backend() != "torch", reason="the other backends compile the whole step anyway"),
    pytest.mark.slow,
    # torch's own, while it compiles.
    pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning"),
]

# The last two are joined into one tensor, the first is larger than what is joined.
SHAPES = [(130, 130), (), (3, 4), (5,)]


def trained(optimizer, steps=3):
    import torch

    rng = np.random.default_rng(0)
    variables = [keras.Variable(rng.normal(size=s).astype("float32")) for s in SHAPES]
    for _ in range(steps):
        optimizer.apply([torch.tensor(rng.normal(size=s).astype("float32")) for s in SHAPES], variables)
    return [v.numpy() for v in variables]


@pytest.mark.parametrize("name", [n for n in kno.optimizers.available() if kno.optimizers.get(n).elementwise])
def test_the_compiled_rule_computes_the_rule(name, monkeypatch):
    from keras_neural_opt._core import backend_torch_compile, backend_torch_fused

    monkeypatch.setattr(backend_torch_fused, "usable", lambda *_: False)
    options = {"learning_rate": 0.01, "weight_decay": 0.1, "weight_decay_mask": "matrices_only"}
    plain = trained(kno.optimizers.get(name, **options))
    calls = []
    call = backend_torch_compile._Compiled.__call__
    monkeypatch.setattr(backend_torch_compile._Compiled, "__call__", lambda *a: (calls.append(call(*a)), calls[-1])[1])
    compiled = trained(kno.optimizers.get(name, compile_update=True, **options))
    assert len(calls) == 3 * 3  # the large one, the joined decayed and the joined others, in each of three steps
    assert None not in calls
    for a, b in zip(compiled, plain, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=5e-7)


def test_every_size_rank_and_step_share_one_graph():
    import torch
    from torch._dynamo.utils import counters

    optimizer = kno.optimizers.RMSprop(kno.schedules.CosineAnnealing(0.1, 10), compile_update=True)
    shapes = [(20_000,), (30_000,), (200, 200), (3, 3, 64, 64), (3, 5)]
    variables = [keras.Variable(np.zeros(shape, "float32")) for shape in shapes]
    before = counters["stats"]["unique_graphs"]
    for _ in range(3):
        optimizer.apply([torch.ones(v.shape) for v in variables], variables)
    assert counters["stats"]["unique_graphs"] == before + 1


@keras.saving.register_keras_serializable("tests")
class Momentum(kno.optimizers.RuleOptimizer):
    """A user's rule, with a hyperparameter that may be changed."""

    slots = ("momentum",)

    def __init__(self, *args, beta=0.9, **kwargs):
        super().__init__(*args, **kwargs)
        self.set_hyperparameters(beta=fraction(beta))

    def rule(self, p, g, lr, t, m):
        m = ema(m, g, self.beta)
        return descend(p, m, lr), m


def test_a_changed_hyperparameter_is_used():
    import torch

    optimizer, variable = Momentum(1.0, beta=0.5, compile_update=True), keras.Variable(np.zeros(4, "float32"))
    optimizer.apply([torch.ones(4)], [variable])
    optimizer.beta = 0.0
    optimizer.apply([torch.ones(4)], [variable])
    np.testing.assert_allclose(variable.numpy(), -1.5, atol=1e-6)


def test_a_plain_attribute_is_a_constant_too():
    import torch

    class Plain(kno.optimizers.RuleOptimizer):
        def rule(self, p, g, lr, t):
            return descend(p, g, lr * self.factor)

    optimizer, variable = Plain(1.0, compile_update=True), keras.Variable(np.zeros(4, "float32"))
    for optimizer.factor in (1.0, 3.0):
        optimizer.apply([torch.ones(4)], [variable])
    np.testing.assert_allclose(variable.numpy(), -4.0)


def test_constants_that_change_in_every_step_are_not_compiled_for_ever(monkeypatch):
    import torch

    from keras_neural_opt._core import backend_torch_compile

    monkeypatch.setattr(backend_torch_compile, "_MOST", 2)
    optimizer, variable = Momentum(1.0, compile_update=True), keras.Variable(np.zeros(4, "float32"))
    for optimizer.beta in (0.0, 0.1):
        optimizer.apply([torch.ones(4)], [variable])
    optimizer.beta = 0.2
    with pytest.warns(UserWarning, match="for more than 2 sets of hyperparameters"):
        optimizer.apply([torch.ones(4)], [variable])
    optimizer.beta = 0.3
    optimizer.apply([torch.ones(4)], [variable])
    assert len(optimizer._plan.step.remembered) == 2


class Previous(kno.optimizers.RuleOptimizer):
    """Keeps the last two values of a variable."""

    slots = ("previous", "older")

    def rule(self, p, g, lr, t, previous, older):
        return p - g * lr, p, previous


@pytest.mark.parametrize("size", [1, 2, 20_000])
def test_an_old_value_may_be_new_state(size):
    import torch

    variable, optimizer = keras.Variable(np.ones(size, "float32")), Previous(0.5, compile_update=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            optimizer.apply([torch.ones(size)], [variable])
    assert [str(w.message) for w in caught if "an old value as new state" in str(w.message)] or size == 1
    state = optimizer.state_by_role()
    found = [variable.numpy(), state["previous.0"].numpy(), state["older.0"].numpy()]
    np.testing.assert_array_equal(found, [[0.0] * size, [0.5] * size, [1.0] * size])


def test_narrow_variables_run_uncompiled():
    import torch

    found = []
    for compile_update in (True, False):
        variable = keras.Variable(np.linspace(1, 2, 20_000), dtype="bfloat16")
        optimizer = kno.optimizers.RMSprop(0.011, compile_update=compile_update)
        optimizer.apply([torch.ones(20_000, dtype=torch.bfloat16)], [variable])
        found.append(variable._value.detach().float().numpy())
        assert not optimizer._plan.step.remembered
    np.testing.assert_array_equal(*found)


class BranchesOnAValue(Momentum):
    """A rule that no compiler can take: what it does depends on the numbers."""

    def rule(self, p, g, lr, t, m):
        return super().rule(p, g, lr if float(t) > 0 else 0.0, t, m)


def test_a_rule_that_cannot_be_traced_runs_in_parts_with_a_warning():
    from keras_neural_opt._core.backend_torch_parts import Stretch, Whole

    plain = trained(Momentum(0.1))
    optimizer = BranchesOnAValue(0.1, compile_update=True)
    with pytest.warns(UserWarning, match=r"BranchesOnAValue\.compile_update: the rule runs uncompiled"):
        other = trained(optimizer)
    for a, b in zip(other, plain, strict=True):
        np.testing.assert_array_equal(a, b)
    (layout,) = optimizer._plan.layouts.values()
    assert {type(part) for part in layout.remembered[1]} <= {Stretch, Whole}


WITHOUT_A_COMPILER = """
import warnings
import keras_neural_opt as kno, keras, numpy as np, torch
def trained(**options):
    variable = keras.Variable(np.ones(30_000, "float32"))
    optimizer = kno.optimizers.RMSprop(0.1, **options)
    for _ in range(3):
        optimizer.apply([torch.linspace(-1, 1, 30_000)], [variable])
    return variable.numpy()
plain = trained()
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    assert np.array_equal(trained(compile_update=True), plain)
print([str(w.message)[:60] for w in caught if "compile_update" in str(w.message)])
"""


def test_without_a_compiler_the_rule_runs_with_one_warning():
    environment = {**os.environ, "CXX": "/nowhere/c++", "TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1"}
    command = [sys.executable, "-c", WITHOUT_A_COMPILER]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "['RMSprop.compile_update: the rule runs uncompiled, since comp']"


def test_the_update_stays_outside_a_compiled_model():
    import torch

    seen = []

    class Watching(Momentum):
        def rule(self, p, g, lr, t, m):
            seen.append(torch.compiler.is_compiling())
            return super().rule(p, g, lr, t, m)

    def weights(jit_compile):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), keras.layers.Dense(1)])
        model.compile(Watching(0.1), "mse", jit_compile=jit_compile)
        x = np.random.default_rng(0).normal(size=(16, 4)).astype("float32")
        model.fit(x, x[:, :1], batch_size=8, epochs=2, verbose=0, shuffle=False)
        return model.get_weights()

    plain, compiled = weights(False), weights(True)
    assert len(seen) == 8
    assert not any(seen)
    for a, b in zip(compiled, plain, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
