"""The one-call API: functions that configure, train and read results, and delegate to the classes of this library.

A long file of short functions: nearly all of it are the docstrings that users read.
"""

import contextlib
from collections.abc import Sequence
from typing import Any

from keras_neural_opt import schedules
from keras_neural_opt._core.arguments import check_arguments, flag
from keras_neural_opt.callbacks import TrainingProgress
from keras_neural_opt.callbacks._reduce_on_plateau import missing_plateau
from keras_neural_opt.compression import get as get_compressor
from keras_neural_opt.distributed import DistributedOptimizer, distribute, initialize
from keras_neural_opt.distributed._one_call import distributed_optimizer, sharded
from keras_neural_opt.optimizers import RuleOptimizer, Wrapper
from keras_neural_opt.optimizers._configs import config_creator, configured_optimizer, wrapped_optimizer
from keras_neural_opt.schedules import scale_learning_rate
from keras_neural_opt.schedules._configs import SchedulerConfig, scheduler_config, scheduler_creator
from keras_neural_opt.training import TrainingResult, find_batch_size, find_learning_rate
from keras_neural_opt.training._convergence import final_loss, has_converged, history_of
from keras_neural_opt.training._data import Data
from keras_neural_opt.training._penalty import l2_norm_squared
from keras_neural_opt.training._recommendation import Recommendation, recommended
from keras_neural_opt.training._settings import OWNER, Settings
from keras_neural_opt.training._train import train

__all__ = [
    "converged",
    "create_adabelief_config",
    "create_adabound_config",
    "create_adadelta_config",
    "create_adafactor_config",
    "create_adagrad_config",
    "create_adam_config",
    "create_adamax_config",
    "create_adamp_config",
    "create_adamw_config",
    "create_adan_config",
    "create_ademamix_config",
    "create_adopt_config",
    "create_came_config",
    "create_constant_scheduler",
    "create_cosine_annealing_scheduler",
    "create_cosine_annealing_warm_restarts_scheduler",
    "create_cyclical_scheduler",
    "create_exponential_decay_scheduler",
    "create_hyperparameter_optimization_config",
    "create_inverse_square_root_scheduler",
    "create_join_scheduler",
    "create_lamb_config",
    "create_lars_config",
    "create_lazyadam_config",
    "create_linear_decay_scheduler",
    "create_lion_config",
    "create_mars_config",
    "create_multi_step_decay_scheduler",
    "create_nadam_config",
    "create_nas_config",
    "create_neural_optimizer",
    "create_noam_scheduler",
    "create_novograd_config",
    "create_one_cycle_scheduler",
    "create_polynomial_decay_scheduler",
    "create_radam_config",
    "create_reduce_on_plateau_scheduler",
    "create_rmsprop_config",
    "create_sgd_config",
    "create_sgdp_config",
    "create_step_decay_scheduler",
    "create_warmup_scheduler",
    "create_warmup_stable_decay_scheduler",
    "create_yogi_config",
    "describe_architecture",
    "find_batch_size",
    "find_learning_rate",
    "format_hyperparameters",
    "get_architecture_performance",
    "get_best_architecture",
    "get_best_hyperparameters",
    "get_final_loss",
    "get_final_weights",
    "get_training_history",
    "hyperparameter_optimization",
    "l2_penalty",
    "neural_architecture_search",
    "recommend",
    "scale_learning_rate",
    "train_neural_network",
]


create_adabelief_config = config_creator("adabelief")
create_adabound_config = config_creator("adabound")
create_adadelta_config = config_creator("adadelta")
create_adafactor_config = config_creator("adafactor")
create_adagrad_config = config_creator("adagrad")
create_adam_config = config_creator("adam")
create_adamax_config = config_creator("adamax")
create_adamp_config = config_creator("adamp")
create_adamw_config = config_creator("adamw")
create_adan_config = config_creator("adan")
create_ademamix_config = config_creator("ademamix")
create_adopt_config = config_creator("adopt")
create_came_config = config_creator("came")
create_lamb_config = config_creator("lamb")
create_lars_config = config_creator("lars")
create_lazyadam_config = config_creator("lazyadam")
create_lion_config = config_creator("lion")
create_mars_config = config_creator("mars")
create_nadam_config = config_creator("nadam")
create_novograd_config = config_creator("novograd")
create_radam_config = config_creator("radam")
create_rmsprop_config = config_creator("rmsprop")
create_sgd_config = config_creator("sgd")
create_sgdp_config = config_creator("sgdp")
create_yogi_config = config_creator("yogi")

