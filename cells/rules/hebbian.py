"""Queries and keys by what their two cells do, without any error; values and answers by the gradient."""

from cortical_attention.cells.rules.exact import CREDIT, EXACT
from cortical_attention.cells.rules.rule import Rule


def _without_credit(rule):
    """Rule whose factors are those of the synapse alone (Rule)."""
    return Rule(tuple(each for each in rule.factors if each != CREDIT), rule.letters)


HEBBIAN = EXACT._replace(
    says="queries and keys by correlation alone, the others by the gradient",
    rules=EXACT.rules | {name: _without_credit(EXACT.rules[name]) for name in ("W_Q", "W_K")},
)
