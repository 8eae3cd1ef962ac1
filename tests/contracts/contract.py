"""The list of contracts."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.contracts.subject import Subject

Check = Callable[[Subject], None]


@dataclass(frozen=True)
class Contract:
    """A function that raises `AssertionError` when a subject breaks the contract.

    Args:
        check: The function.
        every_variant: Whether each choice of options is checked; else the simplest of each class.
        slow: Whether it trains with `fit`.
        pointless: Returns why a subject need not be checked, or nothing.
    """

    check: Check
    every_variant: bool
    slow: bool
    pointless: Callable[[Subject], str]

    def __str__(self) -> str:
        return self.check.__name__


CONTRACTS: list[Contract] = []


def contract(
    every_variant: bool = False, slow: bool = False, pointless: Callable[[Subject], str] = lambda subject: ""
) -> Callable[[Check], Check]:
    """Enter a function into the list of contracts."""

    def enter(check: Check) -> Check:
        CONTRACTS.append(Contract(check, every_variant, slow, pointless))
        return check

    return enter


def refusal(error: type[Exception], call: Callable[[], object]) -> str:
    """Return the message of the error that `call` must raise."""
    try:
        result = call()
    except error as refused:
        return str(refused)
    raise AssertionError(f"no {error.__name__}, but {result!r}")
