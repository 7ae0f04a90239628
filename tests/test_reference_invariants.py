"""What must hold for any weights, at the edges, and what is refused."""

import numpy as np
import pytest

from cortical_attention.reference import (
    KERNELS,
    Block,
    algorithm_1,
    linear_attention,
    memory_attention,
    softmax_attention,
)

LINEAR = [linear_attention, memory_attention]
FORMS = [*LINEAR, softmax_attention]
# Exact statements, so only rounding separates the sides: sums of at most 60 terms of size below 10 (see `draw`), each
# term known to a few eps.
ATOL = 4 * 60 * 10 * np.finfo(float).eps


def draw(seed=0, n_token=5, n_context=7, n_head=3, d_model=6, d_key=3, d_value=4, scale=1.0):
    """Tokens, context and a block without biases; queries, keys and values have standard deviations near `scale`."""
    rng = np.random.default_rng(seed)
    sizes = [(n_head, d_key, d_model), (n_head, d_key, d_model), (n_head, d_value, d_model), (n_head, d_model, d_value)]
    weights = [scale * rng.normal(size=size) / np.sqrt(d_model) for size in sizes]
    return rng.normal(size=(n_token, d_model)), rng.normal(size=(n_context, d_model)), Block(*weights)


def assert_close(a, b):
    np.testing.assert_allclose(a, b, rtol=0, atol=ATOL * max(1, np.abs(b).max()))


def head(block, h):
    return Block(*(W[h : h + 1] for W in block[:4]))


@pytest.mark.parametrize("form", FORMS)
def test_order_of_tokens_does_not_matter(form):
    tokens, context, block = draw()
    order, order_of_context = np.random.default_rng(1).permutation(5), np.random.default_rng(2).permutation(7)
    assert_close(form(tokens[order], block).output, form(tokens, block).output[order])
    crossed = form(tokens, block, context=context)
    assert_close(form(tokens, block, context=context[order_of_context]).output, crossed.output)
    assert np.abs(form(tokens[order], block).output - form(tokens, block).output).max() > 0.1  # it is not constant


@pytest.mark.parametrize("form", FORMS)
def test_output_is_linear_in_the_values_and_the_heads(form):
    tokens, _, block = draw()
    other = block._replace(W_V=draw(1)[2].W_V)
    both = block._replace(W_V=2 * block.W_V - 3 * other.W_V)
    assert_close(form(tokens, both).output, 2 * form(tokens, block).output - 3 * form(tokens, other).output)
    assert_close(form(tokens, block).output, sum(form(tokens, head(block, h)).output for h in range(3)))
    whole_heads_moved = Block(*(np.roll(W, 1, axis=0) for W in block[:4]))
    assert_close(form(tokens, whole_heads_moved).output, form(tokens, block).output)
    assert np.abs(form(2 * tokens, block).output - 2 * form(tokens, block).output).max() > 0.1  # but not in the tokens


@pytest.mark.parametrize("form", FORMS)
def test_one_context_token_is_simply_passed_on(form):
    tokens, _, block = draw(n_token=1)
    straight = np.einsum("hmv,hvn,in->im", block.W_O, block.W_V, tokens)
    assert_close(form(tokens, block).output, straight)
    assert_close(form(draw(1)[0], block, context=tokens).output, np.repeat(straight, 5, axis=0))
    unnormalised = linear_attention(tokens, block, normalised=False).output
    assert np.abs(unnormalised - straight).max() > 0.1


@pytest.mark.parametrize("form", LINEAR)
def test_one_key_dimension_leaves_no_query(form):
    """With d_key = 1 phi(q_i) is one value, and it cancels in the division: every token gets the same."""
    tokens, context, block = draw(d_key=1)
    output = form(tokens, block, context=context).output
    assert_close(output, np.broadcast_to(output[0], output.shape))
    assert np.ptp(form(tokens, block, context=context, normalised=False).output, axis=0).max() > 0.1
    assert np.ptp(form(tokens, draw(d_key=2)[2], context=context).output, axis=0).max() > 0.01


