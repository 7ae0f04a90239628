"""Index expressions: synapses read back as a dense matrix; what is refused, of them and of circuits."""

import numpy as np
import pytest
from brian2 import Clock, Hz, ms
from hypothesis import given
from hypothesis import strategies as st

from cortical_attention.cells.forms.rate import RATE
from cortical_attention.cells.relay import FIRST_ORDER
from cortical_attention.wiring.circuit import Circuit, Population, Projection
from cortical_attention.wiring.expressions import Expression, WiringError, connect, parse, sizes
from cortical_attention.wiring.network import Construction, wire

AXES = {"i": ("token", 4), "j": ("context", 3), "h": ("head", 2), "k": ("key", 5), "m": ("model", 6)}


def axes(letters):
    """Axes of a population with these letters."""
    return tuple(AXES[letter] for letter in letters)


@st.composite
def wirings(draw):
    """An expression and the size of each of its letters; every operand may be empty, and permuted."""
    size_of = {letter: draw(st.integers(1, 3)) for letter in "abcd"}
    source, target = (draw(st.lists(st.sampled_from("abcd"), unique=True, max_size=3)) for _ in range(2))
    known = sorted({*source, *target})
    weight = draw(st.lists(st.sampled_from(known), unique=True)) if known else []
    return Expression(*map("".join, (source, weight, target))), {letter: size_of[letter] for letter in known}


def shape(letters, size_of):
    """Sizes of some letters."""
    return tuple(size_of[letter] for letter in letters)


def matrix_of(expression, size_of, weights):
    """What the expression says, as [target, source]: einsum of each source cell alone, repeated over the copies."""
    source, weight, target = expression
    n_source, of_target = int(np.prod(shape(source, size_of))), shape(target, size_of)
    one_hot = np.eye(n_source).reshape(n_source, *shape(source, size_of))
    drive = np.einsum(f"Z{source},{weight},{target}->Z{target}", one_hot, weights, np.ones(of_target))
    return drive.reshape(n_source, -1).T


def read_back(synapses, weights, n_source):
    """Synapses as [target, source]: summed a dendrite, then the dendrite that each target cell reads."""
    dense = np.zeros((synapses.n_dendrite, n_source))
    np.add.at(dense, (synapses.post, synapses.pre), weights.ravel()[synapses.entry])
    return dense[synapses.dendrite_of]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("im, hkm -> hijk", ("im", "hkm", "hijk")),
        ("  im,hkm->hijk ", ("im", "hkm", "hijk")),
        ("hijk -> hi", ("hijk", "", "hi")),
        ("a, A -> aA", ("a", "A", "aA")),
        (" -> i", ("", "", "i")),
    ],
)
def test_parse(text, expected):
    assert parse(text) == expected


def test_distinct_letters_leave_the_copies_out():
    expression = parse("jm, hkm -> hijk")
    assert expression.distinct == "hjk"
    assert expression.einsum == "jm,hkm->hjk"


@pytest.mark.parametrize(
    "text", ["im, hkm", "im -> hijk -> h", "i, j, k -> i", "i1 -> i", "i; j -> i", "", "i => j", "...m -> m"]
)
def test_another_form_is_refused(text):
    with pytest.raises(WiringError, match="is not an index expression of the form") as caught:
        parse(text)
    assert f"'{text}'" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "letter", "operand"), [("ii -> i", "i", "ii"), ("im, hkhm -> hk", "h", "hkhm"), ("i -> jij", "j", "jij")]
)
def test_a_repeated_axis_is_refused(text, letter, operand):
    with pytest.raises(WiringError, match=f"repeats axis '{letter}' in '{operand}'"):
        parse(text)


def test_sizes():
    found = sizes(parse("im, hkm -> hijk"), axes("im"), axes("hijk"), (2, 5, 6), "p")
    assert found == {letter: size for letter, (_, size) in AXES.items()}


