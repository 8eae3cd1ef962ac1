"""KerasTuner's oracle over a study of Optuna, which alone holds the truth.

Longer than other files here, because KerasTuner asks all of it of one class.
"""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import keras_tuner as kt
import optuna
from keras_tuner.src.engine import trial as kt_trial
from optuna.trial import FrozenTrial, TrialState

from keras_neural_opt._core.arguments import check_arguments, flag, integer, optional
from keras_neural_opt.hpo import _lost as lost
from keras_neural_opt.hpo import _records as records
from keras_neural_opt.hpo._constraints import constraints_of
from keras_neural_opt.hpo._endings import fail, finish, refuse
from keras_neural_opt.hpo._halved_start import HalvedStart
from keras_neural_opt.hpo._halving import NO_BRACKET, SuccessiveHalving, attributes_of, bracket_of, rung_of
from keras_neural_opt.hpo._heartbeat import Observer, Pulse
from keras_neural_opt.hpo._hyperparameters import SuggestedHyperParameters, declared_space
from keras_neural_opt.hpo._measured import check_measured, curves
from keras_neural_opt.hpo._objectives import objectives_of
from keras_neural_opt.hpo._owners import this_process
from keras_neural_opt.hpo._parameter import Parameter, is_finite
from keras_neural_opt.hpo._proposals import SpaceSampler, exhausted
from keras_neural_opt.hpo._pruners import pruning
from keras_neural_opt.hpo._running_trial import RunningTrial
from keras_neural_opt.hpo._samplers import sampler_maker
from keras_neural_opt.hpo._space import SearchSpace
from keras_neural_opt.hpo._stored_search import StoredSearch
from keras_neural_opt.hpo._view import hyperparameters_of, number_of, trial_id, view

_STATUS = kt_trial.TrialStatus
_OF_KERASTUNER = ("_display", "_run_times", "_id_to_hash", "trials", "ongoing_trials")
_OF_THIS_PROCESS = ("_lock", "_running", "_observer", *_OF_KERASTUNER)


