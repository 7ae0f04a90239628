"""Ways of learning by name."""

from cortical_attention.cells.rules.exact import EXACT
from cortical_attention.cells.rules.frozen import FROZEN
from cortical_attention.cells.rules.hebbian import HEBBIAN
from cortical_attention.cells.rules.kolen_pollack import KOLEN_POLLACK
from cortical_attention.cells.rules.no_baseline import NO_BASELINE
from cortical_attention.cells.rules.random_feedback import RANDOM_FEEDBACK
from cortical_attention.cells.rules.shuffled import SHUFFLED_SEQUENCES, SHUFFLED_TOKENS

RULES = {
    "exact": EXACT,
    "kolen_pollack": KOLEN_POLLACK,
    "random_feedback": RANDOM_FEEDBACK,
    "no_baseline": NO_BASELINE,
    "hebbian": HEBBIAN,
    "frozen": FROZEN,
    "shuffled_tokens": SHUFFLED_TOKENS,
    "shuffled_sequences": SHUFFLED_SEQUENCES,
}