create_constant_scheduler = scheduler_creator(schedules.Constant, "constant")
create_cosine_annealing_warm_restarts_scheduler = scheduler_creator(
    schedules.CosineAnnealingWarmRestarts, "cosine_annealing_warm_restarts"
)
create_cyclical_scheduler = scheduler_creator(schedules.Cyclical, "cyclical")
create_exponential_decay_scheduler = scheduler_creator(schedules.ExponentialDecay, "exponential_decay")
create_inverse_square_root_scheduler = scheduler_creator(schedules.InverseSquareRoot, "inverse_square_root")
create_join_scheduler = scheduler_creator(schedules.Join, "join")
create_linear_decay_scheduler = scheduler_creator(schedules.LinearDecay, "linear_decay")
create_multi_step_decay_scheduler = scheduler_creator(schedules.MultiStepDecay, "multi_step_decay")
create_noam_scheduler = scheduler_creator(schedules.Noam, "noam")
create_one_cycle_scheduler = scheduler_creator(schedules.OneCycle, "one_cycle")
create_polynomial_decay_scheduler = scheduler_creator(schedules.PolynomialDecay, "polynomial_decay")
create_reduce_on_plateau_scheduler = scheduler_creator(schedules.ReduceOnPlateau, "reduce_on_plateau")
create_step_decay_scheduler = scheduler_creator(schedules.StepDecay, "step_decay")
create_warmup_scheduler = scheduler_creator(schedules.Warmup, "warmup")
create_warmup_stable_decay_scheduler = scheduler_creator(schedules.WarmupStableDecay, "warmup_stable_decay")


def create_cosine_annealing_scheduler(config: Any = None, /, **options: Any) -> SchedulerConfig:
    r"""Return a cosine annealing (Loshchilov and Hutter, 2017) for `create_neural_optimizer`.

    .. math:: \eta(t) = \eta_{\min} + \tfrac12 (\eta_0 - \eta_{\min}) \left(1 + \cos \frac{\pi t}{T_{\max}}\right)

    It starts from the optimizer's learning rate. `train_neural_network` counts :math:`t` in epochs, in fractions
    from step to step; elsewhere :math:`t` counts steps, unless `create_neural_optimizer` knows `steps_per_epoch`.

    Args:
        config: None, a mapping or a list of (name, value) pairs of options.
        **options: Options as keywords:
            `T_max` (or `decay_steps`), an integer >= 1: epochs or steps from the top to the bottom.
            `eta_min` (or `minimum_learning_rate`), a number >= 0: the rate at the bottom. Defaults to 0.
            `last_epoch`, an integer >= -1: start as if `last_epoch + 1` epochs had passed. Defaults to -1, the top.
            `after`: `"hold"` keeps the minimum past `T_max` (default), `"mirror"` climbs again, as torch does.

    Returns:
        A schedule whose unit is still open.

    Raises:
        ValueError: An option is missing, unknown, given twice or breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> scheduler = kno.create_cosine_annealing_scheduler(T_max=100, eta_min=1e-6, last_epoch=-1)
        >>> optimizer = kno.create_neural_optimizer("sgd", lr_scheduler=scheduler)

    Note:
        `torch.optim.lr_scheduler.CosineAnnealingLR` keeps the rate within an epoch; both agree where an epoch begins.

    References:
        Loshchilov, Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts, 2017,
        https://arxiv.org/abs/1608.03983
    """
    return scheduler_config(schedules.CosineAnnealing, config, options)


