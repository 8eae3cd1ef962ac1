"""The base of every optimizer: everything around the rule, once, for three backends.

Longer than other files here, because one step is one story: it is told in the order in which it happens.
"""

from collections.abc import Callable, Sequence
from functools import partial, reduce
from itertools import compress
from operator import and_, attrgetter, not_
from typing import Any

import keras

from keras_neural_opt._core import masks
from keras_neural_opt._core.arguments import (
    check_arguments,
    choice,
    closed_fraction,
    flag,
    integer,
    nonnegative,
    optional,
    positive,
    refuse_unknown,
    text,
)
from keras_neural_opt._core.backend import HOST_SCALARS, native
from keras_neural_opt._core.branches import nothing
from keras_neural_opt._core.counters import count, new_counter
from keras_neural_opt._core.running import assign_copies, run
from keras_neural_opt._core.scalars import maximum
from keras_neural_opt._core.tensors import Scalar, Tensors, add_scaled, ema
from keras_neural_opt.optimizers._checks import (
    LearningRateSchedule,
    as_lists,
    check_gradients,
    check_learning_rate,
    check_transforms,
)
from keras_neural_opt.optimizers._gradient_watch import GradientWatch
from keras_neural_opt.optimizers._keras_interface import KerasInterface
from keras_neural_opt.optimizers._layout import Layout
from keras_neural_opt.optimizers._learning_rate import refuse_plateau
from keras_neural_opt.optimizers._rule_step import RuleStep, as_tuple
from keras_neural_opt.optimizers._slot import Slot, declared
from keras_neural_opt.optimizers._state import restore
from keras_neural_opt.transforms import (
    GradientContext,
    GradientTransform,
    SkipNonFinite,
)
from keras_neural_opt.transforms._transform import judges

# How many different sets of variables, as gradients of None make them, are remembered at a time.
_MOST_LAYOUTS = 32
_TINY = 1e-30
_constraint = attrgetter("constraint")


