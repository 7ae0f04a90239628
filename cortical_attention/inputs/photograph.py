"""A photograph as a sequence of tokens: adjacent patches in the principal components of all patches of the image.

The image is that of a Chinese temple in scikit-learn (`load_sample_image`). No weights were trained on it.
"""

import numpy as np

PATCH = 8  # pixels along each side of a patch


def photograph_tokens(n_token, d_model):
    """Tokens of a nearly square part of the photograph, row by row.

    Parameters
    ----------
    n_token : int
        Number of patches.
    d_model : int
        Number of principal components.

    Returns
    -------
    ndarray, shape (n_token, d_model)
        Each component has variance one over all patches of the photograph.

    Raises
    ------
    ImportError
        Without scikit-learn.
    """
    try:
        from sklearn.datasets import load_sample_image
        from sklearn.decomposition import PCA
    except ImportError as error:
        raise ImportError(
            "the photograph needs scikit-learn: install it with pip install 'cortical-attention[digits]'"
        ) from error
    grey = load_sample_image("china.jpg").mean(axis=2) / 255
    rows, columns = (size // PATCH for size in grey.shape)
    patches = grey[: rows * PATCH, : columns * PATCH].reshape(rows, PATCH, columns, PATCH).swapaxes(1, 2)
    components = PCA(d_model, whiten=True, random_state=0).fit_transform(patches.reshape(rows * columns, -1))
    width = int(np.ceil(np.sqrt(n_token)))
    block = components.reshape(rows, columns, d_model)[rows // 2 - width // 2 :, columns // 2 - width // 2 :]
    return block[:width, :width].reshape(-1, d_model)[:n_token]
