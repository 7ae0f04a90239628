"""White noise as a function of (cell, step, stream), identical on every code-generation target.

A counter-based generator: the 32-bit finaliser of MurmurHash3 (Appleby 2011) mixes the integers into a uniform random number
of mean zero and variance one; its integral by a membrane is close to Gaussian. Brian2's own `xi` depends on the target.
"""

import numpy as np
from brian2 import Function
from brian2.codegen.generators.numpy_generator import NumpyCodeGenerator

_CPP = """
static inline double noise(int32_t cell, int64_t step, int64_t stream) {
    uint32_t h = (uint32_t)cell * 0x9E3779B1u + (uint32_t)((uint64_t)step * 0x85EBCA77u + (uint64_t)stream);
    h ^= h >> 16; h *= 0x85EBCA6Bu; h ^= h >> 13; h *= 0xC2B2AE35u; h ^= h >> 16;
    return ((double)h - 2147483647.5) * 8.0656613238543767e-10;
}
"""
_CYTHON = """
cdef double noise(int cell, long long step, long long stream):
    cdef unsigned int h = <unsigned int>cell * <unsigned int>0x9E3779B1
    h += <unsigned int>(<unsigned long long>step * 0x85EBCA77u + <unsigned long long>stream)
    h ^= h >> 16
    h *= <unsigned int>0x85EBCA6B
    h ^= h >> 13
    h *= <unsigned int>0xC2B2AE35
    h ^= h >> 16
    return (<double>h - 2147483647.5) * 8.0656613238543767e-10
"""
SCALE, MIDDLE = 8.0656613238543767e-10, 2147483647.5  # sqrt(12) / 2**32: variance one; the difference is exact


def _numpy(cell, step, stream):
    """The hash in arrays of 32-bit integers, in place."""
    h = np.atleast_1d(cell).astype(np.uint32)
    h *= np.uint32(0x9E3779B1)
    h += np.uint32((int(step) * 0x85EBCA77 + int(stream)) & 0xFFFFFFFF)
    h ^= h >> np.uint32(16)
    h *= np.uint32(0x85EBCA6B)
    h ^= h >> np.uint32(13)
    h *= np.uint32(0xC2B2AE35)
    h ^= h >> np.uint32(16)
    return (h - MIDDLE) * SCALE


noise = Function(_numpy, arg_units=[1, 1, 1], return_unit=1, arg_types=["integer"] * 3, return_type="float")
for _target, _code in (("cpp", _CPP), ("cython", _CYTHON)):
    noise.implementations.add_implementation(_target, _code, name="noise")
# without the check of units that Brian2 wraps around a Python function, which costs more than the noise itself
noise.implementations.add_implementation(NumpyCodeGenerator, code=_numpy)
"""noise(cell, step, stream): for Brian2 equations; three integers to one number, uniform, of mean 0 and variance 1."""


def shifted(stream, first):
    """Stream in which cell i has the noise of cell `first + i` of `stream`.

    Parameters
    ----------
    stream, first : int

    Returns
    -------
    int
        Between 0 and 2**32 - 1.
    """
    return (stream + first * 0x9E3779B1) % 2**32
