"""Configurations in every spelling, the optimizers made of them, and the getters."""

import re
from typing import Any

import keras
import numpy as np
import pytest

from keras_neural_opt import api, optimizers, schedules, transforms
from keras_neural_opt.training import TrainingResult

CONFIGS = {
    "sgd": (optimizers.SGD, api.create_sgd_config, {"momentum": 0.9, "nesterov": True}),
    "adam": (optimizers.Adam, api.create_adam_config, {"beta_1": 0.8, "amsgrad": True}),
    "adamw": (optimizers.AdamW, api.create_adamw_config, {"weight_decay": 0.1}),
    "rmsprop": (optimizers.RMSprop, api.create_rmsprop_config, {"rho": 0.8, "centered": True}),
    "adagrad": (optimizers.Adagrad, api.create_adagrad_config, {"initial_accumulator_value": 0.2}),
    "adadelta": (optimizers.Adadelta, api.create_adadelta_config, {"rho": 0.8}),
    "radam": (optimizers.RAdam, api.create_radam_config, {"beta_2": 0.99}),
    "adabound": (optimizers.AdaBound, api.create_adabound_config, {"final_learning_rate": 0.3, "amsbound": True}),
    "adabelief": (optimizers.AdaBelief, api.create_adabelief_config, {"beta_2": 0.99}),
    "adafactor": (optimizers.Adafactor, api.create_adafactor_config, {"clip_threshold": 0.5}),
    "adamax": (optimizers.Adamax, api.create_adamax_config, {"beta_1": 0.8}),
    "adamp": (optimizers.AdamP, api.create_adamp_config, {"delta": 0.2, "nesterov": True}),
    "adan": (optimizers.Adan, api.create_adan_config, {"beta_3": 0.9}),
    "ademamix": (optimizers.AdEMAMix, api.create_ademamix_config, {"warmup_steps": 10}),
    "adopt": (optimizers.ADOPT, api.create_adopt_config, {"use_clipping": False}),
    "came": (optimizers.CAME, api.create_came_config, {"epsilon_2": 1e-8}),
    "lamb": (optimizers.LAMB, api.create_lamb_config, {"decay_in_trust_ratio": False}),
    "lars": (optimizers.LARS, api.create_lars_config, {"clip": True, "trust_ratio_mask": ["kernel"]}),
    "lazyadam": (optimizers.LazyAdam, api.create_lazyadam_config, {"lazy_mask": "matrices_only"}),
    "lion": (optimizers.Lion, api.create_lion_config, {"beta_2": 0.9}),
    "mars": (optimizers.MARS, api.create_mars_config, {"gamma": 0.1}),
    "nadam": (optimizers.Nadam, api.create_nadam_config, {"momentum_decay": 0.004}),
    "novograd": (optimizers.NovoGrad, api.create_novograd_config, {"grad_averaging": True}),
    "sgdp": (optimizers.SGDP, api.create_sgdp_config, {"momentum": 0.8}),
    "yogi": (optimizers.Yogi, api.create_yogi_config, {"initial_accumulator_value": 0.1}),
}


def settings(optimizer: Any) -> dict[str, Any]:
    return {name: value for name, value in optimizer.get_config().items() if name != "name"}


def test_every_optimizer_has_a_configuration():
    assert sorted(CONFIGS) == optimizers.available()


@pytest.mark.parametrize("name", CONFIGS)
def test_keywords_mapping_and_pairs_mean_the_same(name: str):
    cls, create, options = CONFIGS[name]
    options = {"learning_rate": 0.02, **options}
    expected = settings(cls(**options))
    for config in (create(**options), create(options), create(list(options.items())), create(options, clipnorm=None)):
        assert settings(api.create_neural_optimizer(name, config)) == expected
    assert create(**options) == create(options)
    assert create(**options) != create()
    assert "0.02" in repr(create(options))


