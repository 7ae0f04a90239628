"""A `torch.nn.MultiheadAttention` and its case give the same answers; what no case can hold is refused in one sentence."""

from copy import deepcopy

import numpy as np
import pytest

from cortical_attention.inputs.cases import CaseError, arrays, load, save, sizes
from cortical_attention.inputs.torch_layers import from_torch
from cortical_attention.reference.attention import linear_attention, softmax_attention
from tests.torch_layers import EMBED, N_CONTEXT, N_HEAD, N_TOKEN, open_mask, relative, sequences

torch = pytest.importorskip("torch")

SAME = 1e-12  # both in float64: sums of some tens of products, in two orders
OTHER = 1e-3
WIDTHS = [(EMBED, EMBED), (5, 5), (13, 13), (5, 9), (EMBED, 3), (3, 5)]  # of the last, the sum is embed_dim
DTYPES = ["float16", "bfloat16", "float32", "float64"]


def layer(dtype="float64", seed=1, **options):
    """A module with random weights and biases, none of them zero; in evaluation mode."""
    module = torch.nn.MultiheadAttention(EMBED, N_HEAD, dtype=getattr(torch, dtype), **options).eval()
    rng = np.random.default_rng(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.from_numpy(rng.normal(size=parameter.shape) / parameter.shape[-1] ** 0.5))
    return module


def batched(module, array):
    """A sequence as a batch of one in the layout of the module, in float64."""
    return torch.as_tensor(array).double().unsqueeze(0 if module.batch_first else 1)


def softmax_of(module, tokens, key, value, **masks):
    """Answer (n_token, embed_dim) of the module, calculated in float64."""
    double = deepcopy(module).double().eval()
    with torch.no_grad():
        answer, _ = double(*(batched(module, x) for x in (tokens, key, value)), **masks)
    return answer.squeeze(0 if module.batch_first else 1).numpy()


def linear_of(module, tokens, key, value, mask=None):
    """Linear attention with phi = elu + 1 from the projections of the module, without its output bias."""
    double = deepcopy(module).double()
    separate = (double.q_proj_weight, double.k_proj_weight, double.v_proj_weight)
    inward = separate if double.in_proj_weight is None else double.in_proj_weight.chunk(3)
    drives = [None] * 3 if double.in_proj_bias is None else double.in_proj_bias.chunk(3)
    query, key, value = (
        torch.nn.functional.linear(torch.as_tensor(x).double(), W, b).unflatten(1, (N_HEAD, -1)).transpose(0, 1)
        for x, W, b in zip((tokens, key, value), inward, drives, strict=True)
    )
    weight = (torch.nn.functional.elu(query) + 1) @ (torch.nn.functional.elu(key) + 1).transpose(1, 2)
    weight = weight if mask is None else weight * torch.from_numpy(mask)
    pooled = weight / weight.sum(-1, keepdim=True) @ value
    return torch.nn.functional.linear(pooled.transpose(0, 1).flatten(1), double.out_proj.weight).detach().numpy()


def answer(attention, case):
    return attention(case.tokens, case.block, context=case.context, mask=case.mask).output


def plus_bias(module, output):
    """The first embed_dim columns of an output and the output bias of the module; the other columns are zero."""
    assert not output[:, EMBED:].any()
    bias = module.out_proj.bias
    return output[:, :EMBED] + (0 if bias is None else bias.detach().double().numpy())


def side_by_side(key, value):
    return key if key is value else np.concatenate([key, value], axis=1)


def refusal(*given, **options):
    """The sentence of a refusal, which is one printable line."""
    with pytest.raises(CaseError) as caught:
        from_torch(*given, **options)
    assert str(caught.value).isprintable()
    return str(caught.value)


# Same answers


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize(("kdim", "vdim"), WIDTHS)
def test_case_and_module_agree(dtype, bias, batch_first, kdim, vdim):
    module = layer(dtype, bias=bias, batch_first=batch_first, kdim=kdim, vdim=vdim)
    tokens, key, value, _ = sequences(2, kdim, vdim)
    case = from_torch(module, tokens, context=side_by_side(key, value), mask=open_mask())
    closed = torch.from_numpy(~open_mask())
    theirs = softmax_of(module, tokens, key, value, attn_mask=closed)
    assert relative(plus_bias(module, answer(softmax_attention, case)), theirs) < SAME
    linear = answer(linear_attention, case)
    assert not linear[:, EMBED:].any()
    assert relative(linear[:, :EMBED], linear_of(module, tokens, key, value, open_mask())) < SAME
    assert relative(plus_bias(module, linear), theirs) > OTHER
    assert (case.block.b_Q is None) is not bias