class OptunaOracle(StoredSearch, kt.Oracle):
    """Lets any sampler and pruner of Optuna drive KerasTuner's tuners.

    The study's storage is the only record of the search: what KerasTuner shows is read from it. Proposals depend on the
    seed and the finished trials alone, so a search that was stopped goes on as if it had not been.

    Args:
        objective: The name of a metric such as `"val_accuracy"`, `(name, "min" or "max")`, a `keras_tuner.Objective`,
            or a list of these for a Pareto front; `"params"` is the number of weights. Defaults to None: the trial
            returns a number to minimize.
        max_trials: Configurations to try at most, >= 1. Defaults to 50. None: no limit, but that of the space.
        sampler: `"auto"` and `"bayesian"` (a Gaussian process; default), `"tpe"`, `"cma_es"`, `"nsga2"`, `"random"`,
            `"qmc"`, or a sampler of Optuna.
        pruner: `"auto"` (default) and `"median"`: what is worse than the median ends; `"halved_start"` or a
            `HalvedStart`: the first trials are paused and the best of them go on, then the median judges; `"asha"`, a
            `SuccessiveHalving` or a `Hyperband`: all are paused; None: nothing is pruned; or a pruner of Optuna.
        hyperparameters: A `SearchSpace`, what it is made of, or `keras_tuner.HyperParameters`; others are found when
            the model asks for them. Defaults to None: all are.
        patience: End after that many trials without a new best, >= 1. Defaults to None: never.
        seed: Where the random numbers begin, from 0 to 2147483647. Defaults to None: anywhere, or as in the study.
        allow_new_entries: Whether the model may ask for what was not declared. Defaults to True.
        tune_new_entries: Whether what it asks for is then varied, or has its default. Defaults to True.
        max_retries_per_trial: How often a trial that raised an error is run again, >= 0. Defaults to 0.
        max_consecutive_failed_trials: End with an error after that many trials in a row that raised one, >= 1.
            Defaults to 10. Trials that diverge do not count.
        constraints: Limits of metrics that the best must keep: a mapping such as `{"params": ("<=", 100_000)}`, with
            `"<="` or `">="`; the sampler learns to keep them. Defaults to None: none.
        storage: The path of a journal, the address of a database, or a storage of Optuna. Defaults to None: a journal
            in the tuner's project, or memory without a tuner.
        study_name: The study's name in the storage. Defaults to `"search"`.

    Raises:
        ValueError: An argument breaks its rule, or the study is one of another search.

    Example:
        >>> import keras_neural_opt as kno
        >>> oracle = kno.hpo.OptunaOracle("val_loss", max_trials=20, sampler="tpe", seed=1)
        >>> oracle.objective.direction
        'min'
    """

    def __init__(
        self,
        objective: Any = None,
        max_trials: int | None = 50,
        sampler: Any = "auto",
        pruner: Any = "auto",
        hyperparameters: Any = None,
        patience: int | None = None,
        seed: int | None = None,
        allow_new_entries: bool = True,
        tune_new_entries: bool = True,
        max_retries_per_trial: int = 0,
        max_consecutive_failed_trials: int = 10,
        constraints: Mapping[str, tuple[str, float]] | None = None,
        storage: Any = None,
        study_name: str = "search",
    ) -> None:
        check_arguments(
            "OptunaOracle",
            max_trials=optional(integer(max_trials, 1)),
            patience=optional(integer(patience, 1)),
            seed=optional(integer(seed, 0, 2**31 - 1)),
            allow_new_entries=flag(allow_new_entries),
            tune_new_entries=flag(tune_new_entries),
            max_retries_per_trial=integer(max_retries_per_trial, 0),
            max_consecutive_failed_trials=integer(max_consecutive_failed_trials, 1),
        )
        self.objectives = objectives_of(objective)
        self.constraints = constraints_of(constraints)
        self.directions = {each.name: each.direction for each in self.objectives}
        self._declared = declared_space(hyperparameters)
        self._sampler, self.patience = sampler, patience
        self._pruner, self._halving = pruning(pruner)
        if self._halving and len(self.objectives) > 1:
            raise ValueError(f"OptunaOracle.pruner must be None for several objectives; received {pruner!r}")
        if not len(self._declared) and not (allow_new_entries and tune_new_entries):
            raise ValueError("OptunaOracle.hyperparameters must be given where the model may add none; received none")
        self._sign = 1.0 if self.objectives[0].direction == "min" else -1.0
        sampler_maker(sampler, 0, self._declared)
        several = self.objectives if len(self.objectives) > 1 else self.objectives[0]
        super().__init__(
            objective=several,
            max_trials=max_trials,
            hyperparameters=hyperparameters_of(self._declared),
            max_retries_per_trial=max_retries_per_trial,
            max_consecutive_failed_trials=max_consecutive_failed_trials,
        )
        self.allow_new_entries, self.tune_new_entries = allow_new_entries, tune_new_entries
        self.seed, self._storage, self.study_name = seed, storage, study_name
        self._lock = threading.RLock()
        self._study: optuna.Study | None = None
        self._running: dict[str, RunningTrial] = {}
        self._observer = Observer()
        self.ongoing_trials: dict[str, Any] = {}

    def __getstate__(self) -> dict[str, Any]:
        # What a worker needs; the rest is of this process, or read from the storage.
        kept = {name: value for name, value in vars(self).items() if name not in _OF_THIS_PROCESS}
        return {**kept, "_study": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        # What KerasTuner keeps besides cannot be written down, and is made anew.
        super().__init__(state["objective"])
        self.__dict__.update(state, _lock=threading.RLock(), _running={}, _observer=Observer())

    @property
    def pauses(self) -> bool:
        """Whether trials are paused, and some of them go on."""
        return self._halving is not None

    def never_pause(self, trial_id: str) -> None:
        """Let a trial of this process be trained whole, unless it is pruned."""
        with self._lock:
            self._running[trial_id].bracket = NO_BRACKET
            self._running[trial_id].trial.set_user_attr(records.BRACKET, NO_BRACKET)

    def pause_as_before(self) -> None:
        """Pause trials if, and only if, the study did so, where it has some already."""
        with self._lock:
            trials = self._counted()
            if trials:
                self._halving = HalvedStart() if any(bracket_of(t) != NO_BRACKET for t in trials) else None

    def is_paused(self, trial_id: str) -> bool:
        """Whether a trial of this process was stopped only for now."""
        return self._running[trial_id].paused

    def create_trial(self, tuner_id: str) -> Any:
        """Return the next trial; one whose status is `STOPPED` says that the search has ended."""
        with self._lock:
            while True:
                # One that was taken for lost before it began, because this process was stopped just then.
                with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError):
                    return self._next(tuner_id)

    def _next(self, tuner_id: str) -> Any:
        self.bury_the_lost()
        trials = self._counted()
        space, seed = self.space(), self.seed or 0
        waiting = any(t.state == TrialState.WAITING for t in trials)
        ended = not waiting and self._has_ended(trials)
        # What goes on is chosen when its turn has come: what waits, such as a lost trial, may change who is the best.
        halving = None if waiting else self._halving
        going_on = halving.next_to_go_on(trials, self._sign, space, seed, ended) if halving else None
        if going_on:
            self.study.enqueue_trial(dict(going_on.params), attributes_of(going_on))
        elif ended:
            return kt_trial.Trial(self.get_space(), status=_STATUS.STOPPED)
        lost.check_failures(trials, self.max_consecutive_failed_trials)
        self.study.sampler = SpaceSampler(sampler_maker(self._sampler, seed, space), space, seed)
        trial = self.study.ask()
        trial.set_user_attr(records.OWNER, this_process())
        before = [t for t in self._counted() if t.number < trial.number]
        stored = self._stored(trial.number)
        # After the end nothing is drawn: another worker took the one that was to go on.
        if self._is_superfluous(trial, before) or (ended and "fixed_params" not in stored.system_attrs):
            lost.lose(self.study, stored, "one too many")
            return self._next(tuner_id)
        return self._begin(tuner_id, trial, space, sum(map(records.begins, before)))

    def _begin(self, tuner_id: str, trial: optuna.Trial, space: SearchSpace, place: int) -> Any:
        drawn: dict[str, Any] = {}
        for p in space:
            if p.counts(space.values(drawn)):
                drawn[p.key] = trial._suggest(p.key, p.distribution)
        hyperparameters = SuggestedHyperParameters(self._suggester(trial))
        hyperparameters.fill(space.values(drawn), space.parameters)
        hyperparameters.place = place
        shown = kt_trial.Trial(hyperparameters, trial_id(trial.number), _STATUS.RUNNING)
        running = self._running[shown.trial_id] = RunningTrial(trial, Pulse(self.study, trial._trial_id))
        if self._halving:
            self._begin_in_bracket(self._halving, running, shown)
        self.trials[shown.trial_id] = self.ongoing_trials[tuner_id] = shown
        self.start_order.append(shown.trial_id)
        return shown

    def _begin_in_bracket(self, halving: SuccessiveHalving, running: RunningTrial, shown: Any) -> None:
        trial = running.trial
        number = trial.user_attrs.get(records.CONTINUES)
        if number is None:
            running.bracket = halving.bracket_of(shown.hyperparameters.place)
            trial.set_user_attr(records.BRACKET, running.bracket)
            return
        earlier = self._stored(number)
        running.reports, running.bracket = rung_of(earlier)
        running.begun_at = shown.hyperparameters.initial_epoch = running.reports
        shown.hyperparameters.continues = trial_id(number)
        shown.hyperparameters.measured = records.measured(earlier)
        # So that samplers and pruners see all of the training, and not its end alone.
        for step, value in earlier.intermediate_values.items():
            trial.report(value, step)
        for name, values in records.history(earlier).items():
            shown.metrics.register(name, direction=self.directions.get(name))
            for step, value in enumerate(values):
                shown.metrics.metrics[name].update(value, step)

    def _suggester(self, trial: optuna.Trial) -> Callable[[Parameter, Any], Any]:
        def suggest(parameter: Parameter, default: Any) -> Any:
            if not self.allow_new_entries:
                raise kt.errors.FatalRuntimeError(
                    f"the model must ask for hyperparameters that were declared; it asked for {parameter.name!r}"
                )
            if not self.tune_new_entries:
                return default
            with self._lock:
                if parameter.key not in records.remembered(self.study).by_key():
                    records.remember(self.study, parameter)
                return parameter.value(trial._suggest(parameter.key, parameter.distribution))

        return suggest

    def update_trial(self, trial_id: str, metrics: Mapping[str, Any], step: int = 0, final: bool = False) -> Any:
        """Take what a trial measured.

        Args:
            trial_id: The trial.
            metrics: The metrics by name; the objectives must be among them.
            step: The epoch, from 0.
            final: Whether the training is at its end, where nothing is left to save. Defaults to False.

        Returns:
            The trial; its status is `STOPPED` if it should end.
        """
        with self._lock:
            shown, running = self.trials[trial_id], self._running[trial_id]
            check_measured([*self.directions, *(each.metric for each in self.constraints)], metrics)
            if step < running.begun_at:  # It was seen when this configuration was at work before.
                return shown
            for name, value in metrics.items():
                if not shown.metrics.exists(name):
                    shown.metrics.register(name, direction=self.directions.get(name))
                # Not the tracker's own `update`, which looks for the best each time, also among nothing but NaN.
                shown.metrics.metrics[name].update(float(value), step)
            ends = self._should_end(running, float(metrics[self.objectives[0].name]), final)
            # A loop of the user's own may not have ended where it should have.
            shown.status = _STATUS.STOPPED if ends else _STATUS.RUNNING
            return shown

    def _should_end(self, running: RunningTrial, value: float, final: bool) -> bool:
        if len(self.objectives) > 1:
            return running.pulse.refused
        try:
            running.trial.report(value if is_finite(value) else float("nan"), running.reports)
        except optuna.exceptions.UpdateFinishedTrialError:
            return True  # Others took its process for dead, and run it again.
        running.reports += 1
        running.paused, running.diverged = False, not is_finite(value)
        if final or running.diverged:
            return running.diverged
        if self._halving is not None:
            running.paused = self._halving.pauses(running.reports, running.bracket)
        return running.paused or running.trial.should_prune()

    def end_trial(self, trial: Any) -> None:
        """Write down how a trial ended: its status says whether it completed, was stopped or failed."""
        with self._lock:
            running, shown = self._ended(trial), self.trials[trial.trial_id]
            # Where others took its process for dead they run the trial again, and this end comes too late.
            with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError):
                running.trial.set_user_attr(records.HISTORY, json.dumps(curves(shown)))
                running.trial.set_user_attr(records.SECONDS, time.monotonic() - running.since)
                if trial.status in (_STATUS.FAILED, _STATUS.INVALID):
                    fail(self.study, running.trial, trial, self.max_retries_per_trial)
                else:
                    stopped = trial.status == _STATUS.STOPPED
                    ended = running.why_it_ended if stopped else None
                    finish(self.study, running.trial, shown, ended, self.objectives, self.constraints)
            self._has_an_end(running.trial)

    def refuse(self, trial: Any, reason: str, measured: Mapping[str, float]) -> None:
        """Write down that a trial was not worth a training."""
        with self._lock:
            running = self._ended(trial).trial
            with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError):
                refuse(self.study, running, reason, measured, self.constraints)
            self._has_an_end(running)

    def _has_an_end(self, trial: optuna.Trial) -> None:
        shown = self._view(self.study._storage.get_trial(trial._trial_id))
        self.trials[shown.trial_id] = shown
        self.end_order.append(shown.trial_id)

    def abandon(self, trial: Any) -> None:
        """Leave a trial to a later search, such as where the user stopped this one."""
        with self._lock:
            self._ended(trial)
            lost.set_aside(self.study, self._stored(number_of(trial.trial_id)))

    def _ended(self, trial: Any) -> RunningTrial:
        running = self._running.pop(trial.trial_id)
        running.pulse.stop()
        self.ongoing_trials = {k: t for k, t in self.ongoing_trials.items() if t.trial_id != trial.trial_id}
        return running

    def bury_the_lost(self) -> list[FrozenTrial]:
        """Run again, once, what a process ran that has died since; return those trials."""
        with self._lock:
            found = self._observer.lost(self._elsewhere(), time.monotonic())
            for trial in found:
                lost.bury(self.study, trial, self.max_retries_per_trial + 2)
            return found

    def begin_alone(self) -> None:
        """Leave to the next what was asked for by a process that was killed before it said who it is.

        Others would wait for its signs of life, and meanwhile propose what follows without knowing what came of it.
        """
        with self._lock:
            for trial in self._elsewhere():
                if records.OWNER not in trial.user_attrs:
                    lost.set_aside(self.study, trial)

    def is_awaited(self) -> bool:
        """Whether others still run trials, which somebody must run again if they are lost."""
        return bool(self._elsewhere())

    def _elsewhere(self) -> list[FrozenTrial]:
        running = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return [t for t in running if trial_id(t.number) not in self._running]

    def _has_ended(self, trials: list[FrozenTrial]) -> bool:
        if self.max_trials is not None and sum(map(records.begins, trials)) >= self.max_trials:
            return True
        return exhausted(self.study, self.space()) or self._is_impatient(trials)

    def _is_superfluous(self, trial: optuna.Trial, before: list[FrozenTrial]) -> bool:
        # Two workers may have found that one more is wanted, or that the same one may go on.
        if (followed := trial.user_attrs.get(records.FOLLOWS)) is not None:
            return any(t.user_attrs.get(records.FOLLOWS) == followed for t in before)
        return self.max_trials is not None and sum(map(records.begins, before)) >= self.max_trials

    def _is_impatient(self, trials: list[FrozenTrial]) -> bool:
        if self.patience is None:
            return False
        ended = list(filter(records.has_come_to_an_end, trials))
        best = {t.number for t in self._best(trials)[: None if len(self.objectives) > 1 else 1]}
        since = next((i for i, t in enumerate(reversed(ended)) if t.number in best), len(ended))
        return since >= self.patience

    def get_best_trials(self, num_trials: int = 1) -> list[Any]:
        """Return completed trials, the best first; for several objectives the Pareto front."""
        return [self._view(t) for t in self.best()[:num_trials]]

    def get_trial(self, trial_id: str) -> Any:
        """Return a trial."""
        if trial_id not in self._running:
            self.trials[trial_id] = self._view(self._stored(number_of(trial_id)))
        return self.trials[trial_id]

    def _view(self, trial: FrozenTrial) -> Any:
        return view(trial, self.space(), self.directions)

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Say that `create_trial` draws the values itself."""
        raise NotImplementedError("OptunaOracle.create_trial draws the values itself")

    def get_space(self) -> Any:
        """Return the space known so far as KerasTuner's hyperparameters."""
        return hyperparameters_of(self.space())

    def remaining_trials(self) -> int | None:
        """Return how many more trials there may be."""
        begun = sum(map(records.begins, self._counted()))
        return None if self.max_trials is None else max(self.max_trials - begun, 0)

    def save(self) -> None:
        """Do nothing: the storage has everything already."""

    def reload(self) -> None:
        """Read from the storage."""
        with self._lock:
            self.trials = {trial_id(t.number): self._view(t) for t in self._counted()}