@pytest.mark.parametrize("kernel", KERNELS)
def test_each_row_of_kappa_is_a_share(kernel):
    tokens, context, block = draw(scale=2.0)
    kappa, Z = linear_attention(tokens, block, context=context, kernel=kernel)[1:]
    assert kappa.shape == (3, 5, 7)
    assert kappa.min() >= 0
    assert_close(kappa.sum(-1), (Z > 0).astype(float))
    raw = linear_attention(tokens, block, context=context, kernel=kernel, normalised=False)
    assert_close(raw.kappa, kappa * Z[..., None])
    np.testing.assert_array_equal(raw.normaliser, Z)
    assert_close(softmax_attention(tokens, block, context=context).kappa.sum(-1), np.ones((3, 5)))


def test_biases_are_weights_from_a_constant_token_component():
    tokens, context, block = draw()
    b_Q, b_K, b_V = np.random.default_rng(1).normal(size=(3, 3, 3))
    block = block._replace(W_V=block.W_V[:, :3], W_O=block.W_O[..., :3])
    widened = [np.concatenate([W, b[..., None]], axis=2) for W, b in zip(block[:3], (b_Q, b_K, b_V), strict=True)]
    wide = Block(*widened, np.concatenate([block.W_O, np.zeros((3, 1, 3))], axis=1))
    tokens_1, context_1 = (np.concatenate([x, np.ones((len(x), 1))], axis=1) for x in (tokens, context))
    for form in FORMS:
        answer = form(tokens, block._replace(b_Q=b_Q, b_K=b_K, b_V=b_V), context=context).output
        assert_close(answer, form(tokens_1, wide, context=context_1).output[:, :6])
        for missing in ({"b_Q": b_Q}, {"b_K": b_K}, {"b_V": b_V}):  # every one of them counts
            assert np.abs(form(tokens, block._replace(**missing), context=context).output - answer).max() > 0.01


@pytest.mark.parametrize("form", FORMS)
def test_a_closed_token_is_an_absent_token(form):
    tokens, context, block = draw()
    opened = np.array([True, False, True, True, False, False, True])
    masked = form(tokens, block, context=context, mask=np.tile(opened, (5, 1)))
    assert_close(masked.output, form(tokens, block, context=context[opened]).output)
    causal = np.tri(5, dtype=bool)
    output = form(tokens, block, mask=causal).output
    for n in range(1, 6):
        assert_close(output[:n], form(tokens[:n], block, mask=causal[:n, :n]).output)
    assert np.abs(output - form(tokens, block).output)[:-1].max() > 0.1


@pytest.mark.parametrize("form", FORMS)
def test_a_row_with_everything_closed_is_zero(form):
    tokens, context, block = draw()
    mask = np.ones((5, 7), dtype=bool)
    mask[2] = False
    answer = form(tokens, block, context=context, mask=mask)
    np.testing.assert_array_equal(answer.output[2], 0)
    np.testing.assert_array_equal(answer.normaliser[:, 2], 0)
    others = np.arange(5) != 2
    assert_close(answer.output[others], form(tokens[others], block, context=context).output)
    if answer.kappa is not None:
        np.testing.assert_array_equal(answer.kappa[:, 2], 0)


def test_relu_that_underflows_gives_zero_without_warning():
    """All keys negative: Z = 0 for every token of that head. Warnings are errors in this suite."""
    tokens, _, block = draw(n_head=2)
    tokens = np.abs(tokens)
    block = block._replace(W_Q=np.abs(block.W_Q), W_K=np.stack([-np.abs(block.W_K[0]), np.abs(block.W_K[1])]))
    for answer in (algorithm_1(tokens, block, "relu"), *(form(tokens, block, kernel="relu") for form in LINEAR)):
        np.testing.assert_array_equal(answer.normaliser[0], 0)
        assert answer.normaliser[1].min() > 0
        assert_close(answer.output, linear_attention(tokens, head(block, 1), kernel="relu").output)
        if answer.kappa is not None:
            np.testing.assert_array_equal(answer.kappa[0], 0)