@pytest.mark.parametrize("dtype", DTYPES)
def test_self_attention(dtype):
    module = layer(dtype)
    tokens, *_ = sequences(3)
    case = from_torch(module, tokens)
    assert case.context is None
    assert case.mask is None
    theirs = softmax_of(module, tokens, tokens, tokens)
    assert relative(plus_bias(module, answer(softmax_attention, case)), theirs) < SAME
    assert relative(answer(linear_attention, case), linear_of(module, tokens, tokens, tokens)) < SAME


def closing(kind):
    """A mask of torch of the same meaning as `open_mask`."""
    closed = torch.from_numpy(~open_mask())
    return (
        closed if kind == "bool" else torch.zeros(closed.shape, dtype=getattr(torch, kind)).masked_fill(closed, -np.inf)
    )


@pytest.mark.parametrize("kind", ["bool", *DTYPES])
def test_a_mask_of_torch_is_turned_round(kind):
    module = layer()
    tokens, context, _, _ = sequences(4)
    case = from_torch(module, tokens, context=context, attn_mask=closing(kind))
    np.testing.assert_array_equal(case.mask, open_mask())
    theirs = softmax_of(module, tokens, context, context, attn_mask=closing(kind if kind == "bool" else "float64"))
    assert relative(plus_bias(module, answer(softmax_attention, case)), theirs) < SAME


def test_a_mask_is_taken_as_it_is():
    tokens, context, _, _ = sequences(4)
    for mask in (open_mask(), torch.from_numpy(open_mask()), open_mask().tolist()):
        np.testing.assert_array_equal(from_torch(layer(), tokens, context=context, mask=mask).mask, open_mask())


@pytest.mark.parametrize("kind", ["bool", "float64"])
@pytest.mark.parametrize("also", ["mask", "attn_mask", None])
@pytest.mark.parametrize("batch", [True, False])
def test_padded_keys_are_closed_to_all_tokens(kind, also, batch):
    module = layer(batch_first=True)
    tokens, context, _, _ = sequences(5)
    padded = torch.tensor([False, True, False, False])
    given = padded if kind == "bool" else torch.zeros(N_CONTEXT).double().masked_fill(padded, -np.inf)
    masks = {"mask": {"mask": open_mask()}, "attn_mask": {"attn_mask": closing(kind)}, None: {}}[also]
    case = from_torch(module, tokens, context=context, key_padding_mask=given[None] if batch else given, **masks)
    theirs = {} if also is None else {"attn_mask": closing(kind)}
    theirs = softmax_of(module, tokens, context, context, key_padding_mask=given[None], **theirs)
    assert relative(plus_bias(module, answer(softmax_attention, case)), theirs) < SAME


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("kdim", [EMBED, 5])
def test_a_batch_of_one_is_a_sequence(batch_first, kdim):
    module = layer(batch_first=batch_first, kdim=kdim, vdim=kdim)
    tokens, context, _, targets = sequences(6, kdim, kdim)
    plain = from_torch(module, tokens, context=context, targets=targets)
    single = {"context": batched(module, context), "targets": batched(module, targets).numpy()}
    for name, array in arrays(from_torch(module, batched(module, tokens), **single)).items():
        np.testing.assert_array_equal(array, arrays(plain)[name])


@pytest.mark.parametrize("dtype", DTYPES)
def test_sequences_of_any_floating_point_that_require_a_gradient(dtype):
    tokens, context, _, targets = (torch.from_numpy(x).to(getattr(torch, dtype)).requires_grad_() for x in sequences(7))
    case = from_torch(layer(), tokens, context=context, targets=targets)
    for ours, given in ((case.tokens, tokens), (case.context, context), (case.targets, targets)):
        assert ours.dtype == np.float64
        np.testing.assert_array_equal(ours, given.detach().double().numpy())


def test_a_case_is_a_copy():
    module, tokens = layer(), torch.ones(N_TOKEN, EMBED, dtype=torch.float64)
    case = from_torch(module, tokens)
    before = {name: array.copy() for name, array in arrays(case).items()}
    with torch.no_grad():
        for tensor in (tokens, *module.parameters()):
            tensor.zero_()
    for name, array in arrays(case).items():
        np.testing.assert_array_equal(array, before[name])


