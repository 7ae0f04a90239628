"""White noise as a function of (cell, step, stream), identical on every code-generation target.

A counter-based generator: a key is mixed of the stream and the step, a word of 64 bits of the key and the cell, by the
finaliser of SplitMix64 (Steele, Lea & Flood 2014; constants: Stafford, variant 13). Half of the word is read as a
uniform random number of mean zero and variance one; its integral by a membrane is close to Gaussian. Streams 2 k and 2 k + 1
are the halves of one word, so that a cell with two noises pays for one. Brian2's own `xi` depends on the target.
"""

import numpy as np
from brian2 import Function
from brian2.codegen.generators.numpy_generator import NumpyCodeGenerator

_CPP = """
static inline uint64_t _mixed(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
}
static inline double noise(int32_t cell, int64_t step, int64_t stream) {
    const uint64_t name = (uint64_t)(stream >> 1 & 0xFFFFFFFF) + 0x9E3779B97F4A7C15ull;
    const uint64_t key = _mixed(_mixed(name) + (uint64_t)step * 0x9E3779B97F4A7C15ull);
    const uint64_t word = _mixed(key + (uint64_t)(cell + (stream >> 33)) * 0xD1B54A32D192ED03ull);
    return ((double)(uint32_t)(stream & 1 ? word >> 32 : word) - 2147483647.5) * 8.0656613238543767e-10;
}
"""
_CYTHON = """
cdef unsigned long long _mixed(unsigned long long z):
    z = (z ^ (z >> 30)) * <unsigned long long>0xBF58476D1CE4E5B9u
    z = (z ^ (z >> 27)) * <unsigned long long>0x94D049BB133111EBu
    return z ^ (z >> 31)
cdef double noise(int cell, long long step, long long stream):
    cdef unsigned long long word = <unsigned long long>(stream >> 1 & 0xFFFFFFFFu) + 0x9E3779B97F4A7C15u
    word = _mixed(word) + <unsigned long long>step * <unsigned long long>0x9E3779B97F4A7C15u
    word = _mixed(word) + <unsigned long long>(cell + (stream >> 33)) * <unsigned long long>0xD1B54A32D192ED03u
    return (<double><unsigned int>(_mixed(word) >> (32 * (stream & 1))) - 2147483647.5) * 8.0656613238543767e-10
"""
BITS = 2**64 - 1
OF_NAME, OF_CELL = 0x9E3779B97F4A7C15, 0xD1B54A32D192ED03  # odd, so that no two counters meet
MIXERS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))
SCALE, MIDDLE = 8.0656613238543767e-10, 2147483647.5  # sqrt(12) / 2**32: variance one; the difference is exact


def _mixed(z):
    """The finaliser, of a Python integer."""
    for shift, factor in MIXERS:
        z = ((z ^ (z >> shift)) * factor) & BITS
    return z ^ (z >> 31)


def _numpy(cell, step, stream):
    """The noise of an array of cells, mixed in place."""
    stream = int(stream)
    key = _mixed((_mixed(((stream >> 1 & 0xFFFFFFFF) + OF_NAME) & BITS) + int(step) * OF_NAME) & BITS)
    z = np.atleast_1d(cell).astype(np.uint64)
    z += np.uint64(stream >> 33)
    z *= np.uint64(OF_CELL)
    z += np.uint64(key)
    for shift, factor in MIXERS:
        z ^= z >> np.uint64(shift)
        z *= np.uint64(factor)
    z ^= z >> np.uint64(31)
    return ((z >> np.uint64(32 * (stream & 1))).astype(np.uint32) - MIDDLE) * SCALE


noise = Function(_numpy, arg_units=[1, 1, 1], return_unit=1, arg_types=["integer"] * 3, return_type="float")
for _target, _code in (("cpp", _CPP), ("cython", _CYTHON)):
    noise.implementations.add_implementation(_target, _code, name="noise")
# without the check of units that Brian2 wraps around a Python function, which costs more than the noise itself
noise.implementations.add_implementation(NumpyCodeGenerator, code=_numpy)
"""noise(cell, step, stream): for Brian2 equations; three integers to one number, uniform, of mean 0 and variance 1."""


def stream_of(seed, first=0):
    """Stream of noise of a group of cells; the next number is the stream of a second noise in the same cells.

    Parameters
    ----------
    seed : numpy.random.SeedSequence
    first : int
        Below 2**30: where the first cell of the group lies in a larger one, whose noise it has.

    Returns
    -------
    int
        Even, and below 2**63.
    """
    return 2 * int(seed.generate_state(1)[0]) + (first << 33)
