"""The digits: tokens that hold the whole image, a split without overlap, weights that read the test images."""

import sys

import numpy as np
import pytest

from cortical_attention.experiments import train_digits
from cortical_attention.experiments.train_digits import Training, accuracy, fit
from cortical_attention.inputs.digits import (
    hold_out,
    load_digits_tokens,
    load_weights,
    predict,
    split,
    targets,
    tokenise,
)
from cortical_attention.reference.attention import linear_attention
from cortical_attention.reference.nulls import uniform_attention
from cortical_attention.trials.training import Adam, adam

PROMISED = 0.94
CHANCE = 0.1
N_SIGMA = 5


@pytest.fixture(scope="module")
def digits():
    pytest.importorskip("sklearn")
    return load_digits_tokens()


def test_tokens_hold_the_image_exactly(digits):
    tokens, labels, images = digits
    assert tokens.shape == (1797, 16, 20)
    assert labels.shape == (1797,)
    assert (images.min(), images.max()) == (0, 1)
    again = np.zeros_like(images)
    for place in range(16):
        row, column = divmod(place, 4)
        again[:, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2] = tokens[:, place, :4].reshape(-1, 2, 2)
        np.testing.assert_array_equal(tokens[:, place, 4:], np.tile(np.arange(16) == place, (1797, 1)))
    np.testing.assert_array_equal(again, images)


def test_images_are_those_of_scikit_learn(digits):
    from sklearn.datasets import load_digits

    np.testing.assert_array_equal(digits[2] * 16, load_digits().images)
    np.testing.assert_array_equal(digits[1], load_digits().target)


def test_the_split_has_no_overlap_and_is_stratified(digits):
    train, test = split(digits[1])
    assert (len(train), len(test)) == (1437, 360)
    np.testing.assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(1797))
    share = np.bincount(digits[1]) * 360 / 1797
    assert np.all(np.abs(np.bincount(digits[1][test]) - share) < 1)


def test_the_split_is_fixed(digits):
    for one, other in zip(split(digits[1]), split(digits[1]), strict=True):
        np.testing.assert_array_equal(one, other)


def test_another_seed_holds_out_other_images(digits):
    first, second = (set(hold_out(digits[1], 360, seed)[1]) for seed in (1, 2))
    by_chance = 360 * 360 / 1797
    assert abs(len(first & second) - by_chance) < N_SIGMA * np.sqrt(by_chance)


def test_hold_out_takes_none_or_all():
    labels = np.array([1, 0, 1, 0, 0])
    for n_hold in (0, 5):
        kept, held = hold_out(labels, n_hold, 3)
        assert (len(kept), len(held)) == (5 - n_hold, n_hold)


def test_targets_are_read_as_their_class():
    labels = np.arange(10)
    wanted = targets(labels)
    assert wanted.shape == (10, 16, 20)
    assert wanted.sum() == 10 * 16
    assert not wanted[..., 10:].any()
    np.testing.assert_array_equal(predict(wanted), labels)


def test_prediction_is_of_the_mean_and_of_the_classes_only():
    output = np.zeros((2, 16, 20))
    output[:, :, 15] = 9.0
    output[:, :, 3] = 1.0
    output[1, 0, 7] = 17.0
    np.testing.assert_array_equal(predict(output), [3, 7])
    assert predict(output[1]) == 7


def test_the_weights_read_the_test_images(digits):
    tokens, labels, _ = digits
    test = split(labels)[1]
    block = load_weights()
    assert accuracy(tokens[test], labels[test], block) >= PROMISED
    # Control: with every token weighed the same the place of a pixel is lost, and with it nearly all accuracy.
    assert accuracy(tokens[test], labels[test], block, uniform_attention) < (CHANCE + PROMISED) / 2


def test_the_weights_are_small_and_plain():
    block = load_weights()
    assert [weight.shape for weight in block[:4]] == [(4, 5, 20), (4, 5, 20), (4, 5, 20), (4, 20, 5)]
    assert block[4:] == (None, None, None)
    assert all(weight.dtype == np.float64 for weight in block[:4])
    assert max(np.abs(weight).max() for weight in block[:4]) < 10  # chosen: no projection outweighs a row of others


