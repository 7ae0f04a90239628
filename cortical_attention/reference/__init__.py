"""Algebra of attention, the reference of every circuit. It uses numpy only, and no circuit imports it."""

from cortical_attention.reference.attention import (
    Attention,
    Block,
    algorithm_1,
    linear_attention,
    memory_attention,
    softmax_attention,
)
from cortical_attention.reference.gradients import Gradients, gradients
from cortical_attention.reference.kernels import KERNELS, Kernel
from cortical_attention.reference.nulls import additive_attention, key_only_attention, uniform_attention

__all__ = [
    "KERNELS",
    "Attention",
    "Block",
    "Gradients",
    "Kernel",
    "additive_attention",
    "algorithm_1",
    "gradients",
    "key_only_attention",
    "linear_attention",
    "memory_attention",
    "softmax_attention",
    "uniform_attention",
]
