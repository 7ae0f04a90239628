"""Controls with all cells and synapses of the exact rule, taught the targets of other tokens or of other sequences."""

from cortical_attention.cells.rules.exact import EXACT

SHUFFLED_TOKENS = EXACT._replace(says="the gradient of targets that belong to other tokens", shuffled="tokens")
SHUFFLED_SEQUENCES = EXACT._replace(says="the gradient of targets that belong to other sequences", shuffled="sequences")
