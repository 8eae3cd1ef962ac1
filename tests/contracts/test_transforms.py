"""Every contract on every gradient transform."""

from collections.abc import Callable

import pytest

from keras_neural_opt import transforms
from tests.contracts.transform_contracts import CONTRACTS, SPECS, TransformSpec


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.__name__)
@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_keeps_the_contract(contract: Callable[[TransformSpec], None], spec: TransformSpec):
    contract(spec)


def test_every_transform_has_a_row():
    base = transforms.GradientTransform
    public = [getattr(transforms, name) for name in transforms.__all__]
    classes = [c for c in public if isinstance(c, type) and issubclass(c, base) and c is not base]
    assert {spec.cls for spec in SPECS} == set(classes)