def create_neural_optimizer(
    optimizer: str = "adam",
    config: Any = None,
    lr_scheduler: Any = None,
    gradient_clipping: Any = None,
    steps_per_epoch: int | None = None,
    *,
    lookahead: Any = None,
    ema: Any = None,
    swa: Any = None,
    switch_to_sgd: Any = None,
    compression: Any = None,
    **options: Any,
) -> RuleOptimizer | Wrapper:
    """Return an optimizer with its schedule and its clipping: a real Keras optimizer.

    Args:
        optimizer: A name that `optimizers.available()` lists, in any case. Defaults to `"adam"`.
        config: What a `create_..._config` returned, a mapping, a list of (name, value) pairs, or None for the defaults.
        lr_scheduler: What a `create_..._scheduler` returned, a `LearningRateSchedule`, or None: the learning rate
            stays.
        gradient_clipping: `("norm", x)` scales all gradients together down to the 2-norm x, as torch's
            `clip_grad_norm_`; `("variable_norm", x)` each variable's gradient; `("value", x)` bounds every element. Or
            a `GradientTransform`, or a list of all these, applied in order. Defaults to None.
        steps_per_epoch: How many effective steps an epoch has, for the scheduler to count epochs outside
            `train_neural_network`. Defaults to None: there it counts epochs, elsewhere steps.
        lookahead: True, or options of `optimizers.Lookahead` as a mapping or pairs, to put it around the optimizer.
            Defaults to None: not.
        ema: The same of `optimizers.ExponentialMovingAverage`.
        swa: The same of `optimizers.StochasticWeightAveraging`, which needs a `start_step`.
        switch_to_sgd: The same of `optimizers.SwitchToSGD`. The order is: the optimizer, `switch_to_sgd`, `lookahead`,
            `ema`, `swa`, `compression`.
        compression: A compressor, or the name of one as `compression.get` takes it, for training by several workers:
            `distributed.DistributedOptimizer` is put around. Defaults to None: not.
        **options: More options of the configuration.

    Returns:
        An optimizer for `train_neural_network` or `model.compile`.

    Raises:
        ValueError: A name is unknown or a value breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> optimizer = kno.create_neural_optimizer(
        ...     optimizer="adam",
        ...     config=kno.create_adam_config(learning_rate=1e-3, weight_decay=1e-4),
        ...     lr_scheduler=kno.create_cosine_annealing_scheduler(T_max=100, eta_min=1e-6),
        ...     gradient_clipping=("norm", 1.0),
        ... )
    """
    inner = configured_optimizer(optimizer, config, lr_scheduler, gradient_clipping, steps_per_epoch, options)
    wrapped = wrapped_optimizer(inner, switch_to_sgd=switch_to_sgd, lookahead=lookahead, ema=ema, swa=swa)
    return wrapped if compression is None else DistributedOptimizer(wrapped, get_compressor(compression))


