"""Inhibitory circuits that normalise the attention of a macrocolumn; one file each."""

from cortical_attention.circuits.normalisers.factorised import factorised
from cortical_attention.circuits.normalisers.feedforward import feedforward
from cortical_attention.circuits.normalisers.output import output
from cortical_attention.circuits.normalisers.pi import pi
from cortical_attention.circuits.normalisers.plausible import plausible
from cortical_attention.circuits.normalisers.slow import slow

NORMALISERS = {
    "pi": pi,
    "factorised": factorised,
    "plausible": plausible,
    "slow": slow,
    "feedforward": feedforward,
    "output": output,
}
