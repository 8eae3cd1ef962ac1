"""Each contract rejects something that is wrong in just that way: a contract that accepts everything proves nothing."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.contracts import known_wrong_functions as functions
from tests.contracts import known_wrong_optimizers as wrong
from tests.contracts import schedule_contracts, transform_contracts
from tests.contracts.contract import CONTRACTS, Contract
from tests.contracts.optimizer_specs import SPECS
from tests.contracts.running import BACKEND, COMPILED
from tests.contracts.subject import Subject
from tests.contracts.test_optimizers import MODULES

assert MODULES  # Their import fills CONTRACTS.

# For each contract a class that breaks it, and the options that it is made with.
OPTIMIZERS: dict[str, tuple[Callable[..., Any], Mapping[str, Any]]] = {
    "equals_its_twin_in_every_way": (wrong.ForgetsBiasCorrection, {}),
    "equals_its_twin_on_large_variables": (wrong.ForgetsTheLastPart, {}),
    "lets_subclasses_change_the_rule": (wrong.OverridesItsSubclasses, {}),
    "traces_once": (wrong.IsTraced, {}),
    "has_the_signature_of_keras": (wrong.HasAnotherDefault, {}),
    "equals_keras": (wrong.ForgetsBiasCorrection, {}),
    "the_order_of_variables_is_irrelevant": (wrong.DependsOnTheOrder, {}),
    "splitting_variables_is_irrelevant": (wrong.NormalizesEachVariable, {}),
    "takes_a_part_of_its_variables": (wrong.MovesOtherVariables, {}),
    "follows_a_schedule": (wrong.ReadsTheNextStep, {}),
    "lets_hyperparameters_follow_schedules": (wrong.KeepsItsFirstMomentum, {"momentum": 0.9}),
    "calls_a_callable_learning_rate": (wrong.CallsTheRateOnce, {}),
    "takes_a_new_learning_rate": (wrong.KeepsItsRate, {}),
    "clips": (wrong.ignoring("IgnoresClipping", "clipnorm"), {}),
    "unscales_the_gradients": (wrong.ignoring("IgnoresScale", "loss_scale_factor"), {}),
    "accumulating_equals_one_large_batch": (wrong.TakesTheSumOfAWindow, {}),
    "averages_per_effective_step": (wrong.AveragesPerMicroStep, {}),
    "overwrites_by_the_average_on_time": (wrong.ignoring("OverwritesNever", "ema_overwrite_frequency"), {}),
    "constrains_after_the_step": (wrong.IgnoresConstraints, {}),
    "all_services_together_equal_the_twin_in_every_way": (
        wrong.ignoring("AlwaysDecoupled", "weight_decay_mode"),
        {"momentum": 0.9},  # without momentum the two modes are the same
    ),
    "leaves_variables_without_gradient_alone": (wrong.TakesNoneForZero, {}),
    "refuses_only_missing_gradients": (wrong.IgnoresMissingGradients, {}),
    "bears_zero_gradients": (wrong.DividesByZero, {}),
    "skips_nonfinite_steps": (wrong.HidesNaN, {}),
    "drops_nonfinite_windows": (wrong.HidesNaN, {}),
    "raises_on_nonfinite_gradients": (wrong.ignoring("SkipsInstead", nonfinite="skip"), {}),
    "propagates_nonfinite_gradients": (wrong.HidesNaN, {}),
    "refuses_gradients_that_do_not_match": (wrong.BroadcastsAndTruncates, {}),
    "takes_sparse_gradients": (wrong.HalvesSparseGradients, {}),
    "takes_sparse_gradients_with_services": (wrong.HalvesSparseGradients, {}),
    "decays_as_much_as_its_twin": (wrong.ignoring("AlwaysDecoupledToo", "weight_decay_mode"), {"momentum": 0.9}),
    "decays_what_the_mask_says": (wrong.ignoring("DecaysMasked", "weight_decay_mask"), {}),
    "keeps_the_mask_in_its_config": (wrong.LosesItsMask, {}),
    "excludes_from_weight_decay_as_keras": (wrong.ExcludesNothing, {}),
    "makes_itself_again_from_its_config": (wrong.LosesAKey, {"momentum": 0.9}),
    "keeps_the_slots_of_its_twin": (wrong.StartsAtOne, {}),
    "resumes_exactly_from_a_file": (wrong.DropsItsState, {"momentum": 0.9}),
    "resumes_through_an_unbuilt_optimizer": (wrong.DropsStateWhenUnbuilt, {"momentum": 0.9}),
    "refuses_a_state_that_does_not_fit": (wrong.TakesAnyState, {}),
    "declares_every_argument": (wrong.HasAnUndeclaredKey, {}),
    "refuses_bad_arguments": (wrong.SwallowsErrors, {}),
    "accepts_every_kind_of_number": (wrong.RefusesIntegers, {}),
    "refuses_unknown_arguments": (wrong.SwallowsErrors, {}),
    "refuses_two_kinds_of_clipping": (wrong.SwallowsErrors, {}),
    "refuses_a_bad_learning_rate_later": (wrong.KeepsItsRate, {}),
    "reaches_the_minimum_of_a_quadratic": (wrong.HardlyMoves, {}),
    "reaches_the_minima_of_optax": (wrong.HardlyMoves, {}),
    "two_fits_equal_the_twin_in_every_mode": (wrong.AveragesPerMicroStep, {}),
    "resumes_a_fit_exactly": (wrong.DropsItsState, {"momentum": 0.9}),
    "raises_when_a_compiled_fit_met_nan": (wrong.ignoring("SkipsInsteadToo", nonfinite="skip"), {}),
    "trains_in_mixed_precision": (wrong.IsTenPercentOff, {}),
    "is_documented": (wrong.HasNoDocumentation, {}),
    "trains_bfloat16_variables": (wrong.IsTenPercentOff, {}),
    "trains_inside_loss_scale_optimizer": (wrong.IsTenPercentOff, {}),
}
# A wrong class that refuses what is good does so by an error of its own.
REFUSES = {"accepts_every_kind_of_number": ValueError}


def wrong_subject(cls: Any, options: Mapping[str, Any]) -> Subject:
    """Return the broken class with the spec of the class that it derives from."""
    spec = next(spec for spec in SPECS if spec.cls in cls.__mro__)
    return Subject(replace(spec, cls=cls), options)


@pytest.mark.parametrize("contract", CONTRACTS, ids=str)
def test_the_contract_rejects_its_known_wrong_twin(contract: Contract):
    subject = wrong_subject(*OPTIMIZERS[str(contract)])
    if reason := contract.pointless(subject):
        pytest.skip(reason)
    with pytest.raises(REFUSES.get(str(contract), AssertionError)):
        contract.check(subject)


def test_every_contract_has_a_known_wrong_twin():
    assert sorted(OPTIMIZERS) == sorted(str(contract) for contract in CONTRACTS)


TRANSFORMS: dict[str, Callable[..., Any]] = {
    "equals_its_twin_in_every_way": functions.TakesEachNorm,
    "leaves_its_input_alone": functions.WorksInPlace,
    "keeps_shapes_and_dtypes": functions.WidensToFloat32,
    "survives_extreme_gradients": functions.Overflows,
    "makes_itself_again_from_its_config": functions.LosesItsLimit,
    "refuses_bad_arguments": functions.TakesAnyLimit,
    "is_documented": functions.ClipsWithoutDocumentation,
}
SCHEDULES: dict[str, Any] = {
    "follows_its_twin_on_python_ints": functions.ReadsTheNextStep,
    "follows_its_twin_on_tensors": functions.ComputesInFloat32,
    "is_the_same_compiled": functions.ComputesInFloat32,
    "counts_epochs_when_told": functions.KeepsItsEpochs,
    "drives_an_optimizer_in_every_way": functions.ReadsTheNextStep,
    "makes_itself_again_from_its_config": functions.LosesItsMinimum,
    "refuses_bad_arguments": functions.TakesAnySteps,
    "is_documented": functions.AnnealsWithoutDocumentation,
}


@pytest.mark.parametrize("contract", transform_contracts.CONTRACTS, ids=lambda contract: contract.__name__)
def test_the_contract_rejects_its_known_wrong_transform(contract: Callable[[Any], None]):
    cls: Any = TRANSFORMS[contract.__name__]
    if cls is functions.WorksInPlace and BACKEND != "torch":
        pytest.skip(f"tensors of {BACKEND} cannot be changed in place")
    spec = next(spec for spec in transform_contracts.SPECS if spec.cls in cls.__mro__)
    with pytest.raises(AssertionError):
        contract(replace(spec, cls=cls))


SCHEDULE_CONTRACTS = (*schedule_contracts.CONTRACTS, *schedule_contracts.CONTRACTS_OF_A_CLASS)


@pytest.mark.parametrize("contract", SCHEDULE_CONTRACTS, ids=lambda contract: contract.__name__)
def test_the_contract_rejects_its_known_wrong_schedule(contract: Callable[[Any], None]):
    if contract is schedule_contracts.is_the_same_compiled and not COMPILED:
        pytest.skip(f"{BACKEND} compiles no schedule")
    cls = SCHEDULES[contract.__name__]
    spec = replace(next(spec for spec in schedule_contracts.SPECS if spec.cls in cls.__mro__), cls=cls)
    subjects = [schedule_contracts.ScheduleSubject(spec, options) for options in spec.variants]
    with pytest.raises(AssertionError):  # One of the variants must show it.
        list(map(contract, subjects))
