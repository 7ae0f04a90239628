"""The suite: fixed random inputs shared by the experiments.

Nine cases of self-attention (4, 8 and 16 tokens, with query and key weights at one, two and three times their usual size)
and three of cross-attention. At scale 1 attention is nearly uniform and easy to imitate; at scale 3 it is sharp.
`python -m cortical_attention.inputs.suite` prints them.
"""

from zlib import crc32

import numpy as np

from cortical_attention.inputs.cases import Case, sizes
from cortical_attention.reference.attention import Block

SUITE_SEED = 20250917
SELF = [(f"self_n{n}_scale{scale}", n, None, scale) for n in (4, 8, 16) for scale in (1, 2, 3)]
CROSS = [(f"cross_n{n}_m{m}_scale{scale}", n, m, scale) for n, m, scale in ((4, 8, 1), (8, 16, 2), (16, 4, 3))]
STREAMS = ("tokens", "context", "W_Q", "W_K", "W_V", "W_O", "calibration", "calibration_context")
N_CALIBRATION = 16  # sequences
"""Random arrays of a case, each drawn from a separate stream; add new ones at the end."""


def cases() -> tuple[Case, ...]:
    """Cases of the suite (12); reproducible, and independent of each other."""
    seed = seeds()
    return tuple(random_case(seed[name], n, m, scale=scale, name=name) for name, n, m, scale in SELF + CROSS)


def seeds() -> dict[str, np.random.SeedSequence]:
    """Seed of each case by name: SUITE_SEED with the CRC-32 of the name as its spawn key."""
    return {
        name: np.random.SeedSequence(SUITE_SEED, spawn_key=(crc32(name.encode()),)) for name, _, _, _ in SELF + CROSS
    }


def random_case(
    seed: int | np.random.SeedSequence,
    n_token: int,
    n_context: int | None = None,
    n_head: int = 2,
    d_model: int = 16,
    d_key: int = 8,
    d_value: int = 8,
    scale: float = 1.0,
    name: str = "random",
) -> Case:
    """A case of Gaussian random arrays.

    Parameters
    ----------
    seed : int or SeedSequence
        Equal seeds give equal cases; the seed is not changed. Each array has its own child seed, so that, for example,
        the tokens do not depend on `d_value`.
    n_token : int
    n_context : int, optional
        None: self-attention.
    n_head, d_model, d_key, d_value : int
    scale : float
        Factor on W_Q and W_K; it sets the sharpness of attention.
    name : str

    Returns
    -------
    Case
        Entries of tokens, context and calibration sequences ~ N(0, 1); of a weight ~ N(0, 1 / fan-in), where the fan-in is
        d_model for W_Q, W_K and W_V and d_value for W_O; W_Q and W_K then times `scale`.

    Raises
    ------
    ValueError
        For a size that is negative.
    """
    stream = _streams(seed)
    context = others = None
    if n_context is not None:
        context = stream["context"].standard_normal((n_context, d_model))
        others = stream["calibration_context"].standard_normal((N_CALIBRATION, n_context, d_model))
    block = Block(
        W_Q=scale * _weight(stream["W_Q"], n_head, d_key, d_model),
        W_K=scale * _weight(stream["W_K"], n_head, d_key, d_model),
        W_V=_weight(stream["W_V"], n_head, d_value, d_model),
        W_O=_weight(stream["W_O"], n_head, d_model, d_value),
    )
    tokens = stream["tokens"].standard_normal((n_token, d_model))
    calibration = stream["calibration"].standard_normal((N_CALIBRATION, n_token, d_model))
    return Case(tokens, block, context, calibration=calibration, calibration_context=others, name=name)


def _streams(seed: int | np.random.SeedSequence) -> dict[str, np.random.Generator]:
    """Random generator of each array; not by `SeedSequence.spawn`, which depends on the number of its calls."""
    parent = seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)
    keys = [(*parent.spawn_key, index) for index in range(len(STREAMS))]
    children = [np.random.SeedSequence(parent.entropy, spawn_key=key) for key in keys]
    return {name: np.random.default_rng(child) for name, child in zip(STREAMS, children, strict=True)}


def _weight(stream: np.random.Generator, n_head: int, n_to: int, n_from: int) -> np.ndarray:
    """Weights (n_head, n_to, n_from) of variance 1 / n_from."""
    return stream.standard_normal((n_head, n_to, n_from)) / np.sqrt(n_from)


def main() -> None:
    """Print name, sizes, scale and seed of every case."""
    seed = seeds()
    print(f"{'name':22}{'sizes':78}{'scale':7}seed")
    for case, (name, _, _, scale) in zip(cases(), SELF + CROSS, strict=True):
        found = "  ".join(f"{axis} {size}" for axis, size in sizes(case).items())
        print(f"{name:22}{found:78}{scale:<7}{seed[name].entropy}, spawn key {seed[name].spawn_key}")


if __name__ == "__main__":
    main()