def train_neural_network(
    loss_function: Any,
    gradient_function: Any = None,
    initial_weights: Any = None,
    training_data: Any = None,
    optimizer: Any = "adam",
    epochs: int = 100,
    batch_size: int = 32,
    validation_data: Any = None,
    callbacks: Sequence[Any] = (),
    verbose: int = 1,
    *,
    loss: Any = None,
    shuffle: bool = True,
    early_stopping_patience: int | None = None,
    steps_per_epoch: int | None = None,
    validation_steps: int | None = None,
    run_eagerly: bool | None = None,
    jit_compile: bool | None = None,
    seed: int | None = None,
    distributed: bool = False,
) -> TrainingResult:
    """Train a loss function's weights, or a Keras model, and return weights and history.

    `model.fit` does the work either way, so that data of every kind, callbacks and validation work as there.

    Args:
        loss_function: A function of (weights, batch) that returns the mean loss of the batch as a scalar, or a Keras
            model.
        gradient_function: A function of (weights, batch) that returns the loss' gradient in the structure of the
            weights. Both functions are then called with NumPy arrays. None: the backend differentiates the loss, which
            must be written with `keras.ops` or the backend's own functions. None for a Keras model.
        initial_weights: An array, or lists, tuples and dictionaries of arrays; trained in Keras' float type, usually
            float32. For a Keras model None, or a list as `model.set_weights` takes it.
        training_data: An array, or tuples, lists and dictionaries of arrays of one length, whose batches have the same
            structure; or a `tf.data.Dataset`, `keras.utils.PyDataset`, torch `DataLoader` or generator, whose batches
            are passed on. For a Keras model `(x, y)` or `(x, y, sample_weight)`, or a dataset of these.
        optimizer: A Keras optimizer that has not trained yet, or a name. Defaults to `"adam"`.
        epochs: Passes over the data, >= 1. Defaults to 100.
        batch_size: Samples a step, >= 1; a dataset makes its own batches. Defaults to 32.
        validation_data: Data of the same kinds, for `val_loss` after every epoch. Defaults to None.
        callbacks: Keras callbacks. Defaults to none.
        verbose: 0 prints nothing, 1 shows a progress bar and a table (default), 2 prints a line an epoch.
        loss: For a Keras model that is not compiled: its loss. Defaults to the compiled one.
        shuffle: Whether arrays and each `PyDataset` are shuffled in each epoch. Defaults to True.
        early_stopping_patience: Stop after that many epochs in which the validation loss, or without validation data
            the loss, reached no new minimum; weights and optimizer are then those of the best epoch. Defaults to None:
            never.
        steps_per_epoch: Batches in an epoch, for data that does not know its length. Defaults to None.
        validation_steps: The same for the validation data.
        run_eagerly: Whether the functions run uncompiled. Defaults to None: if there is a gradient function. With
            `False` a gradient function is compiled too, and both functions get the backend's tensors.
        jit_compile: Whether the step is compiled by XLA or `torch.compile`. Defaults to None: as Keras decides.
        seed: An integer for `keras.utils.set_random_seed`, which makes the training repeatable. Defaults to None.
        distributed: Whether all workers of the cluster train together, each of which calls `distributed.initialize`
            first, before it makes an optimizer, and then this. `batch_size` is that of all of them. Arrays and each
            `PyDataset` are shared by `distributed.shard`; other data must be the worker's own part. Defaults to False.

    Returns:
        Weights, history, convergence; it plots, reports and saves itself.

    Raises:
        ValueError: An argument breaks its rule; nothing was trained then.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> import keras_neural_opt as kno
        >>> x = np.linspace(-1.0, 1.0, 64)
        >>> def loss_function(weights, batch):
        ...     x, y = batch
        ...     return keras.ops.mean((weights["slope"] * x - y) ** 2)
        >>> result = kno.train_neural_network(
        ...     loss_function, None, {"slope": np.zeros(1)}, (x, 3 * x), kno.optimizers.SGD(0.5), epochs=20, verbose=0
        ... )
        >>> kno.get_final_weights(result)["slope"].round(3).tolist()
        [3.0]

    Note:
        A scheduler made by a `create_..._scheduler`, or with `unit="epoch"`, counts epochs here, unless
        `create_neural_optimizer` was given `steps_per_epoch`. `history["loss"]` is the mean over the
        samples as they were seen, so the loss of an epoch belongs to weights that still moved; `val_loss` belongs to
        those at its end.
    """
    settings = Settings(
        epochs,
        batch_size,
        shuffle,
        early_stopping_patience,
        steps_per_epoch,
        validation_steps,
        run_eagerly,
        jit_compile,
        seed,
    )
    data = Data(training_data, validation_data)
    if check_arguments(OWNER, distributed=flag(distributed))["distributed"]:
        verbose = verbose if initialize().rank == 0 else 0
        optimizer = distributed_optimizer(optimizer)
        data = Data(
            sharded(training_data, batch_size, shuffle, seed or 0), sharded(validation_data, batch_size, False, 0)
        )
    prepare = distribute if distributed else None
    with contextlib.closing(TrainingProgress(verbose)) as progress:
        every = [*callbacks, *missing_plateau(optimizer, callbacks), progress]
        return train(loss_function, gradient_function, initial_weights, data, optimizer, loss, every, settings, prepare)


def get_final_weights(result: TrainingResult) -> Any:
    """Return the trained weights.

    Args:
        result: What `train_neural_network` returned.

    Returns:
        NumPy arrays in the structure of the initial weights.

    Example:
        >>> import keras_neural_opt as kno
        >>> result = kno.training.TrainingResult([1.0, 2.0], {"loss": [0.5]})
        >>> kno.get_final_weights(result)
        [1.0, 2.0]
    """
    return result.weights