class RuleOptimizer(KerasInterface):
    """Base class: an optimizer is its `slots`, its hyperparameters and one pure `rule`.

    A subclass says what state it keeps for each variable and how one step goes. Everything else happens here, in this
    order: gradients are summed over replicas, unscaled, accumulated, judged finite or not, clipped and transformed;
    weight decay, the rule and the constraints change the variables; their moving average follows.

    Class attributes of a subclass:
        slots: Names, or `Slot` objects, of the state kept for each variable, in the order in which the rule takes it.
            May be a property, where an option decides.
        elementwise: Whether the rule computes each element on its own (default). A rule that takes norms over a
            variable must say `False`.
        decay_in_rule: Whether the rule applies weight decay itself. It then gets `decay=`, one coefficient a variable.
        fixed: Names of hyperparameters that cannot follow a schedule. Every other number can: `SGD(momentum=schedule)`.
        sparse_rows: Whether a row whose gradient is zero stays as it is, or may. On TensorFlow an embedding's step
            then costs what its touched rows cost.

    Args:
        learning_rate: A number >= 0, a `LearningRateSchedule`, or a function without arguments that returns one.
        weight_decay: None, a number >= 0 or a `LearningRateSchedule`; the coefficient of weight decay.
        clipnorm: None or the largest 2-norm of each variable's gradient, > 0.
        clipvalue: None or the largest absolute value of a gradient element, > 0.
        global_clipnorm: None or the largest 2-norm of all gradients together, > 0. At most one of the three.
        use_ema: Whether a moving average of the variables is kept and replaces them at the end of `fit`. It has their
            dtype, as Keras' callback for it wants: around half precision take `ExponentialMovingAverage`.
        ema_momentum: The average's decay, in [0, 1]. Defaults to 0.99.
        ema_overwrite_frequency: None, or the number of effective steps after which the average replaces the variables.
        loss_scale_factor: None or a number > 0 that the loss is multiplied by and the gradients are divided by.
        gradient_accumulation_steps: None or the number >= 2 of calls whose mean gradient makes one effective step; a
            variable whose gradient is None in the last of them stands still.
        name: The optimizer's name.
        gradient_transforms: `GradientTransform` objects that run after the clipping, in order. The
            optimizer keeps copies, so that two of them can be given the same ones.
        weight_decay_mask: Which variables are decayed: None (all), `"no_bias"`, `"no_norm_no_bias"`, `"matrices_only"`,
            a list of regular expressions found in the variable's path (`"!..."` leaves out), or a function of the
            variable. The presets also leave out what dropout layers learn of their rates.
        weight_decay_mode: `"decoupled"` shrinks the variable by learning rate times coefficient, as Keras and AdamW;
            `"l2"` adds coefficient times variable to the gradient, as `torch.optim.SGD` and `torch.optim.Adam`;
            `"corrected"` is decoupled, with the coefficient times the learning rate over its largest value so far, so
            that weights before a norm do not grow when the rate falls (AdamC, https://arxiv.org/abs/2506.02285);
            `"cautious"` is decoupled, of those elements only that the step does not move away from zero
            (https://arxiv.org/abs/2510.12402).
        compile_update: On torch, whether an elementwise rule is compiled by `torch.compile` into one pass over the
            memory. It costs some seconds in the first step, and pays where variables are large, float32 or float64,
            and no fused kernel of torch computes the rule. Without a compiler the rule runs as it does otherwise, with
            a warning. The other backends compile the whole step anyway, and ignore it.
        nonfinite: What a step with a NaN or infinite gradient does. `"propagate"`: as if nothing were wrong. `"skip"`:
            changes nothing but the counter `skipped`. `"raise"`: changes nothing and raises `FloatingPointError`, at
            once where steps run eagerly; in a compiled `fit` training stands still and the error comes at its end.

    Raises:
        ValueError: An argument breaks its rule; nothing was built then.

    Example:
        >>> import keras
        >>> import keras_neural_opt as kno
        >>> from keras_neural_opt.optimizers.rules import descend, ema
        >>> @keras.saving.register_keras_serializable("docs")
        ... class Momentum(kno.optimizers.RuleOptimizer):
        ...     slots = ("momentum",)
        ...     def rule(self, p, g, lr, t, m):
        ...         m = ema(m, g, 0.9)
        ...         return descend(p, m, lr), m
        >>> v = keras.Variable([1.0, 2.0])
        >>> Momentum(0.1).apply([keras.ops.ones(2)], [v])
        >>> v.numpy().astype("float64").round(3).tolist()
        [0.99, 1.99]
    """

    slots: Sequence[str | Slot] = ()
    elementwise: bool = True
    decay_in_rule: bool = False
    sparse_rows: bool = False

    def __init__(
        self,
        learning_rate: Any = 1e-3,
        weight_decay: Any = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        *,
        gradient_transforms: Sequence[GradientTransform] = (),
        weight_decay_mask: masks.Mask = None,
        weight_decay_mode: str = "decoupled",
        nonfinite: str = "propagate",
        compile_update: bool = False,
        **unknown: Any,
    ) -> None:
        owner = type(self).__name__
        refuse_unknown(self, RuleOptimizer, unknown)
        keras_arguments = check_arguments(
            owner,
            clipnorm=optional(positive(clipnorm)),
            clipvalue=optional(positive(clipvalue)),
            global_clipnorm=optional(positive(global_clipnorm)),
            use_ema=flag(use_ema),
            ema_momentum=closed_fraction(ema_momentum),
            ema_overwrite_frequency=optional(integer(ema_overwrite_frequency, 1)),
            loss_scale_factor=optional(positive(loss_scale_factor)),
            gradient_accumulation_steps=optional(integer(gradient_accumulation_steps, 2)),
            name=optional(text(name)),
        )
        own = check_arguments(
            owner,
            weight_decay_mode=choice(weight_decay_mode, ("decoupled", "l2", "corrected", "cautious")),
            nonfinite=choice(nonfinite, ("propagate", "skip", "raise")),
            compile_update=flag(compile_update),
            weight_decay_mask=masks.mask(weight_decay_mask),
        )
        transforms = check_transforms(owner, gradient_transforms)
        refuse_plateau(owner, "weight_decay", weight_decay)
        if not isinstance(weight_decay, LearningRateSchedule):
            weight_decay = optional(nonnegative(weight_decay)).check(owner, "weight_decay")
        with native.on_host():
            super().__init__(check_learning_rate(owner, learning_rate), weight_decay=weight_decay, **keras_arguments)
        self.weight_decay_mode, self.nonfinite = own["weight_decay_mode"], own["nonfinite"]
        self.compile_update, self.weight_decay_mask = own["compile_update"], own["weight_decay_mask"]
        self.gradient_transforms = transforms
        self._plan = _Plan()

    def rule(self, p: Tensors, g: Tensors, lr: Scalar, t: Scalar, *slots: Tensors) -> Any:
        """Return the new variables and, in the order of `slots`, the new state.

        Args:
            p: The variables.
            g: Their gradients, of the same shapes and dtypes.
            lr: The learning rate of this step.
            t: The number of this effective step, from 1, as a float.
            *slots: The state.

        Returns:
            The new `p` alone without slots, else a tuple of it and each new slot.
        """
        raise NotImplementedError(f"{type(self).__name__} must override rule(self, p, g, lr, t, *slots)")

    def marks(self, variable: Any) -> dict[str, Any]:
        """Return what the rule must know of a variable besides its values, by name; asked once, when it is built.

        The rule gets each name as a keyword argument: a list with an entry a variable. An elementwise rule that has
        marks is not compiled by `compile_update`.

        Args:
            variable: One of the variables that the optimizer is built for.
        """
        return {}

    def row_wise(self, variable: Any) -> bool:
        """Return whether a sparse gradient of this variable updates its touched rows only; asked with `sparse_rows`.

        Args:
            variable: One of the variables that the optimizer is built for.
        """
        return True

    # ---- Building

    def build(self, variables: Sequence[Any]) -> None:
        """Create the optimizer's state for `variables`.

        Args:
            variables: The trainable variables, in order.

        Raises:
            ValueError: The optimizer was already built for other variables.
        """
        variables = list(variables)
        if self.built:
            self._check_variables_are_known(variables)
            return
        slots = declared(type(self).__name__, self.slots)
        self.check_plateau()
        super().build(variables)
        plan = _Plan()
        plan.step = RuleStep(self)
        for slot in slots:
            plan.slots[slot.name] = [
                None if self._overwrite_variable_with_gradient(v) else slot.create(self, v) for v in variables
            ]
        self._make_counters(plan, variables)
        plan.decayed = [masks.selects(self.weight_decay_mask, v) for v in variables]
        plan.marks = [self.marks(v) for v in variables]
        if self.use_ema:
            kept = zip(self._model_variables_moving_average, variables, strict=True)
            plan.averaged = [(average, v) for average, v in kept if average is not None]
        plan.counters |= self.plateau_state()
        before = len(self.variables)
        for transform in self.gradient_transforms:
            transform.build(self, variables)
        plan.judges += judges(self.gradient_transforms)
        plan.transform_state = self.variables[before:]
        plan.watch = self._plan.watch
        if plan.watch:
            plan.watch.build(self, variables)
        plan.pending, self._plan.pending = self._plan.pending, None
        self._plan = plan
        if plan.pending:
            # Not into the step that is perhaps being traced: it would restore again on every call.
            with native.outside_graph():
                restore(self, *plan.pending)
            plan.pending = None

    def _make_counters(self, plan: "_Plan", variables: list[Any]) -> None:
        if self.gradient_accumulation_steps:
            plan.counters["accumulation_phase"] = new_counter(self, "accumulation_phase")
        if self.gradient_accumulation_steps or self.skips_steps:
            plan.counters["effective_steps"] = new_counter(self, "effective_steps")
        if self.nonfinite != "propagate":
            judge = SkipNonFinite(max_consecutive=1 if self.nonfinite == "raise" else None)
            judge.build(self, variables)
            plan.counters |= judge.counters
            plan.judges.append(judge)
        if self.weight_decay_mode == "corrected":
            with native.on_host():
                plan.counters["peak_learning_rate"] = self.add_variable((), name="peak_learning_rate", dtype="float32")

    # ---- One call

    @property
    def iterations(self) -> Any:
        """The number of effective steps: completed, not accumulated only and not skipped. A variable."""
        return self._plan.counters.get("effective_steps", self._iterations)

    @property
    def skips_steps(self) -> bool:
        """Whether a call may be no step, because of what its gradients are."""
        return self.nonfinite != "propagate" or bool(judges(self.gradient_transforms))

    @property
    def skipped(self) -> Any:
        """The number of steps that were not taken because of a non-finite gradient. A variable.

        Raises:
            AttributeError: The optimizer is not built yet, or `nonfinite` is `"propagate"` and nothing is counted.
        """
        if "skipped" not in self._plan.counters:
            raise AttributeError(f"{type(self).__name__}.skipped exists once built, with nonfinite='skip' or 'raise'")
        return self._plan.counters["skipped"]

    @native.uncompiled
    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Any] | None = None) -> None:
        """Take one step, or one micro-step of an accumulated one.

        Args:
            grads: One gradient a variable, of its shape; None where the loss does not depend on the variable.
            trainable_variables: The variables; needed on the first call unless the optimizer is built.

        Raises:
            ValueError: Gradients and variables do not match. Nothing was changed then.
        """
        gradients, variables = as_lists(self, grads, trainable_variables)
        if not gradients:
            return
        layout = self._plan.layouts.get(tuple(map(id, variables)))
        fits = layout is not None and layout.fits(gradients)
        if not fits:
            check_gradients(type(self).__name__, gradients, variables)
        with keras.name_scope(self.name, caller=self):
            if not fits:
                layout = self._layout_of(variables)
                if layout.overwritten or any(gradient is None for gradient in gradients):
                    gradients, variables = self._filter_empty_gradients(gradients, variables)
                    gradients, variables = self._overwrite_variables_directly_with_gradients(gradients, variables)
                    layout = self._layout_of(variables)
            if gradients:
                native.update(self, gradients, layout.variables, lambda local: self._micro_step(local, layout))

    def _layout_of(self, variables: list[Any]) -> Layout:
        key = tuple(map(id, variables))
        layout = self._plan.layouts.get(key)
        if layout is None:
            if not self.built:
                self.build(variables)
            self._check_variables_are_known(variables)
            index = [self._get_variable_index(v) for v in variables]
            plan = self._plan
            layout = Layout(
                variables,
                [[slot[i] for i in index] for slot in plan.slots.values()],
                [plan.decayed[i] for i in index],
                [plan.marks[i] for i in index],
                [self._accumulated_gradients[i] for i in index] if self.gradient_accumulation_steps else [],
            )
            if len(plan.layouts) >= _MOST_LAYOUTS:
                plan.layouts.clear()
            plan.layouts[key] = layout
        return layout

    def _micro_step(self, gradients: Sequence[Any], layout: Layout) -> None:
        rows: list[tuple[Any, Any]] = []
        if native.ROW_GRADIENTS and self.sparse_rows and not self._needs_every_row:
            pairs = list(zip(gradients, layout.variables, strict=True))
            alone = [native.takes_rows(g) and _constraint(v) is None and self.row_wise(v) for g, v in pairs]
            if any(alone):
                rows = list(compress(pairs, alone))
                gradients, dense = zip(*compress(pairs, map(not_, alone)), strict=True) if not all(alone) else ((), ())
                layout = self._layout_of(list(dense))
        values = Tensors(native.dense(gradients, layout.variables))
        if self.loss_scale_factor:
            values = values.divided_by(self.loss_scale_factor)
        if self.gradient_accumulation_steps:
            self._accumulate(values, layout, self.gradient_accumulation_steps)
        else:
            self._effective_step(values, layout, rows)
        count(self._iterations)

    @property
    def _needs_every_row(self) -> bool:
        return bool(
            self._clipping
            or self.gradient_transforms
            or self.loss_scale_factor
            or self.gradient_accumulation_steps
            or self.weight_decay
            or self.nonfinite != "propagate"
        )

    def _accumulate(self, gradients: Tensors, layout: Layout, k: int) -> None:
        sums, phase = layout.accumulators, self._plan.counters["accumulation_phase"]

        def total() -> Tensors:
            return add_scaled(Tensors(native.read_all(sums)), gradients, 1.0)

        def add() -> None:
            native.write(sums, total().tensors)
            count(phase)

        def step() -> None:
            try:
                self._effective_step(total().divided_by(native.scalar(native.read(phase)) + 1.0), layout)
            finally:
                # The window is over, also of a variable without a gradient this time, and also if the step raised.
                native.clear([*(s for s in self._accumulated_gradients if s is not None), phase])

        # Not `==`: a state may have been saved in a longer window.
        native.when(native.read(phase) >= k - 1, step, add, self._assignable())

    # ---- One effective step

    def _effective_step(self, gradients: Tensors, layout: Layout, rows: Sequence[tuple[Any, Any]] = ()) -> None:
        t, lr = native.scalar(self.iterations) + 1.0, self._current(self._learning_rate)
        context = GradientContext(layout.variables, t, lr)
        if self._plan.watch and layout.variables:
            self._plan.watch.before(gradients, layout.variables)
        if not self._plan.judges:
            self._step(gradients, layout, context, rows)
            return
        taken = reduce(and_, [judge.accepts(gradients, context) for judge in self._plan.judges])
        native.when(taken, partial(self._step, gradients, layout, context), nothing, self._assignable())

    def _step(
        self, gradients: Tensors, layout: Layout, context: GradientContext, rows: Sequence[tuple[Any, Any]] = ()
    ) -> None:
        if layout.variables:
            for transform in (*self._clipping, *self.gradient_transforms):
                gradients = transform(gradients, context)
            if self._plan.watch:
                self._plan.watch.after(gradients, layout.variables)
            coefficient = self._decay_coefficient(context.learning_rate) if self.weight_decay else None
            with self.at_this_step():
                run(self._plan.step, layout, gradients, (context.learning_rate, context.step, coefficient))
        for gradient, variable in rows:
            with self.at_this_step():
                self._run_rule_on_rows(gradient, variable, context)
        for variable in filter(_constraint, layout.variables):
            variable.assign(variable.constraint(native.read(variable)))
        if self.use_ema:
            self._average()
        if self.iterations is not self._iterations:
            count(self.iterations)

    def fused(self, kernels: Any) -> Callable[..., None] | None:
        """Return the one of torch's fused kernels that computes exactly the rule, with its constants, or None.

        Args:
            kernels: The module that wraps them. Other backends never ask.

        Returns:
            A function of the lists of variables, gradients and slots, of the marks of the decayed variables, of the
            learning rate, of the step and of the coefficient of weight decay.
        """
        return None

    def _run_rule_on_rows(self, gradient: Any, variable: Any, context: GradientContext) -> None:
        i = self._get_variable_index(variable)
        targets = [variable, *(slot[i] for slot in self._plan.slots.values())]
        gradient, values = native.gather_rows(gradient, targets)
        p, *slots = (Tensors([x], whole=False) for x in values)
        g = Tensors([gradient.values], whole=False)
        marks = {name: [mark] for name, mark in self._plan.marks[i].items()}
        new = as_tuple(self.rule(p, g, context.learning_rate, context.step, *slots, **marks))
        native.scatter_rows(gradient, targets, [x.tensors[0] for x in new])

    def _current(self, value: Any) -> Scalar:
        if isinstance(value, LearningRateSchedule):
            step = native.read(self.iterations)
            with native.on_host():
                value = value(int(step) if HOST_SCALARS else step)
        elif callable(value) and not isinstance(value, keras.Variable):
            value = value()
        return native.scalar(value)

    def _decay_coefficient(self, lr: Scalar) -> Scalar:
        coefficient = self._current(self.weight_decay)
        if self.weight_decay_mode != "corrected":
            return coefficient
        variable = self._plan.counters["peak_learning_rate"]
        native.write([variable], [native.maximum(native.read(variable), lr)])
        peak = maximum(maximum(native.scalar(native.read(variable)), lr), _TINY)
        return coefficient * (lr / peak)

    def _average(self) -> None:
        """Update the moving average; every so often it replaces the variables."""
        done = native.read(self.iterations)
        averages, variables = [a for a, _ in self._plan.averaged], [v for _, v in self._plan.averaged]
        # The first step makes the average: there is nothing to average with before it.
        kept = self.ema_momentum * native.scalar(done > 0)
        mean = ema(Tensors(native.read_all(averages)), Tensors(native.read_all(variables)), kept)
        native.write(averages, mean.tensors)
        if self.ema_overwrite_frequency:
            due = (done + 1) % self.ema_overwrite_frequency == 0
            native.when(due, lambda: assign_copies(variables, averages), nothing, self._trainable_variables)

    def _assignable(self) -> list[Any]:
        watched = self._plan.watch.variables if self._plan.watch else ()
        return [*self.variables, *self._trainable_variables, *watched]


class _Plan:
    """What `build` decided. A plain object: Keras and TensorFlow would wrap and track lists and dicts."""

    def __init__(self) -> None:
        self.step: RuleStep | None = None
        self.layouts: dict[tuple[int, ...], Layout] = {}
        self.slots: dict[str, list[Any]] = {}
        self.counters: dict[str, Any] = {}
        self.decayed: list[bool] = []
        self.marks: list[dict[str, Any]] = []
        self.averaged: list[tuple[Any, Any]] = []
        self.transform_state: list[Any] = []
        self.judges: list[GradientTransform] = []
        self.watch: GradientWatch | None = None
        self.pending: Any = None
