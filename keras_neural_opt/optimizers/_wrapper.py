"""The base of optimizers around another optimizer."""

from collections.abc import Sequence
from typing import Any, Self

import keras

from keras_neural_opt._core import registry
from keras_neural_opt._core.arguments import Configurable, optional, text
from keras_neural_opt._core.backend import native
from keras_neural_opt._core.branches import nothing
from keras_neural_opt._core.masks import path_of
from keras_neural_opt._core.nested import chain
from keras_neural_opt.optimizers._checks import as_lists, check_gradients, check_model
from keras_neural_opt.optimizers._registry import get
from keras_neural_opt.optimizers._slot import Slot, declared
from keras_neural_opt.optimizers._state import NamedState, restore

export = registry.export


class Wrapper(NamedState, Configurable, keras.optimizers.Optimizer):
    """Base class: an optimizer that does something before or after each step of another one.

    A subclass declares `slots`, its state for each variable, and `counters`, its integers. It overrides `before`, which
    may change the gradients (it then sets `changes_gradients`), or `after`, which may change the variables. Both see
    gradients that are summed over replicas, and run once per device; `after` runs after effective steps only.
    Everything else, the learning rate and the clipping among it, is the inner optimizer's.

    Args:
        inner_optimizer: An optimizer of this library or of Keras, also a wrapped one, or a name that `get` takes.
        name: The name of this optimizer.

    Raises:
        ValueError: An argument breaks its rule, or the inner optimizer is already built.

    Example:
        >>> import keras
        >>> import keras_neural_opt as kno
        >>> class Halved(kno.optimizers.Wrapper):
        ...     changes_gradients = True
        ...     def before(self, gradients, variables):
        ...         return [g * 0.5 for g in gradients]
        >>> v = keras.Variable([1.0])
        >>> Halved(keras.optimizers.SGD(0.5)).apply([keras.ops.ones(1)], [v])
        >>> float(v.numpy()[0])
        0.75
    """

    slots: Sequence[str | Slot] = ()
    counters: Sequence[str] = ()
    changes_gradients: bool = False
    rewrites_steps: bool = False
    averages: bool = False
    accumulates: bool = False
    reduces: bool = False

    @property
    def needs_whole_gradients(self) -> bool:
        """Whether its gradients must be those of an effective step, and not of a part of one."""
        return self.rewrites_steps and self.changes_gradients

    def __init__(self, inner_optimizer: Any, name: str | None = None) -> None:
        owner = type(self).__name__
        inner = checked_inner(owner, inner_optimizer)
        self._refuse_what_does_not_go_inside(inner)
        name = optional(text(name)).check(owner, "name")
        with native.on_host():
            super().__init__(learning_rate=0.0, name=name)
        self.inner_optimizer = inner
        self._plan = _Plan()

    def _refuse_what_does_not_go_inside(self, inner: Any) -> None:
        owner, inside = type(self).__name__, list(chain(inner))
        if any(isinstance(x, keras.optimizers.LossScaleOptimizer) for x in inside):
            raise ValueError(f"{owner}.inner_optimizer must not scale the loss; put LossScale around {owner} instead")
        # What such an optimizer keeps would belong to steps that are not taken.
        if self.rewrites_steps and any(getattr(x, "averages", False) or x.use_ema for x in inside):
            raise ValueError(
                f"{owner}.inner_optimizer must not average weights; put the average around {owner} instead"
            )
        if self.changes_gradients and any(getattr(x, "reduces", False) for x in inside):
            raise ValueError(
                f"{owner}.inner_optimizer must not reduce gradients among workers, of which {owner} would see one"
                " alone; put what reduces them around it"
            )
        if any(getattr(x, "accumulates", False) or x.gradient_accumulation_steps for x in inside):
            if self.accumulates:
                raise ValueError(f"{owner}.inner_optimizer must not accumulate gradients: {owner} does")
            if self.needs_whole_gradients:
                raise ValueError(
                    f"{owner}.inner_optimizer must not accumulate gradients: {owner} needs those of the step"
                )

    # ---- What a subclass overrides

    def before(self, gradients: list[Any], variables: list[Any]) -> list[Any]:
        """Return the gradients that the inner optimizer gets.

        Args:
            gradients: One tensor a variable, summed over replicas.
            variables: The variables that have a gradient in this step.
        """
        return gradients

    def after(self, gradients: list[Any], variables: list[Any], old: list[Any], step: Any) -> None:
        """Change the variables, or keep something of them, after an effective step of the inner optimizer.

        Args:
            gradients: Those of `before`; empty unless the class sets `changes_gradients`.
            variables: The variables that had a gradient in this step.
            old: The values before it of those for which `needs_old_value` says so.
            step: The number of effective steps, this one included; an integer tensor.
        """

    def finish(self, variables: list[Any]) -> None:
        """Do what is to be done when `fit` ends, after the inner optimizer did.

        Args:
            variables: The model's trainable variables.
        """

    def needs_old_value(self, variable: Any) -> bool:
        """Return whether `after` gets the value that a variable had before the step, which costs a copy.

        Args:
            variable: One of the variables that the optimizer is built for.
        """
        return False

    def create_state(self, variables: list[Any]) -> None:
        """Create what state there is besides `slots` and `counters`; it is saved in the order of its making.

        Args:
            variables: The variables that the optimizer is built for.
        """

    # ---- Building

    def build(self, variables: Sequence[Any]) -> None:
        """Create the state of both optimizers for `variables`.

        Args:
            variables: The trainable variables, in order.

        Raises:
            ValueError: One of them was already built for other variables.
        """
        variables = list(variables)
        if self.built:
            self._check_variables_are_known(variables)
            return
        slots = declared(type(self).__name__, [*self.slots, *self.counters])[: len(self.slots)]
        self._build_inner(variables)
        super().build(variables)
        plan = _Plan()
        plan.positions = {id(v): i for i, v in enumerate(variables)}
        for slot in slots:
            plan.slots[slot.name] = [slot.create(self, v) for v in variables]
        with native.on_host():
            for name in self.counters:
                plan.counters[name] = self.add_variable((), dtype="int", name=name, aggregation="only_first_replica")
        before = len(self._variables)
        self.create_state(variables)
        plan.transform_state = self._variables[before:]
        plan.pending, self._plan.pending = self._plan.pending, None
        self._plan = plan
        if plan.pending:
            with native.outside_graph():
                restore(self, *plan.pending)
            plan.pending = None

    def _build_inner(self, variables: list[Any]) -> None:
        inner = self.inner_optimizer
        if inner.built and [id(v) for v in inner._trainable_variables] != [id(v) for v in variables]:
            raise ValueError(
                f"{type(self).__name__}.inner_optimizer must not have been built for other variables; received"
                f" {type(inner).__name__}, built for {', '.join(path_of(v) for v in inner._trainable_variables[:3])}"
            )
        inner.build(variables)
        if self.changes_gradients:
            native.take_summed_gradients(inner)

    @property
    def variables(self) -> list[Any]:
        """The variables of this optimizer, then those of the inner one."""
        return [*self._variables, *self.inner_optimizer.variables]

    @property
    def own_variables(self) -> list[Any]:
        """The variables of this optimizer alone."""
        return list(self._variables)

    def slot(self, name: str, variables: Sequence[Any]) -> list[Any]:
        """Return the state called `name` of each of `variables`.

        Args:
            name: One of `slots`.
            variables: Some of the variables that the optimizer is built for.
        """
        return [self._plan.slots[name][self.position(v)] for v in variables]

    def counter(self, name: str) -> Any:
        """Return the variable of one of `counters`, of which there is one for the whole optimizer.

        Args:
            name: One of `counters`.
        """
        return self._plan.counters[name]

    def position(self, variable: Any) -> int:
        """Return the place of a variable among those that the optimizer is built for.

        Args:
            variable: One of them.
        """
        # Keras' own way asks the variable's value, which is no variable inside a compiled conditional.
        found = self._plan.positions.get(id(variable))
        return self._get_variable_index(variable) if found is None else found

    # ---- One call

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
        check_gradients(type(self).__name__, gradients, variables)
        with keras.name_scope(self.name, caller=self):
            self.build(variables)
            given = [i for i, g in enumerate(gradients) if g is not None]
            moved, own = [variables[i] for i in given], [gradients[i] for i in given]
            if not moved and not self._others_may_have_gradients:
                self.inner_optimizer.apply(gradients, variables)  # It knows what to say.
                return
            self._step(own, moved, gradients, variables, given)

    @property
    def _others_may_have_gradients(self) -> bool:
        return False

    def _step(
        self, own: list[Any], moved: list[Any], gradients: list[Any], variables: list[Any], given: list[int]
    ) -> None:
        inner, done = self.inner_optimizer, self._effective_steps()
        old = [native.snapshot(native.read(v)) for v in moved if self.needs_old_value(v)]
        if self.changes_gradients:
            own = native.update(self, own, moved, lambda local: self.before(native.dense(local, moved), moved))
            for i, gradient in zip(given, own, strict=True):
                gradients[i] = gradient
        else:
            own = []
        inner.apply(gradients, variables)
        native.locally(self, moved, lambda own, old, done: self._after(own, moved, old, done), own, old, done)

    def _after(self, gradients: list[Any], moved: list[Any], old: list[Any], done: Any) -> None:
        step = self._effective_steps()

        def after() -> None:
            self.after(gradients, moved, old, step)
            for variable in moved if self.rewrites_steps else ():
                if getattr(variable, "constraint", None) is not None:
                    variable.assign(variable.constraint(native.read(variable)))

        if self._steps_every_time:
            after()
        else:
            native.when(step != done, after, nothing, self.assignable)

    def _effective_steps(self) -> Any:
        steps = self.iterations
        return native.snapshot(native.read(steps)) if isinstance(steps, keras.Variable) else steps

    @property
    def assignable(self) -> list[Any]:
        """All that `after` may assign: what a conditional must know."""
        return [*self._variables, *self._trainable_variables]

    @property
    def _steps_every_time(self) -> bool:
        inner = self.inner_optimizer
        if isinstance(inner, Wrapper):
            return inner._steps_every_time
        return not inner.gradient_accumulation_steps and not getattr(inner, "skips_steps", False)

    # ---- What the inner optimizer answers

    @property
    def iterations(self) -> Any:
        """The number of steps of the inner optimizer."""
        return self.inner_optimizer.iterations

    @property
    def learning_rate(self) -> Any:
        """The learning rate of the inner optimizer; may be set."""
        return self.inner_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        self.inner_optimizer.learning_rate = value

    @property
    def loss_scale_factor(self) -> float | None:
        """The loss scale of the inner optimizer; Keras' `LossScaleOptimizer` sets it to None."""
        factor: float | None = self.inner_optimizer.loss_scale_factor
        return factor

    @loss_scale_factor.setter
    def loss_scale_factor(self, value: float | None) -> None:
        if hasattr(self, "inner_optimizer"):  # Keras' constructor sets it before there is one.
            self.inner_optimizer.loss_scale_factor = value

    def exclude_from_weight_decay(self, var_list: Any = None, var_names: Any = None) -> None:
        """Leave variables out of the weight decay of the inner optimizer; before it is built.

        Args:
            var_list: Variables to leave out.
            var_names: Names or patterns, as the inner optimizer takes them.
        """
        self.inner_optimizer.exclude_from_weight_decay(var_list=var_list, var_names=var_names)

    def scale_loss(self, loss: Any) -> Any:
        """Return the loss as the inner optimizer wants it."""
        return self.inner_optimizer.scale_loss(loss)

    def finalize_variable_values(self, var_list: Sequence[Any]) -> None:
        """Let the inner optimizer end a training; Keras calls it when `fit` ends.

        Args:
            var_list: The model's trainable variables.

        Raises:
            ValueError: It was built for another model.
        """
        if not self.built or not all(native.has_value(v) for v in self.variables):
            return  # A step failed and took the values with it: that error is the one to show.
        check_model(self, var_list)
        self.inner_optimizer.finalize_variable_values(var_list)
        self.finish(list(var_list))

    def get_config(self) -> dict[str, Any]:
        """Return the constructor arguments, JSON-ready."""
        inner = keras.saving.serialize_keras_object(self.inner_optimizer)
        return {"inner_optimizer": inner, **self.hyperparameters(), "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Self:
        """Return an optimizer with this configuration, without state."""
        if "inner_optimizer" not in config:
            raise ValueError(f"{cls.__name__}.inner_optimizer must be an optimizer; received none")
        inner = keras.saving.deserialize_keras_object(config["inner_optimizer"], custom_objects=custom_objects)
        return cls(**{**config, "inner_optimizer": inner})


class _Plan:
    """What `build` decided. A plain object: Keras and TensorFlow would wrap and track lists and dicts."""

    def __init__(self) -> None:
        self.positions: dict[int, int] = {}
        self.slots: dict[str, list[Any]] = {}
        self.counters: dict[str, Any] = {}
        self.transform_state: list[Any] = []
        self.pending: Any = None


def checked_inner(owner: str, value: Any) -> Any:
    """Return the optimizer that is to be wrapped, given itself, its name or its configuration."""
    if isinstance(value, (str, dict)):
        value = get(value)
    if not isinstance(value, keras.optimizers.Optimizer):
        raise ValueError(f"{owner}.inner_optimizer must be an optimizer or the name of one; received {value!r}")
    if value.built:
        raise ValueError(
            f"{owner}.inner_optimizer must be new; received {type(value).__name__}, which is already built"
        )
    return value