def get_training_history(result: Any) -> dict[str, list[float]]:
    """Return the history: a list with one number an epoch for each quantity.

    Args:
        result: What `train_neural_network` returned, or its history.

    Returns:
        A dictionary with `"loss"`, and `"val_loss"` where there was validation data.

    Raises:
        ValueError: It is neither.

    Example:
        >>> import keras_neural_opt as kno
        >>> kno.get_training_history(kno.training.TrainingResult([], {"loss": [2.0, 0.5]}))
        {'loss': [2.0, 0.5]}
    """
    return history_of(result)


def get_final_loss(result: Any) -> float:
    """Return the training loss of the last epoch.

    Args:
        result: What `train_neural_network` returned, or its history.

    Returns:
        The mean over the samples.

    Raises:
        ValueError: It is neither.

    Example:
        >>> import keras_neural_opt as kno
        >>> kno.get_final_loss({"loss": [2.0, 0.5]})
        0.5
    """
    return final_loss(history_of(result))


def converged(result: Any) -> bool:
    """Return whether the training loss stopped to fall.

    It did when every loss is finite and the last epochs (5, or a tenth of all if that is more) lowered the best loss by
    less than a thousandth of the whole decrease. A loss that never fell has not converged.

    Args:
        result: What `train_neural_network` returned, or its history.

    Returns:
        True or False.

    Raises:
        ValueError: It is neither.

    Example:
        >>> import keras_neural_opt as kno
        >>> kno.converged({"loss": [2.0, 1.0, 0.5]}), kno.converged({"loss": [2.0, 1.0] + 6 * [0.5]})
        (False, True)
    """
    return has_converged(history_of(result))


def l2_penalty(weights: Any, strength: float) -> Any:
    """Return `strength` times the sum of the squares of all weights, for your own loss.

    Args:
        weights: An array or tensor, or lists, tuples and dictionaries of them.
        strength: A number >= 0. The gradient is `2 * strength * weights`.

    Returns:
        A scalar: a NumPy number where all weights are NumPy arrays, else a tensor.

    Example:
        >>> import numpy as np
        >>> import keras_neural_opt as kno
        >>> float(kno.l2_penalty({"w": np.array([3.0, 4.0]), "b": np.array(2.0)}, strength=0.1))
        2.9...

    Note:
        With Adam and its kin a penalty in the loss is not weight decay: see `weight_decay`.
    """
    return l2_norm_squared(weights) * strength


def recommend(model: Any, data: Any = None, batch_size: int | None = None, budget: int | None = None) -> Recommendation:
    """Return how to train a model: optimizer, rate, schedule, clipping and decay, each with its reason.

    A place to begin, by what the model is made of: convolutions with batch norms, recurrent layers, attention, depth
    without norms; by the size of its batches; by how many samples there are for its parameters.

    Args:
        model: A built Keras model; it is not changed.
        data: The training data, as `train_neural_network` takes it. Defaults to None: nothing is said of dropout, and
            the schedule counts epochs in `train_neural_network` alone.
        batch_size: Samples a step, >= 1. Defaults to None: as the dataset makes them, else 32.
        budget: How many epochs the training may take, >= 1. Defaults to None: unknown, so that the rate waits for a
            plateau of the validation loss.

    Returns:
        Its `arguments` are those of `create_neural_optimizer`; `build()` returns the optimizer and `table()` prints
        the reasons.

    Raises:
        ValueError: The model is not built or has nothing to train, or an argument breaks its rule.

    Example:
        >>> import keras
        >>> import keras_neural_opt as kno
        >>> layers = [keras.layers.Conv2D(8, 3), keras.layers.BatchNormalization(), keras.layers.Dense(10)]
        >>> model = keras.Sequential([keras.Input((8, 8, 1)), *layers])
        >>> advice = kno.recommend(model, batch_size=256, budget=90)
        >>> advice.optimizer.name, advice.optimizer.options["learning_rate"]
        ('sgd', 0.1)
        >>> optimizer = kno.create_neural_optimizer(**advice.arguments)

    References:
        Goyal et al., Accurate, Large Minibatch SGD, 2017, https://arxiv.org/abs/1706.02677

        He et al., Bag of Tricks for Image Classification with Convolutional Neural Networks, 2019,
        https://arxiv.org/abs/1812.01187
    """
    return recommended(model, data, batch_size, budget)


