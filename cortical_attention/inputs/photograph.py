"""A photograph as a sequence of tokens: adjacent patches in the principal components of all patches of the image.

The image is that of a Chinese temple in scikit-learn (`load_sample_image`). No weights were trained on it.
"""

import numpy as np

PATCH = 8  # pixels along each side of a patch


def photograph_tokens(n_token, d_model, n_other=0):
    """Tokens of a nearly square part of the middle of the photograph, row by row; or of other parts.

    Parameters
    ----------
    n_token : int
        Number of patches.
    d_model : int
        Number of principal components.
    n_other : int
        Number of other parts, at equal distances over all that do not touch the middle one; 0: the middle one.

    Returns
    -------
    ndarray, shape (n_token, d_model), or (n_other, n_token, d_model)
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
    grid, width = components.reshape(rows, columns, d_model), int(np.ceil(np.sqrt(n_token)))
    top, left = middle = rows // 2 - width // 2, columns // 2 - width // 2

    def part(top, left):
        return grid[top : top + width, left : left + width].reshape(-1, d_model)[:n_token]

    if not n_other:
        return part(*middle)
    corners = [(y, x) for y in range(0, rows - width + 1, width) for x in range(0, columns - width + 1, width)]
    apart = [(y, x) for y, x in corners if abs(y - top) >= width or abs(x - left) >= width]
    return np.stack([part(*apart[k * len(apart) // n_other]) for k in range(n_other)])
