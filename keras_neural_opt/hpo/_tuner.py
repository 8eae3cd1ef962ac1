"""KerasTuner's tuner with Optuna's engine."""

import contextlib
import inspect
import json
import os
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import keras_tuner as kt
import numpy as np
from keras_tuner.src.engine import trial as kt_trial
from keras_tuner.src.engine import tuner_utils

from keras_neural_opt._core.arguments import check_arguments, did_you_mean, flag, integer, optional, positive
from keras_neural_opt._core.files import write_atomic
from keras_neural_opt.hpo._derived import write_derived
from keras_neural_opt.hpo._hparams import own_folders, write_if_possible
from keras_neural_opt.hpo._live_table import LiveTable
from keras_neural_opt.hpo._memory import forget_models, quick_collection
from keras_neural_opt.hpo._oracle import OptunaOracle
from keras_neural_opt.hpo._pause import EverythingIsBuilt, Pause, StopAtTheBeginning, trains_as_keras_does
from keras_neural_opt.hpo._project import JOURNAL, Project, checked_name, refuse_chief
from keras_neural_opt.hpo._pruners import usual_pruner
from keras_neural_opt.hpo._refused import RefusedTrialError
from keras_neural_opt.hpo._report_and_prune import BestWeights, ReportAndPrune, StopAfter
from keras_neural_opt.hpo._searched import Searched
from keras_neural_opt.hpo._trial_weights import load_weights, save_weights
from keras_neural_opt.hpo._workers import Workers

_STATUS = kt_trial.TrialStatus
_OF_KERASTUNER = ("optimizer", "loss", "metrics", "max_model_size", "distribution_strategy", "tuner_id")
_OF_ORACLE = frozenset(inspect.signature(OptunaOracle).parameters) - {"objective", "max_trials", "seed"}
# Seconds between two looks at what others still run, which may be lost.
_WAIT = 0.5