@pytest.mark.parametrize("kernel", KERNELS)
def test_kernels(kernel):
    phi, derivative = KERNELS[kernel]
    u = np.linspace(-5, 5, 102)  # an even number of points: 0, where relu has no derivative, is not among them
    step = np.cbrt(np.finfo(float).eps)
    # Truncation: step^2 / 6 times the third derivative, at most exp(5); rounding adds eps phi / step, no larger.
    atol = np.exp(5) * step**2
    np.testing.assert_allclose((phi(u + step) - phi(u - step)) / (2 * step), derivative(u), rtol=0, atol=atol)
    assert phi(u).min() >= 0
    assert derivative(u).shape == u.shape
    far = np.array([-800.0, 700.0])  # beyond float64 for a naive exp(u) on the right, 1 / exp(u) on the left
    assert np.isfinite([phi(far), derivative(far)]).all()


def test_kernels_take_the_named_values():
    u = np.array([-1.0, 0.0, 2.0])
    for kernel, expected in [
        ("elu+1", [np.exp(-1), 1, 3]),
        ("softplus", np.log(1 + np.exp(u))),
        ("relu", [0, 0, 2]),
        ("exp", np.exp(u)),
    ]:
        assert_close(KERNELS[kernel].phi(u), np.array(expected))


@pytest.mark.parametrize("form", [algorithm_1, *LINEAR])
def test_an_unknown_kernel_is_refused(form):
    tokens, _, block = draw()
    with pytest.raises(ValueError, match="kernel 'tanh' is not known; .* 'elu\\+1', 'softplus', 'relu', 'exp'"):
        form(tokens, block, kernel="tanh")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"W_Q": np.ones((3, 6))}, r"W_Q has shape \(3, 6\), but needs \(n_head, d_key, d_model\)"),
        ({"W_K": np.ones((3, 2, 6))}, r"W_K has shape \(3, 2, 6\), but needs \(n_head=3, d_key=3, d_model=6\)"),
        ({"W_V": np.ones((2, 4, 6))}, r"W_V has shape \(2, 4, 6\), but needs \(n_head=3, d_value, d_model=6\)"),
        ({"W_O": np.ones((3, 4, 6))}, r"W_O has shape \(3, 4, 6\), but needs \(n_head=3, d_model=6, d_value=4\)"),
        ({"b_Q": np.ones(3)}, r"b_Q has shape \(3,\), but needs \(n_head=3, d_key=3\)"),
        ({"b_K": np.ones((3, 4))}, r"b_K has shape \(3, 4\), but needs \(n_head=3, d_key=3\)"),
        ({"b_V": np.ones((3, 3))}, r"b_V has shape \(3, 3\), but needs \(n_head=3, d_value=4\)"),
        ({"tokens": np.ones((5, 7))}, r"tokens has shape \(5, 7\), but needs \(\.\.\., n_token, d_model=6\)"),
        ({"tokens": np.ones(6)}, r"tokens has shape \(6,\), but needs \(\.\.\., n_token, d_model=6\)"),
        ({"context": np.ones((7, 5))}, r"context has shape \(7, 5\), but needs \(\.\.\., n_context, d_model=6\)"),
        (
            {"tokens": np.ones((2, 5, 6)), "context": np.ones((3, 7, 6))},
            r"context has batch axes \(3,\), but .* \(2,\)",
        ),
        ({"mask": np.ones((7, 5), bool)}, r"mask has shape \(7, 5\), but needs \(n_token=5, n_context=7\)"),
        ({"mask": np.ones((5, 7))}, "mask has dtype float64, but needs bool"),
    ],
)
@pytest.mark.parametrize("form", FORMS)
def test_a_wrong_shape_is_refused_by_name(form, change, sentence):
    tokens, context, block = draw()
    given = {"tokens": tokens, "context": context, "mask": None} | change
    block = block._replace(**{name: given.pop(name) for name in change if name in Block._fields})
    with pytest.raises(ValueError, match=sentence):
        form(given.pop("tokens"), block, **given)


def test_algorithm_1_takes_one_sequence():
    tokens, _, block = draw()
    with pytest.raises(ValueError, match=r"tokens has shape \(1, 5, 6\), but needs \(n_token, d_model=6\)"):
        algorithm_1(tokens[None], block)
