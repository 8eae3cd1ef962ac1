"""What an optimizer does to each variable of a model."""

import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import keras

from keras_neural_opt._core import masks
from keras_neural_opt.optimizers import RuleOptimizer
from keras_neural_opt.optimizers._stepping import stepping

OWNER = "summary"


@dataclass(frozen=True)
class VariableSummary:
    """What an optimizer does to one variable.

    Args:
        path: The variable's path.
        shape: Its shape.
        decayed: Whether weight decay shrinks it.
        reason: Why, or why not.
        rate_multiplier: What the learning rate is multiplied by, >= 0; 0 for what is not trained.
        trust_ratio: Whether a trust ratio, as of LARS and LAMB, scales its steps besides.
        penalty: The regularizer that its layer adds to the loss, in words; empty if there is none.

    Example:
        >>> import keras
        >>> import keras_neural_opt as kno
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, kernel_regularizer="l2")])
        >>> kernel, bias = kno.regularization.summary(model, keras.optimizers.Adam(), print_fn=lambda text: None)
        >>> kernel.shape, kernel.reason, kernel.penalty
        ((4, 3), 'weight_decay=None', 'L2(l2=0.01)')
    """

    path: str
    shape: tuple[int, ...]
    decayed: bool
    reason: str
    rate_multiplier: float
    trust_ratio: bool
    penalty: str


def summary(
    model: keras.Model, optimizer: Any = None, print_fn: Callable[[str], Any] | None = None
) -> tuple[VariableSummary, ...]:
    """Print, for each variable of a model, whether it is decayed, why, and how fast it learns.

    Args:
        model: A built model.
        optimizer: An optimizer of this library or of Keras, also a wrapped one. Defaults to that of `compile`.
        print_fn: What takes the text. Defaults to printing a table as wide as the terminal.

    Returns:
        What was printed, one entry a variable: the trainable ones in the order of the model, then the others.

    Raises:
        ValueError: The model is not built, or there is no optimizer.

    Example:
        >>> import keras
        >>> import keras_neural_opt as kno
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), keras.layers.LayerNormalization()])
        >>> optimizer = kno.optimizers.AdamW(weight_decay=0.01, weight_decay_mask="no_norm_no_bias")
        >>> for row in kno.regularization.summary(model, optimizer, print_fn=lambda text: None):
        ...     print(row.path.split("/")[-1], row.decayed, "-", row.reason)
        kernel True - 0.01, decoupled
        bias False - 'no_norm_no_bias' leaves it out
        gamma False - 'no_norm_no_bias' leaves it out
        beta False - 'no_norm_no_bias' leaves it out
    """
    if not isinstance(model, keras.Model):
        raise ValueError(f"{OWNER}.model must be a Keras model; received {model!r}")
    if not model.built:
        raise ValueError(f"{OWNER}.model must be built; call it once on data, or fit it")
    optimizer = getattr(model, "optimizer", None) if optimizer is None else optimizer
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        raise ValueError(f"{OWNER}.optimizer must be an optimizer, or the model compiled; received {optimizer!r}")
    rows = [_trained(optimizer, variable) for variable in model.trainable_variables]
    rows += [_row(variable, False, "not trained", 0.0) for variable in model.non_trainable_variables]
    _show(rows, print_fn)
    return tuple(rows)


def _trained(optimizer: Any, variable: Any) -> VariableSummary:
    optimizer, multiplier = stepping(optimizer, variable)
    decayed, reason = _decay(optimizer, variable) if multiplier else (False, "its rate is multiplied by 0")
    adapted = hasattr(optimizer, "trust_ratio_mask") and masks.selects(optimizer.trust_ratio_mask, variable)
    return _row(variable, decayed, reason, multiplier, adapted)


def _row(variable: Any, decayed: bool, reason: str, multiplier: float, trust_ratio: bool = False) -> VariableSummary:
    penalty = _penalty(getattr(variable, "regularizer", None)) if multiplier else ""
    path, shape = masks.path_of(variable), tuple(map(int, variable.shape))
    return VariableSummary(path, shape, decayed, reason, multiplier, trust_ratio, penalty)


def _penalty(regularizer: Any) -> str:
    if regularizer is None:
        return ""
    if not isinstance(regularizer, keras.regularizers.Regularizer):
        layer = getattr(regularizer, "__self__", None)  # Our dropout layers' divergence is a method of theirs.
        return getattr(regularizer, "__name__", type(regularizer).__name__) if layer is None else type(layer).__name__
    numbers = {name: x for name, x in regularizer.get_config().items() if isinstance(x, float) and x}
    return f"{type(regularizer).__name__}({', '.join(f'{name}={x:.4g}' for name, x in numbers.items())})"


def _decay(optimizer: Any, variable: Any) -> tuple[bool, str]:
    coefficient = optimizer.weight_decay
    if not coefficient:
        return False, f"weight_decay={coefficient}"
    what = f"{coefficient:.4g}" if isinstance(coefficient, float) else repr(coefficient)
    if not isinstance(optimizer, RuleOptimizer):
        decayed = bool(optimizer._use_weight_decay(variable))
        return decayed, f"{what}, decoupled" if decayed else "exclude_from_weight_decay"
    mask = optimizer.weight_decay_mask
    decayed, reason = masks.judged(mask, variable)
    return decayed, ", ".join(filter(None, [what, optimizer.weight_decay_mode, reason])) if decayed else reason


def _show(rows: Iterable[VariableSummary], print_fn: Callable[[str], Any] | None) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Weight decay and learning rates")
    for name in ("variable", "shape", "decayed", "why", "rate", "penalty in the loss"):
        table.add_column(name, overflow="fold")
    for row in rows:
        rate = f"x {row.rate_multiplier:.4g}" + (" x trust ratio" if row.trust_ratio else "")
        shape = " x ".join(map(str, row.shape)) or "1"
        table.add_row(row.path, shape, "yes" if row.decayed else "no", row.reason, rate, row.penalty or "none")
    if print_fn is None:
        Console().print(table)
        return
    text = io.StringIO()
    Console(file=text, width=160).print(table)
    print_fn(text.getvalue())