def create_hyperparameter_optimization_config(config: Any = None, /, **options: Any) -> Any:
    """Return a checked configuration of `hyperparameter_optimization`.

    Args:
        config: None, a mapping or a list of (name, value) pairs of options.
        **options: Options as keywords, here with their defaults.

            What is searched: `search_space`, as `hpo.SearchSpace` takes it (must be given); `objective`, as
            `hpo.OptunaOracle` takes it (None: `"val_loss"`, or `"loss"` where nothing is validated).

            How: `optimization_method` (`"auto"`): `"bayesian"`, `"tpe"`, `"gp"`, `"cma_es"`, `"nsga2"`, `"random"`,
            `"qmc"`, `"grid"`, `"asha"`, `"hyperband"` or `"bohb"`; `pruner` (`"auto"`: the
            method's, or that of `hpo.OptunaTuner`; None: none); `initial_points` (()): mappings of names to values that
            are tried first; `warm_start` (None): what `hpo.OptunaOracle.learn_from` takes; `constraints` (None), as
            `hpo.OptunaOracle` takes them; `seed` (None).

            How long: `max_trials` (50); `early_stopping_patience` (None): end after that many trials without a new
            best; `time_limit` (None) and `trial_timeout` (None), in seconds; `trial_patience` (None): end a trial after
            that many epochs without a new best.

            What a trial trains: `epochs` (20), `batch_size` (32), `optimizer` (None: the model's, or Adam), `loss` and
            `metrics` (None: the model's), `initial_weights` (None), `callbacks` (()), `executions_per_trial` (1),
            `cross_validation` (None): so many folds.

            Where it runs: `workers` (None: in this process): so many processes of this machine, to which what is
            searched is sent, so that functions must be in a module.

            Where it is kept: `directory` (None: the current one), `project_name` (`"search"`), `overwrite` (False: a
            search that is there is continued), `storage` (None: a journal in the project); `verbose` (1).

    Returns:
        A configuration.

    Raises:
        ValueError: An option is unknown, given twice or breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> config = kno.create_hyperparameter_optimization_config(
        ...     search_space=[("learning_rate", "log_uniform", 1e-5, 1e-1), ("batch_size", "categorical", [16, 32])],
        ...     optimization_method="bayesian", max_trials=50, early_stopping_patience=10,
        ... )
        >>> config.max_trials
        50
    """
    # Not on top: what does not search should not load Optuna and KerasTuner.
    from keras_neural_opt.hpo._settings import search_config

    return search_config(config, options)


def hyperparameter_optimization(
    loss_function: Any,
    gradient_function: Any = None,
    training_data: Any = None,
    validation_data: Any = None,
    config: Any = None,
    **options: Any,
) -> Any:
    """Search for the hyperparameters with which a model, or a loss function's weights, train best.

    Args:
        loss_function: A compiled Keras model, which each trial clones with its weights; a function of
            `keras_tuner.HyperParameters` that returns a model; or a loss function of (weights, batch), as
            `train_neural_network` takes it, together with `initial_weights`.
        gradient_function: As `train_neural_network` takes it. None for models.
        training_data: As `train_neural_network` takes it.
        validation_data: The same. Defaults to None: the training loss is minimized.
        config: What `create_hyperparameter_optimization_config` returned, or what it takes.
        **options: More options of it, which replace those of the configuration.

    Returns:
        A `hpo.SearchResult`.

    Raises:
        ValueError: An argument breaks its rule; nothing was searched then, and no file made.

    Example:
        >>> import tempfile
        >>> import keras
        >>> import numpy as np
        >>> import keras_neural_opt as kno
        >>> x = np.linspace(-1.0, 1.0, 32).reshape(-1, 1)
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> result = kno.hyperparameter_optimization(
        ...     model, None, (x, 2 * x), (x, 2 * x), search_space=[("learning_rate", "log_uniform", 1e-3, 1.0)],
        ...     max_trials=3, epochs=2, seed=1, directory=tempfile.mkdtemp(), verbose=0,
        ... )
        >>> best = kno.get_best_hyperparameters(result)
        >>> 1e-3 <= best["learning_rate"] <= 1.0
        True

    Note:
        `learning_rate`, `weight_decay`, `optimizer`, `schedule`, `clipnorm`, `batch_size` and `epochs` need no code of
        yours: they are set where the model is compiled and trained, unless your function asks for them itself. Where no
        function builds the model, other arguments of the optimizer are, too. A schedule is `"constant"`,
        `"cosine"`, `"linear"` or `"one_cycle"` over the whole training, or an object behind a label.
    """
    from keras_neural_opt.hpo._search import search
    from keras_neural_opt.hpo._settings import search_config

    return search(loss_function, gradient_function, training_data, validation_data, search_config(config, options))


