"""Question: do equations 2 to 5 of the paper train a block of linear attention to match images by example?

Prediction
    At least 94 % of the questions of 2000 test sequences with one head, 95 % with two, with at least half of the attention
    on the right examples; every attention that ignores the query is right on exactly one question in four.

Reference
    Granier & Senn 2025, equations 1 to 5; the task of `inputs.match`. Optimiser as in `experiments.train_digits`.

Weights of the value and of the output start as a copy of the tag, and with one head those of query and key start alike.
Otherwise heads learn to avoid the examples that match, with full accuracy: attention looks the wrong way, and W_O W_V has
the opposite sign. Controls: the start, before training, and the tag of the nearest example; uniform attention has a
quarter of itself on the right examples. Settings were chosen on validation images, a fifth of the training images
(`--select`); the test images were looked at once, for the weights in the package, which are those of

    python -m cortical_attention.experiments.train_match cortical_attention/inputs
"""

import argparse
import time
from pathlib import Path

import numpy as np

from cortical_attention.inputs.match import D_MODEL, HEADS, N_COMPONENT, N_TAG, answered, right_items, sequences
from cortical_attention.reference.attention import Block, linear_attention
from cortical_attention.reference.gradients import gradients
from cortical_attention.reference.nulls import additive_attention, key_only_attention, uniform_attention
from cortical_attention.trials.training import Adam, adam, cosine

# Parameters
SEED = 0
N_STEP, N_BATCH = 3000, 32  # sequences a step
NOISE = 0.05  # standard deviation of the noise added to the components while training
OPTIMISER = Adam(learning_rate=0.02, weight_decay=0.02)
D_KEY = {1: 16, 2: 8}
D_VALUE = N_TAG
SMALL = 0.1  # chosen: weights of value and output beside their copy of the tag
N_TEST = 2000
WEIGHTS = ("W_Q", "W_K", "W_V", "W_O")
NULLS = {"uniform": uniform_attention, "key_only": key_only_attention, "additive": additive_attention}


# Protocol
def fit(n_head, part, seed=SEED, n_step=N_STEP, copied=True):
    """Block trained on sequences of a part of the images."""
    order, weights, moments = np.random.default_rng([seed, 1]), initial(n_head, seed, copied), ([0.0] * 4, [0.0] * 4)
    for step in range(n_step):
        drawn = sequences(order, N_BATCH, part, NOISE)
        _, *slopes = gradients(drawn.tokens, drawn.targets, Block(*weights), context=drawn.context)
        adam(weights, moments, [g / drawn.labels.size for g in slopes], step, cosine(step, n_step), OPTIMISER)
    return Block(*weights)


def initial(n_head, seed, copied=True):
    """W_Q, W_K, W_V, W_O of variance 1 / fan-in, with the tag copied, and with one head equal queries and keys."""
    rng, d_key = np.random.default_rng([seed, 0]), D_KEY[n_head]
    shapes = [(n_head, d_key, D_MODEL)] * 2 + [(n_head, D_VALUE, D_MODEL)]
    W_Q, W_K, W_V = (rng.standard_normal(shape) / np.sqrt(D_MODEL) for shape in shapes)
    W_O = rng.standard_normal((n_head, D_MODEL, D_VALUE)) / np.sqrt(n_head * D_VALUE)
    if not copied:
        return [W_Q, W_K, W_V, W_O]
    if n_head == 1:
        W_K[..., N_COMPONENT:] = 0
        W_K *= 2
        W_Q = W_K.copy()
    W_V, W_O = SMALL * W_V, SMALL * W_O
    W_V[:, :, N_COMPONENT:] += np.eye(N_TAG)
    W_O[:, :N_TAG] += np.eye(N_TAG) / n_head
    return [W_Q, W_K, W_V, W_O]


# Reference
def figures(block, drawn):
    """Accuracies of the algebra and of its nulls, attention on the right examples, and the sign of W_O W_V by head."""
    given = drawn.tokens, block
    found = linear_attention(*given, context=drawn.context)
    accuracy = {"algebra": found} | {name: null(*given, context=drawn.context) for name, null in NULLS.items()}
    right = {name: float(np.mean(answered(each.output) == drawn.labels)) for name, each in accuracy.items()}
    attention = (found.kappa * right_items(drawn)[:, None]).sum(axis=-1).mean(axis=(0, 2))
    carried = np.einsum("hmv, hvm -> hm", block.W_O[:, :N_TAG], block.W_V[..., N_COMPONENT:]).mean(axis=-1)
    return right | {"attention on the right examples": attention.tolist(), "W_O W_V of a tag": carried.tolist()}


def nearest_example(drawn):
    """Accuracy of the tag of the example that is nearest in the components of the image, without any weights (float)."""
    asked, given = (each[..., :N_COMPONENT] for each in (drawn.tokens, drawn.context))
    nearest = ((asked[:, :, None] - given[:, None]) ** 2).sum(axis=-1).argmin(axis=-1)
    return float(np.mean(np.take_along_axis(drawn.tags, nearest, axis=1) == drawn.labels))


def select(seeds=(0, 1)):
    """Figures on validation images of blocks trained without them: number of heads, start, seed."""
    drawn = sequences(np.random.default_rng([0, 2]), N_TEST, "validation")
    for n_head in HEADS:
        for copied in (True, False):
            for seed in seeds:
                block = fit(n_head, "fitting", seed, copied=copied)
                yield {"heads": n_head, "tag copied": copied, "seed": seed, **figures(block, drawn)}


def main() -> None:
    """Train, print the figures on test images, write the weights."""
    parser = argparse.ArgumentParser(
        prog="python -m cortical_attention.experiments.train_match", description=__doc__.splitlines()[0]
    )
    parser.add_argument("folder", nargs="?", type=Path, default=Path("results/train_match"))
    parser.add_argument(
        "--select", action="store_true", help="print figures on validation images of other starts instead"
    )
    options = parser.parse_args()
    if options.select:
        for each in select():
            print(_shown(each))
        return
    options.folder.mkdir(parents=True, exist_ok=True)
    drawn = sequences(np.random.default_rng([0, 3]), N_TEST, "test")
    print(_shown({"control: tag of the nearest example": nearest_example(drawn)}))
    for n_head in HEADS:
        untrained = Block(*initial(n_head, SEED))
        print(_shown({"control: before training, heads": n_head, **figures(untrained, drawn)}))
        start = time.perf_counter()
        block = fit(n_head, "training")
        np.savez(options.folder / f"match_{n_head}.npz", **{name: getattr(block, name) for name in WEIGHTS})
        print(_shown({"heads": n_head, **figures(block, drawn)}))
        print(f"trained in {time.perf_counter() - start:.0f} s; weights in {options.folder / f'match_{n_head}.npz'}")


def _shown(found):
    """Figures on one line."""
    return "; ".join(
        f"{name} {np.round(each, 3) if not isinstance(each, bool) else each}" for name, each in found.items()
    )


if __name__ == "__main__":
    main()
