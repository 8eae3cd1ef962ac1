"""Every contract on every optimizer."""

from collections.abc import Iterator
from typing import Any

import pytest

from keras_neural_opt import optimizers
from tests.contracts import (
    arguments,
    convergence,
    decay,
    documentation,
    dtypes,
    gradient_kinds,
    numerics,
    services,
    states,
    training,
)
from tests.contracts.contract import CONTRACTS, Contract
from tests.contracts.optimizer_specs import SIMPLEST, SPECS, SUBJECTS
from tests.contracts.subject import Subject

# Importing them has entered their contracts into the list.
MODULES = (
    arguments,
    convergence,
    decay,
    documentation,
    dtypes,
    gradient_kinds,
    numerics,
    services,
    states,
    training,
)


def cases() -> Iterator[Any]:
    for contract in CONTRACTS:
        marks = [pytest.mark.slow] if contract.slow else []
        for subject in SUBJECTS if contract.every_variant else SIMPLEST:
            yield pytest.param(contract, subject, marks=marks, id=f"{contract}-{subject}")


@pytest.mark.parametrize(("contract", "subject"), list(cases()))
def test_keeps_the_contract(contract: Contract, subject: Subject):
    if reason := contract.pointless(subject):
        pytest.skip(reason)
    contract.check(subject)


def test_every_registered_class_has_a_row():
    assert sorted(spec.cls.__name__.lower() for spec in SPECS) == optimizers.available()


def test_every_module_of_contracts_is_run():
    assert {contract.check.__module__ for contract in CONTRACTS} == {module.__name__ for module in MODULES}