def test_a_few_steps_lower_the_energy_and_raise_the_accuracy(digits):
    tokens, labels = digits[0][:100], digits[1][:100]
    block, energy = fit(tokens, labels, Training(n_epoch=40, n_batch=50))
    assert energy.shape == (40,)
    # The best output that is blind to the image is the share of each class, p: its energy is (1 - |p|^2) / 2 a token.
    blind = (1 - np.sum((np.bincount(labels) / len(labels)) ** 2)) / 2
    assert energy[-1] < blind < energy[0]
    # Guessing is right binomially often; far more than that is learnt.
    assert accuracy(tokens, labels, block) > CHANCE + N_SIGMA * np.sqrt(CHANCE * (1 - CHANCE) / 100)


def test_training_against_the_gradient_raises_the_energy(digits, monkeypatch):
    real = train_digits.gradients

    def turned(*given):
        energy, *slopes = real(*given)
        return (energy, *(-slope for slope in slopes))

    monkeypatch.setattr(train_digits, "gradients", turned)
    _, energy = fit(digits[0][:100], digits[1][:100], Training(n_epoch=5, n_batch=50))
    assert energy[-1] > energy[0]


def test_training_is_the_same_every_time(digits):
    short = Training(n_epoch=2, n_batch=20)
    first, second = (fit(digits[0][:50], digits[1][:50], short) for _ in range(2))
    for one, other in zip(first[0][:4], second[0][:4], strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(first[1], second[1])


def test_the_first_step_of_adam_has_the_length_of_the_learning_rate():
    """The running means start at zero and are corrected for it, so the first step is the rate times the sign."""
    settings = Adam(learning_rate=0.02, weight_decay=0.0)
    weights, gradient = [np.zeros(3)], [np.array([2.0, -0.5, 1e-3])]
    adam(weights, ([0.0], [0.0]), gradient, 0, 0.5, settings)
    # epsilon beside the gradient shortens the step by at most this share
    np.testing.assert_allclose(weights[0], [-0.01, 0.01, -0.01], rtol=2 * settings.epsilon / 1e-3)


def test_adam_finds_the_least_of_a_bowl():
    """Each step is at most about the learning rate, here falling to zero, so the end is within a step of the least."""
    settings, least = Adam(learning_rate=0.02, weight_decay=0.0), np.array([1.0, -2.0])
    weights, moments = [np.zeros(2)], ([0.0], [0.0])
    for step in range(500):
        adam(weights, moments, [weights[0] - least], step, 1 - (step + 1) / 501, settings)
    assert np.abs(weights[0] - least).max() < settings.learning_rate


def test_decay_shrinks_weights_that_nothing_needs():
    weights = [np.ones(2)]
    adam(weights, ([0.0], [0.0]), [np.zeros(2)], 0, 1.0, Training().adam)
    np.testing.assert_allclose(weights[0], 1 - Training().adam.learning_rate * Training().adam.weight_decay)


def test_without_scikit_learn_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError, match=r"scikit-learn.*pip install 'cortical-attention\[digits\]'$") as caught:
        load_digits_tokens()
    assert str(caught.value).isprintable()


def test_magnitudes_are_those_a_circuit_must_carry(digits):
    found = train_digits.magnitudes(load_weights())
    assert all(np.isfinite(value) for value in found.values())
    assert found["Z, lowest"] > 0
    assert found["kappa, highest"] < 1


def test_one_image_is_read_as_in_a_batch(digits):
    block = load_weights()
    batch = linear_attention(digits[0][:5], block).output
    alone = np.stack([linear_attention(tokens, block).output for tokens in digits[0][:5]])
    np.testing.assert_allclose(alone, batch, rtol=1e-9, atol=1e-12)  # rounding only, sums of a few hundred terms
    np.testing.assert_array_equal(predict(alone), predict(batch))


def test_tokenise_takes_one_image_in_a_batch():
    image = np.arange(64.0).reshape(1, 8, 8)
    np.testing.assert_array_equal(tokenise(image)[0, 5, :4], [18, 19, 26, 27])
