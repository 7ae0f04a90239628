"""What the tests of `inputs.torch_layers` share, with torch and without it."""

import numpy as np

N_HEAD, N_TOKEN, N_CONTEXT, EMBED = 2, 3, 4, 8


def sequences(seed, kdim=EMBED, vdim=EMBED):
    """Tokens, key, value and targets of a module; key and value are one array unless their widths differ."""
    rng = np.random.default_rng(seed)
    tokens, targets = rng.normal(size=(2, N_TOKEN, EMBED))
    key = rng.normal(size=(N_CONTEXT, kdim))
    return tokens, key, key if kdim == vdim else rng.normal(size=(N_CONTEXT, vdim)), targets


def open_mask():
    """A mask (n_token, n_context), True where open, that leaves each token something and is not its own opposite."""
    mask = np.ones((N_TOKEN, N_CONTEXT), dtype=bool)
    mask[0, 1:] = mask[2, [0, 3]] = False
    return mask


def relative(a, b):
    """Largest difference in units of the largest entry of b."""
    return np.abs(np.asarray(a) - np.asarray(b)).max() / np.abs(np.asarray(b)).max()
