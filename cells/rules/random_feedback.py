"""Feedback that stays as it was drawn, as in feedback alignment (Lillicrap et al. 2016, abstract read)."""

from cortical_attention.cells.rules.exact import EXACT

RANDOM_FEEDBACK = EXACT._replace(says="the gradient, but for random feedback that does not learn", feedback="F")
