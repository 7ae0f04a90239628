"""Training of attention weights by the gradient of the paper: one step of Adam with decoupled weight decay."""

from typing import NamedTuple

import numpy as np


class Adam(NamedTuple):
    """Settings of the optimiser (Kingma & Ba 2015; decoupled weight decay: Loshchilov & Hutter 2019)."""

    learning_rate: float  # at the start
    weight_decay: float  # a step, times the learning rate: keeps the weights small enough for rates
    beta_1: float = 0.9  # Kingma & Ba 2015
    beta_2: float = 0.999  # Kingma & Ba 2015
    epsilon: float = 1e-8  # Kingma & Ba 2015


def cosine(step: int, n_step: int) -> float:
    """What is left of the learning rate: a half cosine from one to zero."""
    return float(1 + np.cos(np.pi * step / n_step)) / 2


def adam(weights, moments, gradient, step: int, fallen: float, settings: Adam) -> None:
    """One step in place.

    Parameters
    ----------
    weights : list of ndarray
    moments : (list, list)
        Running means of the gradient and of its square, zero at first.
    gradient : list of ndarray
    step : int
        From 0.
    fallen : float
        What is left of the learning rate.
    settings : Adam
    """
    slope, square = moments
    rate = fallen * settings.learning_rate
    for a, g in enumerate(gradient):
        slope[a] = settings.beta_1 * slope[a] + (1 - settings.beta_1) * g
        square[a] = settings.beta_2 * square[a] + (1 - settings.beta_2) * g**2
        along = slope[a] / (1 - settings.beta_1 ** (step + 1))
        spread = np.sqrt(square[a] / (1 - settings.beta_2 ** (step + 1)))
        weights[a] = weights[a] - rate * (along / (spread + settings.epsilon) + settings.weight_decay * weights[a])