class OptunaTuner(kt.Tuner):
    """A KerasTuner tuner whose trials Optuna samples, prunes and stores.

    What KerasTuner's own tuners take and give works here: `HyperModel`, `search`, `get_best_models`,
    `get_best_hyperparameters`, `results_summary`. The model is never built only to find its hyperparameters: they are
    drawn when it asks for them.

    Args:
        hypermodel: A function of hyperparameters that returns a compiled model, or a `keras_tuner.HyperModel`.
        objective: As of `OptunaOracle`.
        max_trials: Configurations to try at most, >= 1. Defaults to 50.
        oracle: An `OptunaOracle`, instead of the objective, `max_trials` and all other arguments of one.
        seed: As of `OptunaOracle`; given, each execution also begins with random numbers of its own that can be drawn
            again.
        executions_per_trial: Trainings of each configuration, whose metrics are averaged, >= 1. Defaults to 1.
        trial_timeout: Seconds after which a trial fails, > 0; one that goes on has as many again. Defaults to None:
            never.
        time_limit: Seconds after which no trial begins, > 0. Defaults to None: none.
        directory: The folder of the project. Defaults to the current one.
        project_name: The project, 1 to 64 letters, digits, `.`, `_` and `-`. Defaults to `"search"`.
        overwrite: Whether a project of this name is deleted first; else it is continued. Defaults to False.
        **kwargs: More arguments of `OptunaOracle`, such as `sampler`, `pruner`, `hyperparameters`, `patience` and
            `storage`, which defaults to a journal in the project; and `optimizer`, `loss`, `metrics`,
            `max_model_size`, `distribution_strategy` of `keras_tuner.Tuner`.

            `pruner="auto"` (default) is a `HalvedStart` where that does no harm: 30 trials or more, where the space has
            as many, with one objective and one training each, no `time_limit`, a sampler among `"auto"`, `"bayesian"`,
            `"gp"` and `"tpe"`, no hyperparameter named `epochs`, and no class of yours that has a part in how models
            are trained. Else it is the median. A search that is continued does as it did before.

    Raises:
        ValueError: An argument breaks its rule, or variables of KerasTuner's chief are set. Nothing was made then.

    Example:
        >>> import tempfile
        >>> import keras
        >>> import numpy as np
        >>> import keras_neural_opt as kno
        >>> def build(hp):
        ...     model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        ...     model.compile(kno.optimizers.SGD(hp.Float("rate", 1e-3, 1.0, sampling="log")), "mse")
        ...     return model
        >>> x = np.linspace(-1.0, 1.0, 32).reshape(-1, 1)
        >>> tuner = kno.hpo.OptunaTuner(build, "val_loss", max_trials=3, directory=tempfile.mkdtemp(), seed=1)
        >>> tuner.search(x, 2 * x, validation_data=(x, 2 * x), epochs=2, verbose=0)
        >>> best = tuner.get_best_hyperparameters()[0]
        >>> 1e-3 <= best["rate"] <= 1.0
        True
    """

    def __init__(
        self,
        hypermodel: Any = None,
        objective: Any = None,
        max_trials: int | None = 50,
        *,
        oracle: OptunaOracle | None = None,
        seed: int | None = None,
        executions_per_trial: int = 1,
        trial_timeout: float | None = None,
        time_limit: float | None = None,
        directory: str | os.PathLike[str] | None = None,
        project_name: str = "search",
        overwrite: bool = False,
        **kwargs: Any,
    ) -> None:
        refuse_chief()
        options = {name: kwargs.pop(name) for name in [*kwargs] if name in _OF_ORACLE}
        _refuse_unknown(self, kwargs)
        _check_hypermodel(hypermodel)
        checked_name("OptunaTuner.project_name", project_name)
        check_arguments(
            "OptunaTuner",
            max_trials=optional(integer(max_trials, 1)),
            executions_per_trial=integer(executions_per_trial, 1),
            trial_timeout=optional(positive(trial_timeout)),
            time_limit=optional(positive(time_limit)),
            overwrite=flag(overwrite),
        )
        self._may_pause = oracle is None and options.get("pruner", "auto") == "auto"
        self._may_pause = self._may_pause and self._can_pause(hypermodel, executions_per_trial, kwargs)
        if self._may_pause:
            options["pruner"] = usual_pruner(objective, max_trials, time_limit, **options)
        if oracle is None:
            oracle = OptunaOracle(objective, max_trials, seed=seed, **options)
        else:
            _refuse_both(objective, options)
        if oracle.pauses and executions_per_trial > 1:
            raise ValueError(
                "OptunaTuner.executions_per_trial must be 1 with successive halving, whose trials are paused;"
                f" received {executions_per_trial}"
            )
        self.seed, self.trial_timeout, self.time_limit = seed, trial_timeout, time_limit
        self._boards: list[Path] = []
        where = Path("." if directory is None else directory)
        self.project = Project(where, project_name, overwrite)
        oracle.use_storage(self.project.path / JOURNAL)
        super().__init__(
            oracle,
            hypermodel,
            directory=str(where),
            project_name=project_name,
            executions_per_trial=executions_per_trial,
            **kwargs,
        )
        if self._may_pause:
            oracle.pause_as_before()
        oracle.reload()

    def _can_pause(self, hypermodel: Any, executions: int, options: Mapping[str, Any]) -> bool:
        """Whether nothing of the user's own could come between a training and its pause."""
        known = not isinstance(hypermodel, kt.HyperModel) or type(hypermodel).fit in (kt.HyperModel.fit, Searched.fit)
        known = known and type(self).run_trial is OptunaTuner.run_trial
        return known and executions == 1 and not options.get("distribution_strategy")

    def _populate_initial_space(self) -> None:
        # KerasTuner builds the model, again and again, to find what it asks for.
        pass

    def search(
        self, *fit_args: Any, join: bool = False, workers: int | None = None, verbose: int = 1, **fit_kwargs: Any
    ) -> None:
        """Search until the trials, the space, the patience or the time are used up.

        Args:
            *fit_args: What `HyperModel.fit` takes, by default what `model.fit` does.
            join: Whether another search may be at work on this project. Defaults to False.
            workers: Processes of this machine to run trials in, >= 1: each that dies or hangs is replaced, and its
                trial run again, once. Hypermodel and data are sent to them, so functions must be in a module. Defaults
                to None: this process alone.
            verbose: 0: nothing is shown, 1: the trials (default).
            **fit_kwargs: As `fit_args`.

        Raises:
            RuntimeError: Another search is at work, too many trials in a row failed, or no worker can start.
            ValueError: The objective is not among the metrics of the first epoch, or something cannot be sent to
                workers.
        """
        check_arguments("OptunaTuner.search", workers=optional(integer(workers, 1)))
        self.oracle.verbose = verbose
        arguments = fit_args, {**fit_kwargs, "verbose": 0}
        alone = contextlib.nullcontext() if join else self.project.alone()
        with alone, LiveTable(self.oracle, verbose, self.time_limit):
            if not join:
                self.oracle.begin_alone()
            if workers is None:
                self._search(*arguments)
            else:
                Workers(self, workers, arguments).search()

    def _search(self, fit_args: Any, fit_kwargs: Any) -> None:
        self.on_search_begin()
        with quick_collection():
            end = None if self.time_limit is None else time.monotonic() + self.time_limit
            while end is None or time.monotonic() < end:
                self.pre_create_trial()
                trial = self.oracle.create_trial(self.tuner_id)
                if trial.status == _STATUS.STOPPED:
                    if not self.oracle.is_awaited():
                        break
                    time.sleep(_WAIT)
                    continue
                self.on_trial_begin(trial)
                self._try_run_and_update_trial(trial, *fit_args, **fit_kwargs)
                self.on_trial_end(trial)
        self.on_search_end()

    def _try_run_and_update_trial(self, trial: Any, *fit_args: Any, **fit_kwargs: Any) -> None:
        try:
            results = self.run_trial(trial, *fit_args, **fit_kwargs)
            self._report(trial, results)
            if trial.status == _STATUS.RUNNING:
                trial.status = _STATUS.COMPLETED
        except RefusedTrialError as refused:
            self.oracle.refuse(trial, refused.reason, refused.measured)
        except kt.errors.FatalError:
            self.oracle.abandon(trial)
            raise
        except Exception as error:
            final = isinstance(error, kt.errors.FailedTrialError)
            trial.status = _STATUS.FAILED if final else _STATUS.INVALID
            trial.message = "".join(traceback.format_exception_only(error)).strip()
        except BaseException:
            self.oracle.abandon(trial)
            raise

    def _report(self, trial: Any, results: Any) -> None:
        """Report what was returned where the callback reported nothing."""
        if trial.metrics.metrics:
            return
        objective = self.oracle.objectives[0]
        for execution in results if isinstance(results, list) else [results]:
            if not isinstance(execution, dict):  # The oracle knows better what is missing in one.
                tuner_utils.validate_trial_results(execution, objective, "HyperModel.fit()")
            metrics = tuner_utils.convert_to_metrics_dict(execution, objective)
            self.oracle.update_trial(trial.trial_id, metrics, final=True)

    def run_trial(self, trial: Any, *fit_args: Any, **fit_kwargs: Any) -> Any:
        """Train a configuration, as often as it should be; return what each training returned."""
        best = BestWeights(self.oracle.objectives[0])
        given = fit_kwargs.pop("callbacks", None) or []
        results = []
        ends = [] if self.trial_timeout is None else [StopAfter(self.trial_timeout)]
        for execution in range(self.executions_per_trial):
            self._begin_execution(trial, execution)
            copies = self._deepcopy_callbacks(list(given))
            self._boards = own_folders(copies, trial.trial_id, execution)
            kept = [*copies, best]
            pause = Pause(Path(self.get_trial_dir(trial.trial_id)), kept)
            callbacks = [*kept, ReportAndPrune(self.oracle, trial, pause.save if self.oracle.pauses else None)]
            arguments = {**fit_kwargs, "callbacks": [*ends, *callbacks]}
            if trial.hyperparameters.continues is not None:
                results.append(self._continue(trial, pause, fit_args, arguments))
            else:
                results.append(self._build_and_fit_model(trial, *fit_args, **arguments))
            if trial.status == _STATUS.STOPPED:
                break
        if best.weights is not None:
            best.model.set_weights(best.weights)
            save_weights(best.model, self._get_checkpoint_fname(trial.trial_id))
        return results

    def _begin_execution(self, trial: Any, execution: int) -> None:
        trial.hyperparameters.execution = execution
        if self.seed is not None:
            seeds = np.random.SeedSequence([self.seed, trial.hyperparameters.place, execution])
            keras.utils.set_random_seed(int(seeds.generate_state(1)[0] >> 1))

    def _continue(self, trial: Any, pause: Pause, fit_args: Any, fit_kwargs: Any) -> Any:
        """Go on with a training that was paused; where its state is gone, begin it again."""
        model = self._try_build(trial.hyperparameters)
        callbacks, begin = fit_kwargs["callbacks"], fit_kwargs.get("initial_epoch", 0)
        later = {**fit_kwargs, "initial_epoch": begin + trial.hyperparameters.initial_epoch}
        with contextlib.suppress(EverythingIsBuilt):
            stopped = [StopAtTheBeginning(), *callbacks]
            self.hypermodel.fit(trial.hyperparameters, model, *fit_args, **{**later, "callbacks": stopped})
        earlier = Path(self.get_trial_dir(trial.hyperparameters.continues))
        goes_on = pause.load(earlier, model, later["initial_epoch"])
        if goes_on is None:
            return self._build_and_fit_model(trial, *fit_args, **fit_kwargs)
        return self._fit(trial, model, *fit_args, **{**later, "callbacks": [*callbacks, goes_on]})

    def _try_build(self, hp: Any) -> Any:
        forget_models()
        model = self._build_hypermodel(hp)
        if not isinstance(model, keras.Model):
            raise kt.errors.FatalTypeError(f"the hypermodel must build a Keras model; received {model!r}")
        if self.max_model_size and model.count_params() > self.max_model_size:
            raise kt.errors.FailedTrialError(f"{model.count_params()} weights are more than {self.max_model_size}")
        return model

    def _build_and_fit_model(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
        model = self._try_build(trial.hyperparameters)
        if self._may_pause and not trains_as_keras_does(model):
            self.oracle.never_pause(trial.trial_id)
        return self._fit(trial, model, *args, **kwargs)

    def _fit(self, trial: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
        results = self.hypermodel.fit(trial.hyperparameters, model, *args, **kwargs)
        write_atomic(self._get_build_config_fname(trial.trial_id), json.dumps(model.get_build_config()))
        return results

    def load_model(self, trial: Any) -> Any:
        """Return the model of a trial, with the weights of its best epoch."""
        model = self._try_build(trial.hyperparameters)
        if not model.built:
            model.build_from_config(json.loads(Path(self._get_build_config_fname(trial.trial_id)).read_text()))
        load_weights(model, self._get_checkpoint_fname(trial.trial_id))
        return model

    def on_trial_end(self, trial: Any) -> None:
        """Write down how it ended."""
        if trial.trial_id not in self.oracle.end_order:  # What was refused has ended already.
            self.oracle.end_trial(trial)
        write_if_possible(self._boards, self.oracle, int(trial.trial_id))
        write_derived(self.oracle, self.project.path, trial.trial_id)

    def search_space_summary(self, extended: bool = False) -> None:
        """Print the hyperparameters; a model that was never built is, once, to find them."""
        if self.hypermodel is not None and not len(self.oracle.space()):
            hyperparameters = kt.HyperParameters()
            self.hypermodel.build(hyperparameters)
            self.oracle.hyperparameters = hyperparameters
        super().search_space_summary(extended)

    def save(self) -> None:
        """Do nothing: the storage has everything already."""

    def reload(self) -> None:
        """Read from the storage."""
        self.oracle.reload()


def _refuse_unknown(tuner: Any, kwargs: Mapping[str, Any]) -> None:
    name = next((name for name in kwargs if name not in _OF_KERASTUNER), None)
    if name is not None:
        near = did_you_mean(name, [*_OF_KERASTUNER, *_OF_ORACLE, *inspect.signature(OptunaTuner).parameters])
        owner = type(tuner).__name__
        raise ValueError(f"{owner}.{name} must be an argument of {owner}; received {kwargs[name]!r}{near}")


def _refuse_both(objective: Any, options: Mapping[str, Any]) -> None:
    given = [*options] if objective is None else ["objective", *options]
    if given:
        raise ValueError(f"OptunaTuner.oracle must be None where its arguments are given; received {given}")


def _check_hypermodel(hypermodel: Any) -> None:
    if hypermodel is not None and not callable(hypermodel) and not isinstance(hypermodel, kt.HyperModel):
        raise ValueError(
            "OptunaTuner.hypermodel must be a function of hyperparameters or a keras_tuner.HyperModel;"
            f" received {hypermodel!r}"
        )
