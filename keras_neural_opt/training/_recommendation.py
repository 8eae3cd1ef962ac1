"""How to train a given model: rules that are known to work, with their reasons."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras

from keras_neural_opt import schedules, transforms
from keras_neural_opt._core.arguments import integer, optional
from keras_neural_opt.optimizers._configs import OptimizerConfig, configured_optimizer, optimizer_config
from keras_neural_opt.schedules import scale_learning_rate
from keras_neural_opt.schedules._configs import SchedulerConfig, scheduler_config
from keras_neural_opt.training._data import check_data, count_batches, is_dataset, samples_a_batch
from keras_neural_opt.training._model_traits import ModelTraits

if TYPE_CHECKING:
    from rich.table import Table

OWNER = "recommend"
# From here on one rate for all layers is too much for some of them.
LARGE_BATCH = 4096
# Plain gradient descent with momentum wants a schedule to its end, and the time for it.
ENOUGH_EPOCHS = 30
DEEP = 20


@dataclass(frozen=True)
class Advice:
    """One recommendation.

    Args:
        topic: `"optimizer"`, `"learning rate"`, `"schedule"`, `"warm-up"`, `"clipping"`, `"weight decay"`, `"dropout"`
            or `"batch norm"`.
        choice: What to do.
        reason: Why, with the paper.

    Example:
        >>> import keras
        >>> import keras_neural_opt as kno
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        >>> kno.recommend(model).advice[0].choice
        'adamw'
    """

    topic: str
    choice: str
    reason: str


@dataclass(frozen=True)
class Recommendation:
    """How to train a model.

    Args:
        optimizer: The optimizer's name and options.
        lr_scheduler: The schedule.
        gradient_clipping: Clipping, or None.
        steps_per_epoch: How many steps an epoch has, or None where the data is unknown.
        traits: What the model is.
        advice: Each choice with its reason; also those that are made in the model itself.

    Example:
        >>> import keras
        >>> import keras_neural_opt as kno
        >>> model = keras.Sequential([keras.Input((20, 8)), keras.layers.LSTM(16), keras.layers.Dense(1)])
        >>> advice = kno.recommend(model, budget=20)
        >>> optimizer = kno.create_neural_optimizer(**advice.arguments)
        >>> optimizer.gradient_transforms
        (ClipByGlobalNorm(clipnorm=1.0),)
    """

    optimizer: OptimizerConfig
    lr_scheduler: SchedulerConfig
    gradient_clipping: Any
    steps_per_epoch: int | None
    traits: ModelTraits
    advice: tuple[Advice, ...]

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments for `create_neural_optimizer`."""
        return {
            "optimizer": self.optimizer.name,
            "config": self.optimizer,
            "lr_scheduler": self.lr_scheduler,
            "gradient_clipping": self.gradient_clipping,
            "steps_per_epoch": self.steps_per_epoch,
        }

    def build(self) -> Any:
        """Return the optimizer."""
        name, config, schedule, clipping, steps = self.arguments.values()
        return configured_optimizer(name, config, schedule, clipping, steps, {})

    def table(self) -> None:
        """Print each choice with its reason."""
        from rich.console import Console

        Console().print(_table(self))


def recommended(model: Any, data: Any, batch_size: int | None, budget: int | None) -> Recommendation:
    """Return how to train `model`; the arguments are those of `keras_neural_opt.recommend`."""
    if not isinstance(model, keras.Model) or not model.built:
        raise ValueError(f"{OWNER}.model must be a Keras model that is built; received {model!r}")
    given = optional(integer(batch_size, 1)).check(OWNER, "batch_size")
    epochs = optional(integer(budget, 1)).check(OWNER, "budget")
    steps = samples = None
    if data is not None:
        check_data(data, f"{OWNER}.data")
        given = given or samples_a_batch(data)
        steps = count_batches(data, given or 32)
        samples = len(keras.tree.flatten(data)[0]) if not is_dataset(data) else steps and given and steps * given
    batch = given or 32
    traits = ModelTraits.of(model)
    if not traits.parameters:
        raise ValueError(f"{OWNER}.model must have something to train; received {model.name!r} without weights")
    name, rate, options, chosen = _optimizer(traits, batch, epochs)
    warmup, warm = _warmup(traits, batch, epochs)
    schedule, scheduled = _schedule(epochs, warmup)
    clipping, clipped = _clipping(traits)
    decay, decayed = _decay(name, traits)
    config = optimizer_config(name, {"learning_rate": rate, **options, **decay})
    advice = [*chosen, scheduled, *warm, clipped, decayed, *_dropout(traits, samples), *_batch_norm(traits, batch)]
    return Recommendation(config, schedule, clipping, steps, traits, tuple(advice))