def test_a_case_of_a_module_is_saved_and_loaded(tmp_path):
    case = from_torch(layer(kdim=5, vdim=5), sequences(8)[0], context=sequences(8, 5, 5)[1], name="mine")
    save(case, tmp_path / "mine.npz")
    again = load(tmp_path / "mine.npz")
    assert (again.name, sizes(again)) == (case.name, sizes(case))


def test_a_file_in_bfloat16_that_torch_writes(tmp_path):
    written = pytest.importorskip("safetensors.torch")
    case = from_torch(layer("bfloat16", bias=False), torch.ones(N_TOKEN, EMBED, dtype=torch.bfloat16))
    tensors = {name: torch.from_numpy(array).bfloat16() for name, array in arrays(case).items()}
    written.save_file(tensors, tmp_path / "some.safetensors")
    for name, array in arrays(load(tmp_path / "some.safetensors")).items():
        np.testing.assert_array_equal(array, arrays(case)[name])


def test_a_parametrised_module_has_the_weights_that_it_uses():
    module = layer()
    torch.nn.utils.parametrize.register_parametrization(module, "in_proj_weight", torch.nn.Tanh())
    tokens, *_ = sequences(9)
    ours = plus_bias(module, answer(softmax_attention, from_torch(module, tokens)))
    assert relative(ours, softmax_of(module, tokens, tokens, tokens)) < SAME


# Negative controls