def get_best_hyperparameters(result: Any) -> dict[str, Any]:
    """Return the values of the best trial, by name.

    Args:
        result: What `hyperparameter_optimization` returned.

    Raises:
        ValueError: No trial completed.

    Example:
        >>> from types import SimpleNamespace
        >>> import keras_neural_opt as kno
        >>> kno.get_best_hyperparameters(SimpleNamespace(best_hyperparameters={"learning_rate": 0.01}))
        {'learning_rate': 0.01}
    """
    best: dict[str, Any] = result.best_hyperparameters
    return best


def format_hyperparameters(hyperparameters: dict[str, Any]) -> str:
    """Return hyperparameters as lines of text.

    Args:
        hyperparameters: Values by name.

    Example:
        >>> import keras_neural_opt as kno
        >>> print(kno.format_hyperparameters({"learning_rate": 0.00123456789, "units": 64}))
        learning_rate  0.00123457
        units          64
    """
    from keras_neural_opt.hpo._result import format_values

    return format_values(hyperparameters)


def create_nas_config(config: Any = None, /, **options: Any) -> Any:
    """Return a checked configuration of `neural_architecture_search`.

    Args:
        config: None, a mapping or a list of (name, value) pairs of options.
        **options: Options as keywords, here with their defaults.

            What is searched: `search_space` (`"mobilenet_v3"`): `"cell"`, `"mlp"`, `"mobilenet_v3"`, `"resnet"`,
            `"transformer"` or a `nas.SearchSpace`; `objective` (None: the validation accuracy of classes, else the
            validation loss): a metric, `"params"`, `"flops"` (multiply-adds), `"memory_mb"`, `"latency_ms"`, or a list
            of these for a Pareto front; `max_params`, `max_flops`, `max_memory_mb`, `max_latency_ms` (None): limits,
            and what breaks one is not trained; `constraints` (None), as `hpo.OptunaOracle` takes them; `joint` (None):
            hyperparameters that are searched together with it, as `hpo.SearchSpace` takes them.

            How: `search_strategy` (`"auto"`): `"bayesian_evolution"`, which is the default, `"evolutionary"`,
            `"local"`, `"nsga2"`, `"one_shot"` or `"random"`; `performance_predictor` (`"auto"`: `"early_stopping"` for
            one objective without a time limit): `"early_stopping"`; `"zero_cost"`, `"surrogate"` or `"weight_sharing"`,
            which discard the worst before a training; or `"none"`; `inherit_weights` (False): whether a
            network begins with the weights of the layers that it shares with its nearest relative; `seed` (None).

            How long: `population_size` (20) times `generations` (50) is how many networks are tried;
            `early_stopping_patience` (None): end after that many without a new best; `time_limit` (None) and
            `trial_timeout` (None), in seconds.

            What a trial trains: `epochs` (20), `batch_size` (32), `optimizer` (`"adamw"`), `loss` and `metrics` (None:
            those of the labels), `classes` (None: the labels tell), `callbacks` (()).

            Where it runs and is kept: `workers`, `directory`, `project_name`, `overwrite`, `storage`, `verbose`, as in
            `create_hyperparameter_optimization_config`.

    Returns:
        A configuration.

    Raises:
        ValueError: An option is unknown, given twice or breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> config = kno.create_nas_config(
        ...     search_space="mobilenet_v3", search_strategy="evolutionary", population_size=20, generations=50,
        ...     performance_predictor="early_stopping",
        ... )
        >>> config.population_size * config.generations
        1000
    """
    from keras_neural_opt.nas._settings import nas_config

    return nas_config(config, options)