def _optimizer(traits: ModelTraits, batch: int, epochs: int | None) -> tuple[str, float, dict[str, Any], list[Advice]]:
    conv_net = traits.convolutional and traits.batch_norm and not traits.attention
    if batch >= LARGE_BATCH and conv_net:
        rule, name, base, options = "linear", "lars", (6.4, 8192), {"momentum": 0.9}
        why = f"batches of {batch}: a trust ratio a layer lets the rate be that large (You et al., 2017)"
    elif batch >= LARGE_BATCH:
        rule, name, base, options = "sqrt", "lamb", (0.005, 32768), {}
        why = f"batches of {batch}: a trust ratio a layer over Adam's step (You et al., 2020)"
    elif conv_net and (epochs or 0) >= ENOUGH_EPOCHS:
        rule, name, base, options = "linear", "sgd", (0.1, 256), {"momentum": 0.9, "nesterov": True}
        why = f"a convolutional net with batch norms and {epochs} epochs: it generalizes best (Goyal et al., 2017)"
    else:
        rule, name, base, options = "sqrt", "adamw", (3e-4 if traits.parameters > 1e7 else 1e-3, 256), {}
        why = "it forgives a rate that is not quite right, and decays apart from it (Loshchilov and Hutter, 2019)"
        if traits.attention:
            options = {"beta_2": 0.98}
            why = "attention has gradients of very different sizes, and they change fast (Vaswani et al., 2017)"
    # Below its base a rate that is safe stays so: small batches need no smaller ones in adaptive methods.
    scaled = batch > base[1] or name not in ("adamw",)
    rate = scale_learning_rate(base[0], base[1], batch, rule).learning_rate if scaled else base[0]
    law = {"linear": "in proportion to the batch", "sqrt": "with the root of the batch"}[rule]
    from_where = f"{base[0]:g} at {base[1]} samples, {law}" if scaled else f"usual up to {base[1]} samples a batch"
    return (
        name,
        rate,
        options,
        [
            Advice("optimizer", name, why),
            Advice("learning rate", f"{rate:.3g}", f"{from_where}; find_learning_rate finds the one of this model"),
        ],
    )


def _warmup(traits: ModelTraits, batch: int, epochs: int | None) -> tuple[int, list[Advice]]:
    doublings = scale_learning_rate(1.0, 256, batch).warmup_epochs
    wanted, why = max(doublings, 1.0 if traits.attention else 0.0), []
    if traits.attention:
        why.append("Adam's first steps in a transformer are too large (Xiong et al., 2020)")
    if doublings:
        why.append(f"{batch} samples a batch: an epoch for each doubling from 256 (Goyal et al., 2017)")
    length = math.ceil(wanted)
    if epochs:  # Not all of a short training.
        length = min(length, max(1, round(0.1 * epochs)), epochs - 1)
    unit = "epoch" if length == 1 else "epochs"
    return length, [Advice("warm-up", f"{length} {unit}", "; ".join(why))] if length else []


def _schedule(epochs: int | None, warmup: int) -> tuple[SchedulerConfig, Advice]:
    if epochs is None:
        inner = {"schedule": scheduler_config(schedules.Warmup, {"warmup_steps": warmup}, {})} if warmup else {}
        plateau = scheduler_config(schedules.ReduceOnPlateau, {**inner, "factor": 0.3, "patience": 5}, {})
        why = "nobody said when training ends; it needs validation data (with a budget: a cosine)"
        return plateau, Advice("schedule", "reduce on plateau", why)
    cosine = scheduler_config(schedules.CosineAnnealing, {"decay_steps": epochs - warmup}, {})
    why = f"the rate is small when the {epochs} epochs end (Loshchilov and Hutter, 2017)"
    if warmup:
        cosine = scheduler_config(schedules.Warmup, {"schedule": cosine, "warmup_steps": warmup}, {})
    return cosine, Advice("schedule", "cosine annealing", why)


def _clipping(traits: ModelTraits) -> tuple[Any, Advice]:
    if traits.recurrent or traits.attention:
        kind = "gradients through time explode" if traits.recurrent else "attention has rare, huge gradients"
        return ("norm", 1.0), Advice("clipping", "global norm 1.0", f"{kind} (Pascanu et al., 2013)")
    if traits.depth >= DEEP and not traits.norms:
        why = f"{traits.depth} layers without a norm: bounded by each unit's weights (Brock et al., 2021)"
        return transforms.AdaptiveGradientClipping(), Advice("clipping", "AdaptiveGradientClipping", why)
    return None, Advice("clipping", "none", "neither recurrent, nor attention, nor deep without norms")


def _decay(name: str, traits: ModelTraits) -> tuple[dict[str, Any], Advice]:
    coefficient = {"sgd": 5e-4, "lars": 1e-4}.get(name, 0.01)
    mask = {"weight_decay": coefficient, "weight_decay_mask": "no_norm_no_bias"}
    if name == "sgd":
        mask["weight_decay_mode"] = "l2"
    spared = "norms and biases" if traits.norms else "biases"
    why = f"{spared} are few and do not overfit: they are left out (He et al., 2019); regularization.summary shows it"
    return mask, Advice("weight decay", f"{coefficient:g}, 'no_norm_no_bias'", why)


def _dropout(traits: ModelTraits, samples: int | None) -> list[Advice]:
    if traits.dropout or samples is None or traits.parameters < 10 * samples:
        return []
    few = f"{traits.parameters} parameters learn from about {samples} samples"
    if traits.batch_norm and traits.convolutional:
        why = f"{few}; but between batch norms dropout shifts their statistics (Li et al., 2019): after the last only"
        return [Advice("dropout", "0.2 before the output", why)]
    rate = 0.1 if traits.attention else 0.2 if traits.recurrent else 0.5
    why = f"{few} (Srivastava et al., 2014); layers.ScheduledDropout with CurriculumDropout lets it grow"
    return [Advice("dropout", f"{rate:g}", why)]


def _batch_norm(traits: ModelTraits, batch: int) -> list[Advice]:
    if not traits.batch_norm or batch >= 16:
        return []
    why = f"statistics of {batch} samples are noise (Wu and He, 2018); accumulating gradients does not mend them"
    return [Advice("batch norm", "GroupNormalization instead", why)]


def _table(recommendation: Recommendation) -> "Table":
    from rich.table import Table

    traits = recommendation.traits
    table = Table(title=f"{traits.parameters:,} parameters in {traits.depth} layers", show_lines=True)
    for name in ("what", "recommended", "because"):
        table.add_column(name, overflow="fold")
    for each in recommendation.advice:
        table.add_row(each.topic, each.choice, each.reason)
    return table