@pytest.mark.parametrize(
    ("text", "source", "target", "weight", "sentence"),
    [
        ("im, hkm -> hijk", "im", "hijk", (2, 5), "the weight has 2 axes (size 2, size 5), the expression gives it 3"),
        ("im, hkm -> hijk", "i", "hijk", (2, 5, 6), "the source has 1 axes (token 4), the expression gives it 2"),
        ("im, hkm -> hijk", "im", "hij", (2, 5, 6), "has 3 axes (head 2, token 4, context 3), the expression gives it"),
        ("im, hkm -> hijk", "im", "hijk", (5, 2, 6), "axis 'h' (head) needs size 2, the weight has 5"),
        ("im, hkm -> hijk", "im", "hijk", (2, 5, 4), "axis 'm' (model) needs size 6, the weight has 4"),
        ("im, hxm -> hijk", "im", "hijk", (2, 5, 6), "axis 'x' of the weights is unknown to source and target"),
        ("im, hkm -> hmjk", "im", "hijk", (2, 5, 6), "axis 'm' is model in one place and token in the target"),
        ("i -> i", "i", "j", (), "axis 'i' is token in one place and context in the target"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_name(text, source, target, weight, sentence):
    with pytest.raises(WiringError) as caught:
        sizes(parse(text), axes(source), axes(target), weight, "core -> superficial.basal")
    assert str(caught.value).startswith("projection 'core -> superficial.basal': ")
    assert sentence in str(caught.value)


def test_one_kind_with_two_sizes_is_refused():
    with pytest.raises(WiringError, match=r"axis 'i' \(token\) needs size 4, the target has 3"):
        sizes(parse("i -> i"), (("token", 4),), (("token", 3),), (), "p")


def test_two_letters_may_have_one_kind():
    both = (("head", 2), ("token", 4)), (("head", 2), ("token", 4))
    assert sizes(parse("hi, gh -> gi"), *both, (2, 2), "p") == {"h": 2, "i": 4, "g": 2}


@pytest.mark.parametrize("shared", [False, True])
@given(wiring=wirings(), seed=st.integers(0, 2**32 - 1))
def test_synapses_read_back_are_the_einsum(shared, wiring, seed):
    """Each entry of the matrix is one weight, or exactly zero: equal to the last bit."""
    expression, size_of = wiring
    weights = np.random.default_rng(seed).normal(size=shape(expression.weight, size_of))
    n_source = int(np.prod(shape(expression.source, size_of)))
    synapses = connect(expression, size_of, shared)
    assert np.array_equal(read_back(synapses, weights, n_source), matrix_of(expression, size_of, weights))


@given(wiring=wirings())
def test_shared_makes_one_dendrite_a_distinct_drive_and_explicit_one_a_cell(wiring):
    expression, size_of = wiring
    n_target = int(np.prod(shape(expression.target, size_of)))
    n_copy = int(np.prod(shape(set(expression.target) - set(expression.distinct), size_of)))
    shared, explicit = connect(expression, size_of, True), connect(expression, size_of, False)
    assert shared.n_dendrite * n_copy == explicit.n_dendrite == n_target
    assert len(shared.pre) * n_copy == len(explicit.pre)
    assert np.array_equal(explicit.dendrite_of, np.arange(n_target))
    assert np.array_equal(
        np.bincount(shared.dendrite_of, minlength=shared.n_dendrite), np.full(shared.n_dendrite, n_copy)
    )


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("wrong", ["ab, bca -> cda", "ab, cab -> cda", "ba, acb -> cda", "ab, acb -> dca"])
def test_negative_control_swapped_axes_make_another_matrix(wrong, shared):
    """Sizes cannot tell axes of one size apart; the matrix does. Normal weights differ by about one."""
    size_of = dict.fromkeys("abcd", 3)
    weights = np.random.default_rng(0).normal(size=(3, 3, 3))
    right = matrix_of(parse("ab, acb -> cda"), size_of, weights)
    found = read_back(connect(parse(wrong), size_of, shared), weights, 9)
    assert np.linalg.norm(found - right) > 0.5 * np.linalg.norm(right)


RELAY = Population("source", FIRST_ORDER, (("token", 2),), signed="soma")
GOOD = Projection("source", "target.soma", "a -> a")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (GOOD._replace(source="nobody"), "projection 'nobody -> target.soma': there is no population 'nobody'"),
        (GOOD._replace(target="nobody.soma"), "there is no population 'nobody'"),
        (
            GOOD._replace(target="target.basal"),
            "projection 'source -> target.basal': a relay cell has ports \\['soma'\\]",
        ),
        (GOOD._replace(target="target"), "a relay cell has ports"),
        (GOOD._replace(expression="b -> b", weights=np.ones(2)), "the weight has 1 axes"),
        (GOOD._replace(weights=np.nan), "projection 'source -> target.soma': the weights are not finite"),
        (GOOD._replace(weights=-1.0, like_signs=True), "like signs need weights >= 0 and signed cells at both ends"),
    ],
)
def test_a_circuit_that_cannot_be_wired_is_refused_by_name(line, sentence):
    circuit = Circuit("pair", {"source": RELAY, "target": RELAY._replace(name="target")}, (line,))
    with pytest.raises(WiringError, match=sentence):
        circuit.check()


def test_an_unknown_kernel_is_refused_by_name():
    circuit = Circuit("one", {"source": RELAY._replace(kernels={"soma": "sine"})}, ())
    settings = Construction(RATE, {"source": [100] * Hz}, 1, 1, True, Clock(1 * ms), 1 * ms)
    with pytest.raises(WiringError, match="population 'source': kernel 'sine' of soma is none of"):
        wire(circuit, settings)