def neural_architecture_search(
    training_data: Any, validation_data: Any = None, config: Any = None, **options: Any
) -> Any:
    """Search for the network that learns a task best.

    Args:
        training_data: Inputs and labels: arrays `(x, y)`, a `tf.data.Dataset`, a `keras.utils.PyDataset` or a torch
            `DataLoader` of batches of these. The labels tell the task: integers are classes, rows with a single 1 too,
            other rows of 0 and 1 are classes of which several may hold, all else is a regression.
        validation_data: The same, on which networks are compared. Defaults to None: a fifth of the training arrays,
            drawn at random.
        config: What `create_nas_config` returned, or what it takes.
        **options: More options of it, which replace those of the configuration.

    Returns:
        A `nas.ArchitectureSearchResult`.

    Raises:
        ValueError: An argument breaks its rule; nothing was searched then, and no file made.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> import keras_neural_opt as kno
        >>> x = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
        >>> result = kno.neural_architecture_search(
        ...     (x, (x[:, 0] > 0).astype(int)), None, search_space="mlp", population_size=2, generations=2, epochs=2,
        ...     seed=1, directory=tempfile.mkdtemp(), verbose=0,
        ... )
        >>> best = kno.get_best_architecture(result)
        >>> best.build().output_shape
        (None, 2)
    """
    from keras_neural_opt.nas._search import search
    from keras_neural_opt.nas._settings import nas_config

    return search(training_data, validation_data, nas_config(config, options))


def get_best_architecture(result: Any) -> Any:
    """Return the best network of a search: its `.genotype`, and `.build()`, a new `keras.Model` of it.

    Args:
        result: What `neural_architecture_search` returned.

    Raises:
        ValueError: No trial was trained whole.

    Example:
        >>> from types import SimpleNamespace
        >>> import keras_neural_opt as kno
        >>> kno.get_best_architecture(SimpleNamespace(best_architecture="the best one"))
        'the best one'
    """
    return result.best_architecture


def describe_architecture(architecture: Any) -> str:
    """Return a network's genes, and what it costs, as lines of text.

    Args:
        architecture: What `get_best_architecture` returned.

    Example:
        >>> import keras_neural_opt as kno
        >>> space = kno.nas.mlp(depths=[1, 2], units=[8, 16], activations="relu", dropout_rates=0.0, batch_norms=False)
        >>> task = kno.nas.Task((4,), 3, "softmax", "sparse_categorical_crossentropy", ["accuracy"], "val_accuracy")
        >>> found = kno.nas.Architecture({"depth": 1, "layer_1_units": 8}, {"val_accuracy": 0.9}, 0, space, task)
        >>> print(kno.describe_architecture(found))
        trial 0: val_accuracy 0.9
        67 weights, 56 multiply-adds, 0.000332 MB of memory for a prediction
        depth          1
        layer_1_units  8
    """
    text: str = architecture.describe()
    return text


def get_architecture_performance(result: Any) -> dict[str, float]:
    """Return what the best network of a search measured at its best epoch, by name.

    Args:
        result: What `neural_architecture_search` returned.

    Raises:
        ValueError: No trial was trained whole.

    Example:
        >>> from types import SimpleNamespace
        >>> import keras_neural_opt as kno
        >>> best = SimpleNamespace(performance={"val_accuracy": 0.98, "val_loss": 0.07})
        >>> kno.get_architecture_performance(SimpleNamespace(best_architecture=best))
        {'val_accuracy': 0.98, 'val_loss': 0.07}
    """
    performance: dict[str, float] = result.best_architecture.performance
    return performance
