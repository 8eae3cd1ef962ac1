"""Options as users write them: keywords, a mapping or pairs, in more than one spelling."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from keras_neural_opt._core.arguments import did_you_mean

Config = TypeVar("Config", bound=Any)


def named_options(owner: str, given: Any, keywords: Mapping[str, Any], spellings: Mapping[str, str]) -> dict[str, Any]:
    """Return the options by the names that `owner` uses.

    Args:
        owner: The class that takes the options; errors name it.
        given: None, a mapping, or a list of (name, value) pairs.
        keywords: More options.
        spellings: Other names of options, each with the name that `owner` uses.

    Raises:
        ValueError: `given` is neither, or an option comes twice.
    """
    options: dict[str, Any] = {}
    first_spelling: dict[str, str] = {}
    for spelling, value in [*_pairs(owner, given), *keywords.items()]:
        name = spellings.get(spelling, spelling)
        if name in options:
            both = f"{first_spelling[name]}={options[name]!r} and {spelling}={value!r}"
            raise ValueError(f"{owner}.{name} must be given once; received {both}")
        options[name], first_spelling[name] = value, spelling
    return options


def configuration(
    cls: type[Config], owner: str, given: Any, keywords: Mapping[str, Any], spellings: Mapping[str, str]
) -> Config:
    """Return options as the dataclass that checks them.

    Args:
        cls: The dataclass.
        owner: What takes the options; errors name it.
        given: None, a mapping, a list of (name, value) pairs, or what this returned, of which keywords replace some.
        keywords: More options.
        spellings: Other names of options, each with the name that the dataclass has.

    Raises:
        ValueError: An option is unknown, comes twice or breaks its rule.
    """
    known = [each.name for each in fields(cls)]
    before = {name: getattr(given, name) for name in known} if isinstance(given, cls) else {}
    options = named_options(owner, None if before else given, keywords, spellings)
    for name, value in options.items():
        if name not in known:
            raise ValueError(f"{owner}.{name} must be an option of it; received {value!r}{did_you_mean(name, known)}")
    return cls(**{**before, **options})


def _pairs(owner: str, given: Any) -> list[tuple[str, Any]]:
    pairs = list(given.items()) if isinstance(given, Mapping) else given
    if pairs is None:
        return []
    if not isinstance(pairs, (list, tuple)) or not all(_is_pair(pair) for pair in pairs):
        raise ValueError(f"{owner}.config must be a mapping or a list of (name, value) pairs; received {given!r}")
    return [(name, value) for name, value in pairs]


def _is_pair(pair: Any) -> bool:
    return isinstance(pair, (list, tuple)) and len(pair) == 2 and isinstance(pair[0], str)
