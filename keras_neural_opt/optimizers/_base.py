"""The base of every optimizer: everything around the rule, once, for three backends.

Longer than other files here, because one step is one story: it is told in the order in which it happens.
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from keras_neural_opt._core.arguments import (
    check_arguments,
    choice,
    closed_fraction,
    flag,
    integer,
    nonnegative,
    optional,
    positive,
    text,
)
from keras_neural_opt._core.backend import HOST_SCALARS, native
from keras_neural_opt._core.tensors import Scalar, Tensors, add_scaled, decay, ema, on_marked
from keras_neural_opt.optimizers import _decay_mask
from keras_neural_opt.optimizers._checks import (
    LearningRateSchedule,
    check_gradients,
    check_learning_rate,
    check_transforms,
    refuse_unknown,
)
from keras_neural_opt.optimizers._keras_interface import KerasInterface
from keras_neural_opt.optimizers._slot import Slot, declared
from keras_neural_opt.optimizers._state import restore
from keras_neural_opt.transforms import (
    GradientContext,
    GradientTransform,
)


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
        sparse_rows: Whether a row whose gradient is zero stays as it is, or may. On TensorFlow an embedding's step
            then costs what its touched rows cost.

    Args:
        learning_rate: A number >= 0, a `LearningRateSchedule`, or a function without arguments that returns one.
        weight_decay: None, a number >= 0 or a `LearningRateSchedule`; the coefficient of weight decay.
        clipnorm: None or the largest 2-norm of each variable's gradient, > 0.
        clipvalue: None or the largest absolute value of a gradient element, > 0.
        global_clipnorm: None or the largest 2-norm of all gradients together, > 0. At most one of the three.
        use_ema: Whether a moving average of the variables is kept and replaces them at the end of `fit`.
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
            variable.
        weight_decay_mode: `"decoupled"` shrinks the variable by learning rate times coefficient, as Keras and AdamW;
            `"l2"` adds coefficient times variable to the gradient, as `torch.optim.SGD` and `torch.optim.Adam`.
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
        weight_decay_mask: _decay_mask.Mask = None,
        weight_decay_mode: str = "decoupled",
        nonfinite: str = "propagate",
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
            weight_decay_mode=choice(weight_decay_mode, ("decoupled", "l2")),
            nonfinite=choice(nonfinite, ("propagate", "skip", "raise")),
        )
        mask = _decay_mask.check_mask(owner, weight_decay_mask)
        transforms = check_transforms(owner, gradient_transforms)
        if not isinstance(weight_decay, LearningRateSchedule):
            weight_decay = optional(nonnegative(weight_decay)).check(owner, "weight_decay")
        super().__init__(check_learning_rate(owner, learning_rate), weight_decay=weight_decay, **keras_arguments)
        self.weight_decay_mode, self.nonfinite = own["weight_decay_mode"], own["nonfinite"]
        self.weight_decay_mask = mask
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
        super().build(variables)
        plan = _Plan()
        for slot in slots:
            plan.slots[slot.name] = [
                None if self._overwrite_variable_with_gradient(v) else slot.create(self, v) for v in variables
            ]
        if self.gradient_accumulation_steps:
            plan.counters["accumulation_phase"] = self._counter("accumulation_phase")
        if self.gradient_accumulation_steps or self.nonfinite != "propagate":
            plan.counters["effective_steps"] = self._counter("effective_steps")
        if self.nonfinite != "propagate":
            plan.counters["skipped"] = self._counter("skipped")
        plan.decayed = [_decay_mask.is_decayed(self.weight_decay_mask, v) for v in variables]
        before = len(self.variables)
        for transform in self.gradient_transforms:
            transform.build(self, variables)
        plan.transform_state = self.variables[before:]
        plan.pending, self._plan.pending = self._plan.pending, None
        self._plan = plan
        if plan.pending:
            # Not into the step that is perhaps being traced: it would restore again on every call.
            with native.outside_graph():
                restore(self, *plan.pending)
            plan.pending = None

    def add_seed_generator(self, seed: int | None = None) -> keras.random.SeedGenerator:
        """Return a seed generator whose state is the optimizer's own, for transforms and rules that draw numbers.

        An untracked one is frozen on JAX, where it draws the same numbers in every compiled step. This one moves on,
        and is saved and restored with the optimizer.

        Args:
            seed: Where it starts. Defaults to a random place, which `keras.utils.set_random_seed` decides.
        """
        generator = keras.random.SeedGenerator(seed)
        self._track_variable(generator.state)
        return generator

    def _counter(self, name: str) -> Any:
        return self.add_variable((), dtype="int", name=name, aggregation="only_first_replica")

    # ---- One call

    @property
    def iterations(self) -> Any:
        """The number of effective steps: completed, not accumulated only and not skipped. A variable."""
        return self._plan.counters.get("effective_steps", self._iterations)

    @property
    def skipped(self) -> Any:
        """The number of steps that were not taken because of a non-finite gradient. A variable.

        Raises:
            AttributeError: The optimizer is not built yet, or `nonfinite` is `"propagate"` and nothing is counted.
        """
        if "skipped" not in self._plan.counters:
            raise AttributeError(f"{type(self).__name__}.skipped exists once built, with nonfinite='skip' or 'raise'")
        return self._plan.counters["skipped"]

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Any] | None = None) -> None:
        """Take one step, or one micro-step of an accumulated one.

        Args:
            grads: One gradient a variable, of its shape; None where the loss does not depend on the variable.
            trainable_variables: The variables; needed on the first call unless the optimizer is built.

        Raises:
            ValueError: Gradients and variables do not match. Nothing was changed then.
        """
        gradients = list(grads)
        if not gradients:
            return
        if trainable_variables is None and not self.built:
            raise ValueError(f"{type(self).__name__}.apply needs the variables on its first call, or build() before it")
        variables = list(self._trainable_variables if trainable_variables is None else trainable_variables)
        check_gradients(type(self).__name__, gradients, variables)
        with keras.name_scope(self.name, caller=self):
            if not self.built:
                self.build(variables)
            self._check_variables_are_known(variables)
            gradients, variables = self._filter_empty_gradients(gradients, variables)
            gradients, variables = self._overwrite_variables_directly_with_gradients(gradients, variables)
            if gradients:
                native.update(self, gradients, variables, self._micro_step)

    def _micro_step(self, gradients: Sequence[Any], variables: Sequence[Any]) -> None:
        pairs = list(zip(gradients, variables, strict=True))
        rows = [(g, v) for g, v in pairs if self._takes_rows(g, v)] if self.sparse_rows else []
        if rows:
            pairs = [(g, v) for g, v in pairs if not self._takes_rows(g, v)]
        values, dense = Tensors(native.dense(g, v) for g, v in pairs), [v for _, v in pairs]
        if self.loss_scale_factor:
            values = values / self.loss_scale_factor
        if self.gradient_accumulation_steps:
            self._accumulate(values, dense, self.gradient_accumulation_steps)
        else:
            self._effective_step(values, dense, rows)
        _count(self._iterations)

    def _takes_rows(self, gradient: Any, variable: Any) -> bool:
        needs_every_row = (
            self._clipping
            or self.gradient_transforms
            or self.loss_scale_factor
            or self.gradient_accumulation_steps
            or self.weight_decay
            or self.nonfinite != "propagate"
            or getattr(variable, "constraint", None) is not None
        )
        return native.takes_rows(gradient) and not needs_every_row

    def _accumulate(self, gradients: Tensors, variables: list[Any], k: int) -> None:
        sums = [self._accumulated_gradients[self._get_variable_index(v)] for v in variables]
        phase = self._plan.counters["accumulation_phase"]

        def add() -> None:
            native.write(sums, add_scaled(Tensors(native.read_all(sums)), gradients, 1.0).tensors)
            _count(phase)

        def step() -> None:
            try:
                self._effective_step((Tensors(native.read_all(sums)) + gradients) / k, variables)
            finally:
                # The window is over, also of a variable without a gradient this time, and also if the step raised.
                stale = [*(s for s in self._accumulated_gradients if s is not None), phase]
                native.write(stale, [native.zeros_like(x) for x in native.read_all(stale)])

        native.when(native.read(phase) == k - 1, step, add, self._assignable())

    # ---- One effective step

    def _effective_step(self, gradients: Tensors, variables: list[Any], rows: Sequence[tuple[Any, Any]] = ()) -> None:
        t, lr = native.scalar(self.iterations) + 1.0, self._current(self._learning_rate)
        context = GradientContext(variables, t, lr)
        if self.nonfinite == "propagate":
            self._step(gradients, context, rows)
            return
        finite = native.all_finite(context.norm(gradients))
        if self.nonfinite == "raise":
            if native.runs_eagerly(finite) and not finite:
                raise FloatingPointError(self._nonfinite_message())
            # A compiled step cannot raise: from the first bad one on nothing changes, until `fit` ends and raises.
            finite = finite & (native.read(self.skipped) == 0)
        native.when(finite, lambda: self._step(gradients, context), lambda: _count(self.skipped), self._assignable())

    def _step(self, gradients: Tensors, context: GradientContext, rows: Sequence[tuple[Any, Any]] = ()) -> None:
        if context.variables:
            for transform in (*self._clipping, *self.gradient_transforms):
                gradients = transform(gradients, context)
            self._run_rule(gradients, context)
        for gradient, variable in rows:
            self._run_rule_on_rows(gradient, variable, context)
        for variable in context.variables:
            if getattr(variable, "constraint", None) is not None:
                variable.assign(variable.constraint(native.read(variable)))
        if self.use_ema:
            self._average()
        if self.iterations is not self._iterations:
            _count(self.iterations)

    def _run_rule(self, gradients: Tensors, context: GradientContext) -> None:
        index = [self._get_variable_index(v) for v in context.variables]
        targets = [context.variables, *([slot[i] for i in index] for slot in self._plan.slots.values())]
        lists = [native.read_all(target) for target in targets]
        lists.insert(1, gradients.tensors)
        decayed = [self._plan.decayed[i] for i in index]
        amount = self._current(self.weight_decay) if self.weight_decay else None
        kernel = self._kernel(lists)

        def rule(part: list[list[Any]], marks: list[bool]) -> list[list[Any]]:
            return self._rule_with_decay(part, marks, amount, context, kernel)

        # A kernel passes over the memory once, and needs no parts unless something else passes too.
        divide = self.elementwise and (kernel is None or amount is not None)
        for target, values in zip(targets, native.run(rule, lists, decayed, divide), strict=True):
            native.write(target, values)

    def _rule_with_decay(
        self,
        lists: list[list[Any]],
        marks: list[bool],
        coefficient: Scalar | None,
        context: GradientContext,
        kernel: Callable[..., None] | None,
    ) -> list[list[Any]]:
        lr, t = context.learning_rate, context.step
        # Declared elementwise, a rule may be run on parts of variables, where a norm would be wrong: it raises here.
        p, g, *slots = (Tensors(x, whole=not self.elementwise) for x in lists)
        options: dict[str, Any] = {}
        l2 = self.weight_decay_mode == "l2"
        if self.decay_in_rule:
            given = 0.0 if l2 or coefficient is None else coefficient
            options["decay"] = Tensors(given if marked else 0.0 for marked in marks)
        if coefficient is not None and l2:
            g = on_marked(marks, lambda g, p: g + p * coefficient, g, p)
        elif coefficient is not None and not self.decay_in_rule:
            p = on_marked(marks, lambda p: decay(p, lr * coefficient), p)
        g.borrowed = True
        if kernel is not None:
            kernel([p.tensors, g.tensors, *lists[2:]], lr, t)
            return [p.tensors, *lists[2:]]
        new = _as_tuple(self.rule(p, g, lr, t, *slots, **options))
        if len(new) != 1 + len(slots):
            raise TypeError(
                f"{type(self).__name__}.rule must return the variables and {len(slots)} slots; it returned {len(new)}"
                " values"
            )
        return [values.tensors for values in new]

    def _kernel(self, lists: list[list[Any]]) -> Callable[..., None] | None:
        if not native.fused or not native.fused.usable(lists):
            return None
        # A subclass that writes a rule of its own does not mean its parent's kernel.
        rule, fused = (next(c for c in type(self).__mro__ if name in vars(c)) for name in ("rule", "fused"))
        return self.fused(native.fused) if issubclass(fused, rule) else None

    def fused(self, kernels: Any) -> Callable[..., None] | None:
        """Return the one of torch's fused kernels that computes exactly the rule, with its constants, or None.

        Args:
            kernels: The module that wraps them. Other backends never ask.

        Returns:
            A function of the lists of variables, gradients and slots, of the learning rate and of the step.
        """
        return None

    def _run_rule_on_rows(self, gradient: Any, variable: Any, context: GradientContext) -> None:
        i = self._get_variable_index(variable)
        targets = [variable, *(slot[i] for slot in self._plan.slots.values())]
        gradient, values = native.gather_rows(gradient, targets)
        p, *slots = (Tensors([x], whole=False) for x in values)
        g = Tensors([gradient.values], whole=False)
        new = _as_tuple(self.rule(p, g, context.learning_rate, context.step, *slots))
        native.scatter_rows(gradient, targets, [x.tensors[0] for x in new])

    def _current(self, value: Any) -> Scalar:
        if isinstance(value, LearningRateSchedule):
            step = native.read(self.iterations)
            value = value(int(step) if HOST_SCALARS else step)
        elif callable(value) and not isinstance(value, keras.Variable):
            value = value()
        return native.scalar(value)

    def _average(self) -> None:
        """Update the moving average; every so often it replaces the variables."""
        done = native.read(self.iterations)
        pairs = [(a, v) for a, v in zip(self._model_variables_moving_average, self._trainable_variables, strict=True)]
        averages, variables = [a for a, _ in pairs if a is not None], [v for a, v in pairs if a is not None]
        # The first step makes the average: there is nothing to average with before it.
        kept = self.ema_momentum * native.scalar(done > 0)
        mean = ema(Tensors(native.read_all(averages)), Tensors(native.read_all(variables)), kept)
        native.write(averages, mean.tensors)
        if self.ema_overwrite_frequency:
            due = (done + 1) % self.ema_overwrite_frequency == 0
            native.when(due, lambda: _overwrite(variables, averages), _nothing, self._trainable_variables)

    def _assignable(self) -> list[Any]:
        return [*self.variables, *self._trainable_variables]

    def _nonfinite_message(self) -> str:
        step = int(self.iterations) + 1
        return f"{type(self).__name__} got a gradient that is NaN or infinite, in effective step {step}"


class _Plan:
    """What `build` decided. A plain object: Keras and TensorFlow would wrap and track lists and dicts."""

    def __init__(self) -> None:
        self.slots: dict[str, list[Any]] = {}
        self.counters: dict[str, Any] = {}
        self.decayed: list[bool] = []
        self.transform_state: list[Any] = []
        self.pending: Any = None


def _count(variable: Any) -> None:
    # A counter that overflows turns negative, and bias corrections with it; one that stops only stops counting.
    top = int(np.iinfo(keras.backend.standardize_dtype(variable.dtype)).max)
    variable.assign(native.minimum(native.read(variable), top - 1) + 1)


def _overwrite(variables: list[Any], averages: list[Any]) -> None:
    native.write(variables, [native.copy(a) for a in native.read_all(averages)])


def _nothing() -> None:
    pass


def _as_tuple(results: Any) -> tuple[Tensors, ...]:
    return results if isinstance(results, tuple) else (results,)