def test_negative_controls_of_weights():
    module = layer()
    tokens, context, _, _ = sequences(2)
    case = from_torch(module, tokens, context=context)
    theirs = softmax_of(module, tokens, context, context)
    W_Q, W_K, W_V, W_O = case.block[:4]
    joined = W_O.transpose(1, 0, 2).reshape(EMBED, EMBED).T
    wrong = [
        {"W_O": joined.reshape(EMBED, N_HEAD, -1).swapaxes(0, 1)},
        {"W_Q": W_K, "W_K": W_V, "W_V": W_Q},
        {"W_V": W_V[::-1]},
        {"W_Q": W_Q * np.sqrt(EMBED // N_HEAD)},
        {"b_V": None},
    ]
    for weights in wrong:
        other = case._replace(block=case.block._replace(**weights))
        assert relative(plus_bias(module, answer(softmax_attention, other)), theirs) > OTHER


def test_negative_control_a_mask_that_is_not_turned_round():
    module = layer()
    tokens, context, _, _ = sequences(2)
    theirs = softmax_of(module, tokens, context, context, attn_mask=torch.from_numpy(~open_mask()))
    for wrong in ({"attn_mask": open_mask()}, {"mask": ~open_mask()}, {}):
        case = from_torch(module, tokens, context=context, **wrong)
        assert relative(plus_bias(module, answer(softmax_attention, case)), theirs) > OTHER


# Widths, and notices


@pytest.mark.parametrize(
    ("kdim", "vdim", "d_model", "notices"),
    [
        (EMBED, EMBED, EMBED, []),
        (5, 5, 8, ["context: got zeros in columns 5 to 7, for the tokens have 8 columns"]),
        (
            13,
            13,
            13,
            [
                "tokens: got zeros in columns 8 to 12, for the context has 13 columns; so has the output, where those "
                "columns are zero"
            ],
        ),
        (3, 5, 8, ["context: holds the key in its first 3 columns and the value in the next 5"]),
        (
            5,
            9,
            14,
            [
                "context: holds the key in its first 5 columns and the value in the next 9",
                "tokens: got zeros in columns 8 to 13, for the context has 14 columns; so has the output, where those "
                "columns are zero",
            ],
        ),
    ],
)
def test_columns_of_zeros_are_noticed(kdim, vdim, d_model, notices):
    module = layer(kdim=kdim, vdim=vdim, bias=False)
    tokens, key, value, targets = sequences(10, kdim, vdim)
    case = from_torch(module, tokens, context=side_by_side(key, value), targets=targets)
    assert list(case.notices) == notices
    assert sizes(case)["d_model"] == d_model
    np.testing.assert_array_equal(case.tokens[:, :EMBED], tokens)
    np.testing.assert_array_equal(case.targets[:, :EMBED], targets)
    np.testing.assert_array_equal(case.context[:, : key.shape[1]], key)
    for padded in (case.tokens[:, EMBED:], case.targets[:, EMBED:], case.block.W_O[:, EMBED:]):
        assert not padded.any()


def test_an_output_bias_is_noticed_unless_it_is_zero():
    module, tokens = layer(), sequences(11)[0]
    assert from_torch(module, tokens).notices == (
        "out_proj.bias: is not zero and is left out; the module adds it to every row of the output",
    )
    with torch.no_grad():
        module.out_proj.bias.zero_()
    assert from_torch(module, tokens).notices == ()


def test_dropout_is_noticed_in_training_mode_only():
    module, tokens = layer(dropout=0.25, bias=False), sequences(11)[0]
    assert from_torch(module, tokens).notices == ()
    assert from_torch(module.train(), tokens).notices == (
        "module: is in training mode with dropout 0.25, which is left out, as after module.eval()",
    )
    assert from_torch(layer(bias=False).train(), tokens).notices == ()


def test_a_closed_row_is_noticed():
    mask = open_mask()
    mask[1] = False
    case = from_torch(layer(bias=False), sequences(11)[0], context=sequences(11)[1], mask=mask)
    assert case.notices == ("mask: closes the whole row of token 1, so that row of the output is zero",)


# Refused: the module


def test_another_module_is_refused():
    sentence = "module: is a {} but needs to be a torch.nn.MultiheadAttention"
    assert refusal(torch.nn.Linear(8, 8), np.ones((3, 8))) == sentence.format("Linear")
    assert refusal(layer().state_dict(), np.ones((3, 8))) == sentence.format("OrderedDict")


def test_a_forward_of_its_own_is_refused():
    class Own(torch.nn.MultiheadAttention):
        def forward(self, query, key, value):
            return query

    assert refusal(Own(8, 2), np.ones((3, 8))) == (
        "module: is a Own with a forward of its own but needs that of torch.nn.MultiheadAttention"
    )


def test_learnt_and_zero_context_tokens_are_refused():
    assert refusal(layer(add_bias_kv=True), np.ones((3, 8))) == (
        "module: has add_bias_kv=True but needs False, for a case has no learnt context token"
    )
    assert refusal(layer(add_zero_attn=True), np.ones((3, 8))) == (
        "module: has add_zero_attn=True but needs False, for a case has no context token of zeros"
    )


@pytest.mark.parametrize(("kdim", "vdim"), WIDTHS[1:])
def test_self_attention_of_other_widths_is_refused(kdim, vdim):
    assert refusal(layer(kdim=kdim, vdim=vdim), np.ones((3, EMBED))) == (
        f"context: is missing but needs to be given, for kdim = {kdim} and vdim = {vdim} of the module are not both its "
        "embed_dim = 8"
    )


def test_weights_without_numbers_are_refused():
    assert refusal(layer().to("meta"), np.ones((3, EMBED))) == (
        "in_proj_weight: cannot be read (torch.strided on the device meta) but needs to be a dense tensor that holds numbers"
    )


# Refused: sequences and masks


@pytest.mark.parametrize("name", ["tokens", "context", "targets"])
@pytest.mark.parametrize(
    ("batch_first", "shape", "sentence"),
    [
        (True, (8,), "has shape (8,) but needs (n, embed_dim) = (n, 8) or, as a batch of one, (1, n, 8)"),
        (False, (3, 7), "has shape (3, 7) but needs (n, embed_dim) = (n, 8) or, as a batch of one, (n, 1, 8)"),
        (True, (1, 3, 7), "has shape (1, 3, 7) but needs (n, embed_dim) = (n, 8) or, as a batch of one, (1, n, 8)"),
        (
            True,
            (1, 1, 3, 8),
            "has shape (1, 1, 3, 8) but needs (n, embed_dim) = (n, 8) or, as a batch of one, (1, n, 8)",
        ),
        (
            True,
            (3, 1, 8),
            "has shape (3, 1, 8), with batch_first=True a batch of 3, but needs one sequence; a case has no batch",
        ),
        (
            False,
            (1, 3, 8),
            "has shape (1, 3, 8), with batch_first=False a batch of 3, but needs one sequence; a case has no batch",
        ),
    ],
)
def test_a_wrong_shape_is_refused(name, batch_first, shape, sentence):
    given = {"tokens": np.ones((3, 8))} | {name: torch.ones(shape)}
    expected = sentence.replace("embed_dim", "kdim") if name == "context" else sentence
    assert refusal(layer(batch_first=batch_first), **given) == f"{name}: {expected}"


def test_a_context_of_key_alone_is_refused():
    assert refusal(layer(kdim=5, vdim=9), np.ones((3, 8)), context=np.ones((4, 5))) == (
        "context: has shape (4, 5) but needs (n, kdim + vdim) = (n, 14) or, as a batch of one, (n, 1, 14)"
    )


@pytest.mark.parametrize("name", ["tokens", "context", "targets"])
@pytest.mark.parametrize(
    ("dtype", "called"),
    [("int64", "int64"), ("bool", "bool"), ("complex64", "complex64"), ("float8_e5m2", "float8_e5m2")],
)
def test_other_types_are_refused(name, dtype, called):
    given = {"tokens": np.ones((3, 8))} | {name: torch.ones(3, 8).to(getattr(torch, dtype))}
    sentence = f"{name}: has dtype {called} but needs floating point of 16, 32 or 64 bits"
    assert refusal(layer(), **given) == sentence


def test_a_sparse_tensor_is_refused():
    assert refusal(layer(), torch.ones(3, 8).to_sparse()) == (
        "tokens: cannot be read (torch.sparse_coo on the device cpu) but needs to be a dense tensor that holds numbers"
    )


@pytest.mark.parametrize("name", ["tokens", "context", "targets"])
def test_nan_in_a_sequence_is_refused(name):
    given = {"tokens": torch.ones(3, 8)} | {name: torch.ones(3, 8).bfloat16()}
    given[name][1, 2] = torch.nan
    assert refusal(layer(), **given) == f"{name}: has 1 entry that is not finite, the first at [1, 2], but needs none"


@pytest.mark.parametrize(
    ("parameter", "place", "sentence"),
    [
        ("in_proj_weight", (13, 2), "W_K: has 1 entry that is not finite, the first at [1, 1, 2], but needs none"),
        ("in_proj_bias", (13,), "b_K: has 1 entry that is not finite, the first at [1, 1], but needs none"),
        ("out_proj.weight", (2, 5), "W_O: has 1 entry that is not finite, the first at [1, 2, 1], but needs none"),
    ],
)
def test_nan_in_a_weight_is_refused(parameter, place, sentence):
    """Row 13 of 24 is the second row of the second head of the key; column 5 of the output, the same of the value."""
    module = layer(dtype="bfloat16")
    with torch.no_grad():
        module.get_parameter(parameter)[place] = torch.nan
    assert refusal(module, np.ones((3, 8))) == sentence


@pytest.mark.parametrize(
    ("masks", "sentence"),
    [
        (
            {"mask": open_mask(), "attn_mask": ~open_mask()},
            "mask: is given beside attn_mask but needs to be alone, for the two are opposites of each other",
        ),
        (
            {"mask": open_mask().astype(float)},
            "mask: has dtype float64 but needs booleans, True where a token may attend",
        ),
        ({"mask": open_mask()[:, :3]}, "mask: has shape (3, 3) but needs (n_token, n_context) = (3, 4)"),
        ({"attn_mask": torch.ones(3, 1).bool()}, "attn_mask: has shape (3, 1) but needs (n_token, n_context) = (3, 4)"),
        (
            {"attn_mask": torch.ones(2, 3, 4).bool()},
            "attn_mask: has shape (2, 3, 4) but needs (n_token, n_context) = (3, 4); a case has one mask for all heads",
        ),
        (
            {"attn_mask": torch.tensor([[0, -torch.inf, 0.5, torch.nan]] * 3)},
            "attn_mask: has 6 entries other than 0 and -inf but needs none; the mask of a case opens or closes, and adds "
            "nothing to the scores",
        ),
        (
            {"attn_mask": np.ones((3, 4), dtype=np.uint8)},
            "attn_mask: has dtype uint8 but needs booleans, or floating point of 0 and -inf",
        ),
        (
            {"key_padding_mask": torch.zeros(2, 4).bool()},
            "key_padding_mask: has shape (2, 4) but needs (n_context,) = (4,)",
        ),
        (
            {"key_padding_mask": torch.ones(4)},
            "key_padding_mask: has 4 entries other than 0 and -inf but needs none; the mask of a case opens or closes, "
            "and adds nothing to the scores",
        ),
    ],
)
def test_a_mask_that_no_case_has_is_refused(masks, sentence):
    tokens, context, _, _ = sequences(12)
    assert refusal(layer(), tokens, context=context, **masks) == sentence