SPELLINGS = [
    (api.create_adam_config, {"lr": 0.1}, {"learning_rate": 0.1}),
    (
        api.create_adam_config,
        {"beta1": 0.8, "beta2": 0.9, "eps": 1e-8},
        {"beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-8},
    ),
    (api.create_rmsprop_config, {"alpha": 0.99}, {"rho": 0.99}),
    (api.create_adabound_config, {"final_lr": 0.2}, {"final_learning_rate": 0.2}),
]


@pytest.mark.parametrize(("create", "given", "meant"), SPELLINGS)
def test_other_spellings(create: Any, given: dict[str, Any], meant: dict[str, Any]):
    assert create(**given) == create(**meant)


MISTAKES = [
    (
        lambda: api.create_adam_config(beta3=0.9),
        "Adam.beta3 must be an argument of Adam; received 0.9; did you mean beta_",
    ),
    (
        lambda: api.create_adam_config(amsgrd=True),
        "Adam.amsgrd must be an argument of Adam; received True; did you mean ams",
    ),
    (lambda: api.create_sgd_config(beta1=0.9), "SGD.beta_1 must be an argument of SGD; received 0.9"),
    (lambda: api.create_adam_config(beta1=1.0), "Adam.beta_1 must be a number in [0, 1); received 1.0"),
    (lambda: api.create_adam_config(lr=-1), "Adam.learning_rate must be a number >= 0"),
    (
        lambda: api.create_adam_config(beta1=0.9, beta_1=0.8),
        "Adam.beta_1 must be given once; received beta1=0.9 and beta_1=0.8",
    ),
    (
        lambda: api.create_adam_config([("lr", 0.1), ("lr", 0.2)]),
        "Adam.learning_rate must be given once; received lr=0.1 and lr=0.2",
    ),
    (lambda: api.create_adam_config({"lr": 0.1}, lr=0.2), "Adam.learning_rate must be given once"),
    (
        lambda: api.create_adam_config(0.1),
        "Adam.config must be a mapping or a list of (name, value) pairs; received 0.1",
    ),
    (lambda: api.create_adam_config(["lr"]), "Adam.config must be a mapping or a list of (name, value) pairs"),
    (lambda: api.create_neural_optimizer("adem"), "optimizer must be one of adabelief, adabound, adadelta, adafactor"),
    (
        lambda: api.create_neural_optimizer("sgd", api.create_adam_config()),
        "SGD.config must be a configuration of sgd; received OptimizerConfig(name='adam'",
    ),
    (
        lambda: api.create_neural_optimizer("sgd", api.create_sgd_config(momentum=0.9), momentum=0.8),
        "SGD.momentum must be given once; received momentum=0.9 and momentum=0.8",
    ),
    (
        lambda: api.create_neural_optimizer(gradient_clipping=("nrm", 1.0)),
        "create_neural_optimizer.gradient_clipping must be one of 'norm', 'variable_norm', 'value';"
        " received 'nrm'; did you mean norm?",
    ),
    (
        lambda: api.create_neural_optimizer(gradient_clipping=("norm", 0)),
        "ClipByGlobalNorm.clipnorm must be a number > 0",
    ),
    (
        lambda: api.create_neural_optimizer(gradient_clipping=1.0),
        "create_neural_optimizer.gradient_clipping must be a pair",
    ),
    (
        lambda: api.create_neural_optimizer(lr_scheduler="cosine"),
        "create_neural_optimizer.lr_scheduler must be made by a create_..._scheduler or be a LearningRateSchedule",
    ),
    (
        lambda: api.create_neural_optimizer(
            config={"lr": schedules.CosineAnnealing(0.1, 5)},
            lr_scheduler=api.create_cosine_annealing_scheduler(T_max=5),
        ),
        "create_neural_optimizer.config must have a number as learning_rate for the scheduler to start from",
    ),
    (
        lambda: api.create_neural_optimizer(steps_per_epoch=0),
        "create_neural_optimizer.steps_per_epoch must be None or an",
    ),
    (api.create_cosine_annealing_scheduler, "CosineAnnealing.decay_steps or T_max must be given; received none"),
    (
        lambda: api.create_cosine_annealing_scheduler(T_max=0),
        "CosineAnnealing.decay_steps must be an integer from 1 to 1073741823; received 0",
    ),
    (
        lambda: api.create_cosine_annealing_scheduler(T_max=5, eta_min=-1),
        "CosineAnnealing.minimum_learning_rate must be a number >= 0; received -1",
    ),
    (
        lambda: api.create_cosine_annealing_scheduler(T_max=5, last_epoch=-2),
        "CosineAnnealing.last_epoch must be an integer >= -1; received -2",
    ),
    (
        lambda: api.create_cosine_annealing_scheduler(T_max=5, etamin=0.1),
        "CosineAnnealing.etamin must be an argument of CosineAnnealing; received 0.1; did you mean eta_min?",
    ),
    (
        lambda: api.create_cosine_annealing_scheduler(T_max=5, decay_steps=6),
        "CosineAnnealing.decay_steps must be given once; received T_max=5 and decay_steps=6",
    ),
]


@pytest.mark.parametrize(("mistake", "text"), MISTAKES, ids=[text[:60] for _, text in MISTAKES])
def test_mistakes_are_explained(mistake: Any, text: str):
    with pytest.raises(ValueError, match=f"^{re.escape(text)}"):
        mistake()


@pytest.mark.parametrize(
    ("options", "steps_per_epoch", "steps", "expected"),
    [
        ({"T_max": 10}, None, [0, 5, 10, 20], [0.5, 0.25, 0.0, 0.0]),
        ({"T_max": 10}, 3, [0, 15, 30, 60], [0.5, 0.25, 0.0, 0.0]),
        ({"T_max": 10, "eta_min": 0.1}, None, [0, 5, 10], [0.5, 0.3, 0.1]),
        ({"T_max": 10, "last_epoch": 4}, None, [0, 5], [0.25, 0.0]),
        ({"T_max": 10, "last_epoch": 4}, 3, [0, 15], [0.25, 0.0]),
        ({"T_max": 10, "after": "mirror"}, None, [10, 15, 20], [0.0, 0.25, 0.5]),
        ({"decay_steps": 10, "minimum_learning_rate": 0.1}, None, [0, 10], [0.5, 0.1]),
    ],
)
def test_the_scheduler_starts_from_the_configured_rate(
    options: dict[str, Any], steps_per_epoch: int | None, steps: list[int], expected: list[float]
):
    scheduler = api.create_cosine_annealing_scheduler(**options)
    optimizer = api.create_neural_optimizer("sgd", {"lr": 0.5}, lr_scheduler=scheduler, steps_per_epoch=steps_per_epoch)
    np.testing.assert_allclose([optimizer._learning_rate(step) for step in steps], expected, rtol=0, atol=1e-15)


SCHEDULERS = {
    "constant": ({}, schedules.Constant(0.5)),
    "cosine_annealing": ({"T_max": 7}, schedules.CosineAnnealing(0.5, 7)),
    "cosine_annealing_warm_restarts": (
        {"T_0": 7, "T_mult": 2, "eta_min": 0.1},
        schedules.CosineAnnealingWarmRestarts(0.5, 7, 2, minimum_learning_rate=0.1),
    ),
    "cyclical": ({"max_lr": 0.9, "step_size_up": 7}, schedules.Cyclical(0.5, 0.9, 7)),
    "exponential_decay": ({"gamma": 0.9}, schedules.ExponentialDecay(0.5, 1, 0.9)),
    "inverse_square_root": ({"timescale": 7}, schedules.InverseSquareRoot(0.5, 7)),
    "join": (
        {"schedulers": [api.create_constant_scheduler(), 0.1], "milestones": [7]},
        schedules.Join([schedules.Constant(0.5), 0.1], [7]),
    ),
    "linear_decay": ({"total_iters": 7}, schedules.LinearDecay(0.5, 7)),
    "multi_step_decay": ({"milestones": [3, 7], "gamma": 0.2}, schedules.MultiStepDecay(0.5, [3, 7], 0.2)),
    "noam": ({"model_size": 64, "warmup_steps": 7}, schedules.Noam(64, 7)),
    "one_cycle": ({"total_steps": 7, "div_factor": 10.0}, schedules.OneCycle(0.5, 7, div_factor=10.0)),
    "polynomial_decay": ({"total_iters": 7, "power": 2}, schedules.PolynomialDecay(0.5, 7, power=2.0)),
    "reduce_on_plateau": (
        {"schedule": api.create_step_decay_scheduler(step_size=7), "threshold": 0.1},
        schedules.ReduceOnPlateau(schedules.StepDecay(0.5, 7)),
    ),
    "step_decay": ({"step_size": 7, "gamma": 0.2}, schedules.StepDecay(0.5, 7, 0.2)),
    "warmup": (
        {"schedule": api.create_cosine_annealing_scheduler(T_max=7), "warmup_steps": 3, "start_factor": 0.1},
        schedules.Warmup(schedules.CosineAnnealing(0.5, 7), 3, initial_factor=0.1),
    ),
    "warmup_stable_decay": (
        {"warmup_steps": 3, "stable_steps": 4, "decay_steps": 5},
        schedules.WarmupStableDecay(0.5, 3, 4, 5),
    ),
}


@pytest.mark.parametrize("name", SCHEDULERS)
def test_every_scheduler_takes_the_spellings_of_torch(name: str):
    options, expected = SCHEDULERS[name]
    scheduler = getattr(api, f"create_{name}_scheduler")(options)
    optimizer = api.create_neural_optimizer("sgd", learning_rate=0.5, lr_scheduler=scheduler)
    told = api.create_neural_optimizer("sgd", learning_rate=0.5, lr_scheduler=scheduler, steps_per_epoch=10)
    for step in range(20):
        assert optimizer._learning_rate(step) == expected(step)
        if name not in ("noam", "one_cycle"):  # of which the first and the last step are parts
            assert told._learning_rate(10 * step) == pytest.approx(expected(step), rel=1e-12, abs=1e-15)


def test_every_schedule_has_a_scheduler():
    made = {f"create_{name}_scheduler" for name in SCHEDULERS}
    assert made == {name for name in api.__all__ if name.endswith("_scheduler")}
    of_other_things = {
        "OneCycleMomentum",
        "Product",
        "Scaled",
        "Schedule",
        "CurriculumDropout",
        "EarlyDropout",
        "LateDropout",
    }
    base = keras.optimizers.schedules.LearningRateSchedule
    public = [getattr(schedules, name) for name in schedules.__all__]
    classes = {x.__name__ for x in public if isinstance(x, type) and issubclass(x, base)}
    assert len(made) == len(classes - of_other_things)


def test_a_schedule_in_epochs_is_told_their_length():
    schedule = schedules.LinearDecay(0.5, 1.5, unit="epoch")
    optimizer = api.create_neural_optimizer("sgd", lr_scheduler=schedule, steps_per_epoch=10)
    assert optimizer._learning_rate.get_config()["decay_steps"] == 15


def test_a_rate_of_its_own_goes_before_the_optimizers():
    scheduler = api.create_one_cycle_scheduler(max_lr=0.9, total_steps=2, pct_start=1.0)
    assert api.create_neural_optimizer("sgd", learning_rate=0.5, lr_scheduler=scheduler)._learning_rate(1) == 0.9


def test_the_scheduler_starts_from_the_default_rate():
    scheduler = api.create_cosine_annealing_scheduler([("T_max", 10)])
    assert api.create_neural_optimizer("adam", lr_scheduler=scheduler)._learning_rate(0) == 0.001
    assert api.create_neural_optimizer("sgd", lr_scheduler=scheduler)._learning_rate(0) == 0.01


CLIPPING = [
    (("norm", 2.0), ["ClipByGlobalNorm(clipnorm=2.0)"]),
    (("variable_norm", 2.0), ["ClipByNorm(clipnorm=2.0)"]),
    (("value", 2), ["ClipByValue(clipvalue=2.0)"]),
    (transforms.ClipByValue(3.0), ["ClipByValue(clipvalue=3.0)"]),
    ([("value", 2.0), transforms.ClipByNorm(1.0)], ["ClipByValue(clipvalue=2.0)", "ClipByNorm(clipnorm=1.0)"]),
    (None, []),
]


@pytest.mark.parametrize(("clipping", "expected"), CLIPPING)
def test_gradient_clipping(clipping: Any, expected: list[str]):
    optimizer = api.create_neural_optimizer("sgd", gradient_clipping=clipping)
    assert [repr(transform) for transform in optimizer.gradient_transforms] == expected


def test_clipping_comes_before_the_transforms_of_the_configuration():
    config = api.create_sgd_config(gradient_transforms=[transforms.ClipByValue(3.0)])
    optimizer = api.create_neural_optimizer("sgd", config, gradient_clipping=("norm", 1.0))
    names = [type(transform).__name__ for transform in optimizer.gradient_transforms]
    assert names == ["ClipByGlobalNorm", "ClipByValue"]


def test_base_options_pass_through():
    optimizer = api.create_neural_optimizer("adam", weight_decay=0.1, weight_decay_mode="l2", nonfinite="skip")
    assert (optimizer.weight_decay, optimizer.weight_decay_mode, optimizer.nonfinite) == (0.1, "l2", "skip")


def test_getters_take_the_result_or_its_history():
    history = {"loss": [1.0, 0.1, *5 * [0.1]]}
    result = TrainingResult([np.ones(2)], history)
    assert api.get_final_weights(result) is result.weights
    for given in (result, history):
        assert api.get_training_history(given) == history
        assert api.get_final_loss(given) == 0.1
        assert api.converged(given) is True


@pytest.mark.parametrize("getter", [api.get_training_history, api.get_final_loss, api.converged])
@pytest.mark.parametrize("given", [None, {}, {"loss": []}, [1.0]])
def test_getters_refuse_anything_else(getter: Any, given: Any):
    with pytest.raises(ValueError, match=r"result must be a TrainingResult or its history; received"):
        getter(given)


@pytest.mark.parametrize("convert", [np.asarray, keras.ops.convert_to_tensor, keras.Variable])
def test_l2_penalty_of_nested_weights(convert: Any):
    weights = {"a": [convert(np.array([3.0, 4.0], "float32"))], "b": convert(np.float32(2.0))}
    assert keras.ops.convert_to_numpy(api.l2_penalty(weights, 0.5)) == 14.5


def test_l2_penalty_of_numpy_stays_numpy():
    assert isinstance(api.l2_penalty([np.ones(2)], 0.5), np.float64)


def test_wrappers_go_around_the_optimizer_in_a_fixed_order():
    optimizer = api.create_neural_optimizer(
        "adam",
        lookahead=True,
        ema={"momentum": 0.9},
        swa=[("start_step", 5), ("period", 2)],
        switch_to_sgd={"at_step": 3, "lr": 0.1},
        compression="int8",
        learning_rate=0.5,
    )
    assert repr(optimizer.compression) == "Int8(block=256)"
    names = []
    while hasattr(optimizer, "inner_optimizer"):
        names.append(type(optimizer).__name__)
        optimizer = optimizer.inner_optimizer
    assert names == [
        "DistributedOptimizer",
        "StochasticWeightAveraging",
        "ExponentialMovingAverage",
        "Lookahead",
        "SwitchToSGD",
    ]
    assert float(keras.ops.convert_to_numpy(optimizer.learning_rate)) == 0.5
    assert type(api.create_neural_optimizer("adam", lookahead=False, swa=None)) is optimizers.Adam


@pytest.mark.parametrize(
    ("wrappers", "message"),
    [
        ({"swa": True}, "StochasticWeightAveraging.start_step must be an integer >= 1; received none"),
        (
            {"lookahead": {"period": 3}},
            "Lookahead.period must be an argument of it; received 3; did you mean sync_period?",
        ),
        ({"ema": 0.9}, "ExponentialMovingAverage.config must be a mapping or a list of (name, value) pairs"),
        ({"switch_to_sgd": {"at_step": 3}}, "SwitchToSGD.learning_rate must be given together with at_step"),
    ],
)
def test_bad_wrappers(wrappers: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=re.escape(message)):
        api.create_neural_optimizer("adam", **wrappers)


@pytest.mark.parametrize(
    ("batch_size", "rule", "rate", "epochs"),
    [
        (256, "linear", 0.1, 0.0),
        (512, "linear", 0.2, 1.0),
        (8192, "linear", 3.2, 5.0),
        (2**20, "sqrt", 6.4, 5.0),
        (64, "linear", 0.025, 0.0),
        (64, "sqrt", 0.05, 0.0),
    ],
)
def test_the_rate_of_another_batch_size(batch_size: int, rule: str, rate: float, epochs: float):
    scaled = api.scale_learning_rate(0.1, 256, batch_size, rule)
    assert (scaled.learning_rate, scaled.warmup_epochs) == (pytest.approx(rate), epochs)
    schedule = scaled.warmed_up(schedules.LinearDecay(scaled.learning_rate, 10, unit="epoch")).in_steps(4)
    assert schedule(round(4 * epochs)) == pytest.approx(rate)
    assert schedule(round(4 * epochs) + 20) == pytest.approx(rate / 2)
    assert schedule(round(2 * epochs)) == pytest.approx(rate / 2 if epochs else rate)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learning_rate": -1}, "scale_learning_rate.learning_rate must be a number >= 0; received -1"),
        ({"base_batch_size": 0}, "scale_learning_rate.base_batch_size must be an integer >= 1; received 0"),
        ({"batch_size": 1.5}, "scale_learning_rate.batch_size must be an integer >= 1; received 1.5"),
        ({"rule": "root"}, "scale_learning_rate.rule must be one of 'linear', 'sqrt'; received 'root'"),
    ],
)
def test_bad_batch_sizes_are_refused(options: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        api.scale_learning_rate(**{"learning_rate": 0.1, "base_batch_size": 32, "batch_size": 64, **options})


def test_a_schedule_from_elsewhere_is_refused():
    with pytest.raises(ValueError, match=r"^ScaledLearningRate.schedule must start from 0.2; received one that starts"):
        api.scale_learning_rate(0.1, 32, 64).warmed_up(schedules.CosineAnnealing(0.1, 10))
