"""What loss curves say about a training, and what to do about it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from rich.table import Table

OWNER = "diagnose"
# Fewer epochs are no curve; a window is the part of it that says how things stand now.
FEWEST_EPOCHS = 5


@dataclass(frozen=True)
class Finding:
    """Something that the curves of a training show.

    Args:
        problem: `"divergence"`, `"high learning rate"`, `"low learning rate"`, `"no learning"`, `"plateau"`,
            `"overfitting"` or `"dead layers"`.
        evidence: The numbers that it is seen by.
        remedy: What to try, with the names of this library.

    Example:
        >>> import keras_neural_opt as kno
        >>> curve = [2.0, 1.2, 0.8, 0.6, 0.5, 0.45, 0.42, 0.4]
        >>> (finding,) = kno.training.diagnose({"loss": curve, "val_loss": [2.0, 1.4, 1.2, 1.1, 1.2, 1.4, 1.7, 2.0]})
        >>> finding.problem
        'overfitting'
    """

    problem: str
    evidence: str
    remedy: str


def diagnose(history: Mapping[str, Sequence[float]], still: Sequence[str] = ()) -> list[Finding]:
    r"""Return what is wrong with a training, by its curves; nothing if they look as they should.

    With :math:`L_1, \dots, L_n` the losses, :math:`w = \max(3, \lfloor n / 4 \rfloor)` the length of a window and
    :math:`G = L_1 - \min L` what was gained, the rules are:

    - divergence: a loss is not finite, or the last one is above the first and above the one before it;
    - no learning: :math:`G` is below 1 % of :math:`|L_1|`;
    - high learning rate: in the last window the loss rose by more than half of what it fell by, and by more than 1 %
      of :math:`G`;
    - plateau: the mean of the last window is below that of the window before by less than 1 % of :math:`G` and by less
      than a tenth of itself, and still above 1 % of :math:`L_1`;
    - low learning rate: the loss fell in nearly every epoch, in the last third by more than 60 % of the first third's;
    - overfitting: the validation loss has been above its minimum for a window or more, last by more than 5 % of what
      it had gained and 1 % of itself, and the training loss has fallen since;
    - dead layers: variables had no gradient.

    Args:
        history: What `fit` returned as `history`, or `TrainingResult.history`: `"loss"` and, where there is one,
            `"val_loss"`, a number an epoch.
        still: Paths of variables that never had a gradient, as `TrainingMonitor.still` gives them.

    Returns:
        The findings, the gravest first. With fewer than 5 epochs only divergence and dead layers are looked for.

    Raises:
        ValueError: The history has no losses.

    Example:
        >>> import keras_neural_opt as kno
        >>> kno.training.diagnose({"loss": [2.3, 2.4, 3.1, float("nan")]})[0].problem
        'divergence'

    Note:
        These are rules of thumb: each finding has its numbers, so that you can judge. Losses may be negative.

    References:
        Karpathy, A Recipe for Training Neural Networks, 2019, https://karpathy.github.io/2019/04/25/recipe/
    """
    losses = [float(x) for x in history.get("loss", ())]
    if not losses:
        raise ValueError(f"{OWNER}.history must have losses under 'loss'; received {', '.join(history) or 'nothing'}")
    found = _diverges(losses)
    curves = (_learns_nothing, _jumps, _stands, _creeps) if len(losses) >= FEWEST_EPOCHS else ()
    # Each of them explains the next: one that jumps stands, too.
    for rule in curves:
        found = found or rule(losses)
    findings = [found, _overfits(losses, [float(x) for x in history.get("val_loss", ())]), _dead(still)]
    return [finding for finding in findings if finding]


def _window(losses: Sequence[float]) -> int:
    return max(3, len(losses) // 4)


def _gain(losses: Sequence[float]) -> float:
    return losses[0] - min(losses)


def _diverges(losses: Sequence[float]) -> Finding | None:
    bad = next((i for i, loss in enumerate(losses) if not math.isfinite(loss)), None)
    if bad is not None:
        evidence = f"the loss is {losses[bad]} in epoch {bad + 1}"
    elif len(losses) > 1 and losses[-1] > max(losses[0], losses[-2]):
        evidence = f"the loss was {losses[0]:.4g} in epoch 1 and is {losses[-1]:.4g} in epoch {len(losses)}, and rising"
    else:
        return None
    remedy = (
        "Look for a rate that works with find_learning_rate, warm it up (schedules.Warmup), and clip"
        " (global_clipnorm=1.0). nonfinite='skip' survives single bad batches; look at the data for NaN."
    )
    return Finding("divergence", evidence, remedy)


def _learns_nothing(losses: Sequence[float]) -> Finding | None:
    gain = _gain(losses)
    if gain >= 0.01 * abs(losses[0]):
        return None
    evidence = f"in {len(losses)} epochs the loss fell from {losses[0]:.4g} to {min(losses):.4g} at best"
    remedy = (
        "find_learning_rate tells whether any rate moves it; TrainingMonitor whether gradients and updates arrive. Then"
        " look at labels, at the scale of the inputs, and whether a dozen samples can be learned by heart."
    )
    return Finding("no learning", evidence, remedy)


def _jumps(losses: Sequence[float]) -> Finding | None:
    changes = np.diff(losses[-_window(losses) - 1 :])
    rose, fell = float(changes[changes > 0].sum()), float(-changes[changes < 0].sum())
    if rose <= 0.5 * fell or rose <= 0.01 * _gain(losses):
        return None
    evidence = f"in the last {len(changes)} epochs the loss rose by {rose:.4g} and fell by {fell:.4g} in all"
    remedy = (
        "Lower the rate (find_learning_rate; scale_learning_rate for another batch size) or let it fall"
        " (schedules.CosineAnnealing, OneCycle); clip with global_clipnorm or transforms.AutoClip."
    )
    return Finding("high learning rate", evidence, remedy)


def _stands(losses: Sequence[float]) -> Finding | None:
    n = _window(losses)
    if len(losses) < 2 * n:
        return None
    before, now = float(np.mean(losses[-2 * n : -n])), float(np.mean(losses[-n:]))
    moves = before - now >= min(0.01 * _gain(losses), 0.1 * abs(before))
    # Near 0 nothing is left to be gained.
    if moves or 0 <= now < 0.01 * losses[0]:
        return None
    evidence = f"the mean loss of the last {n} epochs is {now:.4g}, that of the {n} before was {before:.4g}"
    remedy = (
        "Lower the rate there with callbacks.ReduceOnPlateau, or from the beginning with schedules.CosineAnnealing;"
        " where the loss is still too high, the model is too small or regularized too much."
    )
    return Finding("plateau", evidence, remedy)


def _creeps(losses: Sequence[float]) -> Finding | None:
    changes = -np.diff(losses)
    third = len(changes) // 3
    if third < 1 or float(np.mean(changes > 0)) < 0.9:
        return None
    first, last = float(changes[:third].mean()), float(changes[-third:].mean())
    if last <= 0.6 * first:
        return None
    evidence = f"the loss fell by {first:.4g} an epoch in the first third and still by {last:.4g} in the last"
    remedy = (
        "Raise the rate: find_learning_rate says how far, schedules.OneCycle uses it. Or train longer: it is not over."
    )
    return Finding("low learning rate", evidence, remedy)


def _overfits(losses: Sequence[float], validation: Sequence[float]) -> Finding | None:
    every = len(losses) // max(1, len(validation))
    # With `validation_freq` there is one after every so many epochs.
    losses = losses[every - 1 :: every] if every else losses
    if len(validation) < FEWEST_EPOCHS or len(validation) != len(losses) or not np.isfinite(validation).all():
        return None
    best = int(np.argmin(validation))
    low, now = validation[best], validation[-1]
    since = len(validation) - 1 - best
    enough = max(0.05 * (validation[0] - low), 0.01 * abs(low))
    if since < _window(losses) or now - low <= enough or losses[-1] >= losses[best]:
        return None
    evidence = (
        f"the validation loss was lowest, {low:.4g}, in epoch {every * (best + 1)} and is {now:.4g} in epoch"
        f" {every * len(validation)},"
        f" while the training loss fell from {losses[best]:.4g} to {losses[-1]:.4g}"
    )
    remedy = (
        "Stop there (callbacks.EarlyStopping); more weight_decay"
        " (weight_decay_mask='no_norm_no_bias'); dropout that grows (layers.ScheduledDropout with"
        " schedules.CurriculumDropout, or callbacks.AdaptiveDropoutRate); more or augmented data."
    )
    return Finding("overfitting", evidence, remedy)


def _dead(still: Sequence[str]) -> Finding | None:
    if not still:
        return None
    names = ", ".join(still[:5]) + (f" and {len(still) - 5} more" if len(still) > 5 else "")
    evidence = f"no gradient in any sample: {names}"
    remedy = (
        "The loss may not depend on them. Behind a relu the units may be dead: a lower rate with schedules.Warmup, a"
        " leaky_relu or gelu, a norm before it."
    )
    return Finding("dead layers", evidence, remedy)


def findings_table(findings: Sequence[Finding]) -> "Table":
    """Return a table with a row a finding."""
    from rich.table import Table

    table = Table(title="What the curves say", show_lines=True)
    for name in ("finding", "seen by", "try"):
        table.add_column(name, overflow="fold")
    for finding in findings:
        table.add_row(finding.problem, finding.evidence, finding.remedy)
    return table
