"""Handwritten digits as sequences of tokens, their fixed split, and trained weights.

The images are the 8 x 8 digits of scikit-learn (optical recognition of handwritten digits, UCI). A token is a patch of
2 x 2 pixels followed by a one-hot code of the patch's place, so an image is 16 tokens of 20 components. The weights in
`digits.npz` are the output of `experiments.train_digits`.
"""

from importlib import resources

import numpy as np

from cortical_attention.inputs.cases import Case
from cortical_attention.reference.attention import Block

N_CLASS = 10
N_PATCH = 4  # patches along each side of an image
N_PIXEL = 2  # pixels along each side of a patch
D_MODEL = N_PIXEL**2 + N_PATCH**2
N_TEST = 360
SPLIT_SEED = 19980701


def load_digits_tokens() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The digits, in the order of scikit-learn.

    Returns
    -------
    tokens : ndarray, (1797, 16, 20)
        Four pixels row by row, between 0 and 1, then the place of the patch (rows of patches from the top), one-hot.
    labels : ndarray of int, (1797,)
    images : ndarray, (1797, 8, 8)
        Between 0 and 1.

    Raises
    ------
    ImportError
        Without scikit-learn.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError(
            "the digits need scikit-learn, which is optional: install it with pip install 'cortical-attention[digits]'"
        ) from error
    digits = load_digits()
    images = digits.images / 16  # 17 grey levels, 0 to 16
    return tokenise(images), digits.target, images


def tokenise(images: np.ndarray) -> np.ndarray:
    """Images (n, 8, 8) as tokens (n, 16, 20)."""
    patches = images.reshape(-1, N_PATCH, N_PIXEL, N_PATCH, N_PIXEL).swapaxes(2, 3).reshape(-1, N_PATCH**2, N_PIXEL**2)
    places = np.broadcast_to(np.eye(N_PATCH**2), (len(patches), N_PATCH**2, N_PATCH**2))
    return np.concatenate([patches, places], axis=-1)


def split(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The fixed split: indices of the 1437 training and of the 360 test images."""
    return hold_out(labels, N_TEST, SPLIT_SEED)


def hold_out(labels: np.ndarray, n_hold: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Hold out a stratified part: shuffle, sort by class, and take indices at equal distances.

    The shuffle uses only the raw bits of PCG64, which are stable across versions of numpy; `Generator.permutation` is
    not, and a change would move test images into the training part.

    Parameters
    ----------
    labels : ndarray of int, (n,)
    n_hold : int
    seed : int

    Returns
    -------
    kept : ndarray of int, (n - n_hold,)
    held : ndarray of int, (n_hold,)
        Both ascending; each class has its share of `held`, to within one image.
    """
    bits = np.random.PCG64(np.random.SeedSequence(seed)).random_raw(len(labels))
    order = np.lexsort((bits, labels))
    held = order[np.arange(n_hold) * len(labels) // n_hold]
    return np.setdiff1d(order, held), np.sort(held)


def targets(labels: np.ndarray) -> np.ndarray:
    """Target of every token of an image: its class, one-hot in the first ten components; then zeros.

    Parameters
    ----------
    labels : ndarray of int, (n,)

    Returns
    -------
    ndarray, (n, 16, 20)
    """
    return np.repeat(np.eye(N_CLASS, D_MODEL)[labels][:, None], N_PATCH**2, axis=1)


def predict(output: np.ndarray) -> np.ndarray:
    """Class of an output: the largest of the first ten components of its mean over tokens.

    Parameters
    ----------
    output : ndarray, (..., n_token, d_model)

    Returns
    -------
    ndarray of int, (...)
    """
    return output.mean(axis=-2)[..., :N_CLASS].argmax(axis=-1)


def digit_cases(images: int) -> tuple[Case, ...]:
    """The first test images as cases; circuits are calibrated on the first training image of each class."""
    tokens, labels, _ = load_digits_tokens()
    training, test = split(labels)
    first = [training[labels[training] == label][0] for label in range(N_CLASS)]
    return tuple(Case(tokens[k], load_weights(), calibration=tokens[first], name=f"digit {k}") for k in test[:images])


def load_weights() -> Block:
    """Trained weights (Block): 4 heads, d_key = d_value = 5, d_model = 20, kernel elu+1, normalised, no drives."""
    stored = resources.files("cortical_attention.inputs").joinpath("digits.npz")
    with stored.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        return Block(**{name: archive[name] for name in ("W_Q", "W_K", "W_V", "W_O")})
