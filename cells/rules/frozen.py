"""Queries and keys stay as they were drawn; values and answers learn: what can be had without learning where to look."""

from cortical_attention.cells.rules.exact import EXACT

FROZEN = EXACT._replace(
    says="values and answers by the gradient, queries and keys not at all",
    rules={name: EXACT.rules[name] for name in ("W_V", "W_O")},
)
