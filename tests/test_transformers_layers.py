"""Layers of models in folders of the library transformers: tiny ones written by hand, held against their usual formulas."""

import json
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import save_file

import cortical_attention as ca
from cortical_attention.inputs.cases import CaseError, load, save
from cortical_attention.inputs.transformer import hidden_states, layer_case
from cortical_attention.inputs.transformer_files import installed_folder
from cortical_attention.inputs.transformer_weights import load_model
from cortical_attention.inputs.transformers_layers import from_transformers
from cortical_attention.inputs.transformers_layouts import LAYOUTS
from cortical_attention.reference.attention import softmax_attention
from tests import tiny_gpt2, tiny_transformer
from tests.cases import as_safetensors, refusal, upper_half
from tests.command import PATIENCE
from tests.tiny_transformer import relative

SAME = 1e-12  # both in float64: sums of some tens of products, in two orders
OTHER = 1e-3
WORDS = [3, 1, 4, 1, 5]
BERT = tiny_transformer.CONFIG | {"model_type": "bert"}
GPT2, SHARED = tiny_gpt2.CONFIG, tiny_gpt2.SHARED
DISTILBERT = {
    "model_type": "distilbert", "n_layers": 3, "n_heads": 2, "dim": 8, "hidden_dim": 12, "vocab_size": 7,
    "max_position_embeddings": 9, "activation": "gelu",
}  # fmt: skip
RENAMED = {
    "encoder.layer": "transformer.layer", "attention.self.query": "attention.q_lin", "attention.self.key": "attention.k_lin",
    "attention.self.value": "attention.v_lin", "attention.output.dense": "attention.out_lin",
    "attention.output.LayerNorm": "sa_layer_norm", "intermediate.dense": "ffn.lin1", ".output.dense": ".ffn.lin2",
    ".output.LayerNorm": ".output_layer_norm",
}  # fmt: skip


def put(folder, config, weights):
    return tiny_gpt2.write(folder, config, weights)


def double(weights):
    return {name: array.astype(float) for name, array in weights.items()}


def attended(case):
    """Softmax attention of a case by the algebra."""
    return softmax_attention(case.tokens, case.block, mask=case.mask).output


def drawn(seed=0, width=8):
    return np.random.default_rng(seed).normal(size=(5, width))


@pytest.mark.parametrize("prefix", ["", "bert."])
@pytest.mark.parametrize("layer", [0, 2])
def test_a_layer_of_bert(layer, prefix, tmp_path):
    weights = tiny_transformer.tiny_weights()
    put(tmp_path, BERT, {prefix + name: array for name, array in weights.items()})
    stream, w = drawn(), double(weights)
    case = from_transformers(tmp_path, stream, layer=layer)
    ours = attended(case) + w[f"encoder.layer.{layer}.attention.output.dense.bias"]
    assert relative(ours, tiny_transformer.usual_attention(w, layer, stream)) < SAME
    assert relative(ours, tiny_transformer.usual_attention(w, 1, stream)) > OTHER
    assert case.mask is None
    assert np.array_equal(case.tokens, stream)
    assert case.notices == ("b_O: is left out; the layer adds it to every row of the output",)
    assert case.name == f"{tmp_path.name}_layer{layer}"


@pytest.mark.parametrize("prefix", ["", "transformer."])
@pytest.mark.parametrize("layer", [0, 2])
@pytest.mark.parametrize("shared", [False, True])
def test_a_layer_of_gpt2_with_and_without_shared_keys(shared, layer, prefix, tmp_path):
    """A causal mask, the layer norm before attention, and in GPT-BigCode one key and value for all heads."""
    weights = tiny_gpt2.tiny_weights(shared=shared)
    put(tmp_path, SHARED if shared else GPT2, {prefix + name: array for name, array in weights.items()})
    stream, w = drawn(), double(weights)
    case = from_transformers(tmp_path, stream, layer=layer)
    bias = w[f"h.{layer}.attn.c_proj.bias"]
    expected = tiny_gpt2.usual_attention(w, layer, stream, shared)
    assert relative(attended(case) + bias, expected) < SAME
    assert np.array_equal(case.mask, np.tri(5, dtype=bool))
    assert np.array_equal(case.block.W_K[0], case.block.W_K[1]) is shared
    for wrong in (case._replace(mask=None), case._replace(tokens=stream)):
        assert relative(attended(wrong) + bias, expected) > OTHER
    swapped = case.block._replace(W_V=case.block.W_Q, b_V=case.block.b_Q)
    assert relative(attended(case._replace(block=swapped)) + bias, expected) > OTHER


def test_what_enters_a_layer_is_computed_from_numbers_of_words(tmp_path):
    """Embeddings and all earlier layers, of each kind of model."""
    for place, (config, weights, states, norm) in enumerate(
        [
            (BERT, tiny_transformer.tiny_weights(), tiny_transformer.usual, None),
            (GPT2, tiny_gpt2.tiny_weights(), tiny_gpt2.usual, "ln_1"),
            (SHARED, tiny_gpt2.tiny_weights(shared=True), lambda w, ids: tiny_gpt2.usual(w, ids, True), "ln_1"),
        ]
    ):
        folder = tmp_path / str(place)
        folder.mkdir()
        put(folder, config, weights)
        for layer, stream in enumerate(states(weights, WORDS)[:-1]):
            case = from_transformers(folder, WORDS, layer=layer)
            entering = stream if norm is None else tiny_gpt2.normed(double(weights), f"h.{layer}.{norm}", stream)
            assert relative(case.tokens, entering) < SAME
            same = from_transformers(folder, stream[None], layer=layer)  # a batch of one
            assert relative(same.tokens, case.tokens) < SAME


def test_distilbert_has_the_formulas_of_bert_without_segments(tmp_path):
    weights = tiny_transformer.tiny_weights()
    weights["embeddings.token_type_embeddings.weight"][:] = 0
    renamed = {}
    for name, array in weights.items():
        for old, new in RENAMED.items():
            name = name.replace(old, new)
        renamed[name] = array
    renamed.pop("embeddings.token_type_embeddings.weight")
    put(tmp_path, DISTILBERT, renamed)
    case = from_transformers(tmp_path, WORDS, layer=2)
    assert relative(case.tokens, tiny_transformer.usual(weights, WORDS)[2]) < 1e-4  # its epsilon is 1e-12, not 1e-5
    expected = tiny_transformer.usual_attention(double(weights), 2, case.tokens)
    assert relative(attended(case) + double(weights)["encoder.layer.2.attention.output.dense.bias"], expected) < SAME


def test_places_of_roberta_begin_after_that_of_filling_up(tmp_path):
    weights = tiny_transformer.tiny_weights()
    put(tmp_path, BERT | {"model_type": "roberta", "pad_token_id": 2}, weights)
    moved = dict(weights)
    moved["embeddings.position_embeddings.weight"] = np.roll(
        weights["embeddings.position_embeddings.weight"], -3, axis=0
    )
    assert relative(from_transformers(tmp_path, WORDS).tokens, tiny_transformer.usual(moved, WORDS)[0]) < SAME
    sentence = refusal(lambda: from_transformers(tmp_path, WORDS[:4] * 2))
    assert sentence == "tokens: has shape (8,) but needs (n_token,) of 1 to 6 numbers of words"
    sentence = refusal(lambda: from_transformers(tmp_path, [3, 2, 2]))
    assert sentence == "tokens: has the number 2, that of filling up, but needs the words of one text alone"


def test_older_names_of_layer_norms(tmp_path):
    weights = tiny_transformer.tiny_weights()
    old = {
        name.replace("Norm.weight", "Norm.gamma").replace("Norm.bias", "Norm.beta"): a for name, a in weights.items()
    }
    put(tmp_path, BERT, old)
    assert (
        relative(from_transformers(tmp_path, WORDS, layer=2).tokens, tiny_transformer.usual(weights, WORDS)[2]) < SAME
    )


def test_options_that_change_the_scores(tmp_path):
    """A GPT-2 whose scores are not divided by sqrt(d_key), or divided by the number of the layer; a BERT that decodes."""
    w = tiny_gpt2.tiny_weights()
    put(tmp_path, GPT2 | {"scale_attn_weights": False, "scale_attn_by_inverse_layer_idx": True}, w)
    case = from_transformers(tmp_path, drawn(), layer=1)
    scaled = double(w)
    scaled["h.1.attn.c_attn.weight"][:, :8] *= np.sqrt(4) / 2
    scaled["h.1.attn.c_attn.bias"][:8] *= np.sqrt(4) / 2
    expected = tiny_gpt2.usual_attention(scaled, 1, drawn())
    assert relative(attended(case) + scaled["h.1.attn.c_proj.bias"], expected) < SAME
    put(tmp_path, BERT | {"is_decoder": True}, tiny_transformer.tiny_weights())
    assert np.array_equal(from_transformers(tmp_path, drawn()).mask, np.tri(5, dtype=bool))


def test_groups_of_heads_share_keys_and_values(tmp_path):
    """Four heads in two groups, in the layout of BERT: heads 0 and 1 read the first, 2 and 3 the second."""
    weights = tiny_transformer.tiny_weights()
    for part in ("key", "value"):
        for ending in ("weight", "bias"):
            name = f"encoder.layer.0.attention.self.{part}.{ending}"
            weights[name] = weights[name][:4]
    put(tmp_path, BERT | {"num_attention_heads": 4, "num_key_value_heads": 2}, weights)
    case, x, w = from_transformers(tmp_path, drawn()), drawn(), double(weights)
    query, key, value = (
        tiny_transformer.dense(w, f"encoder.layer.0.attention.self.{each}", x) for each in ("query", "key", "value")
    )
    heads = []
    for head in range(4):
        own, group = slice(2 * head, 2 * head + 2), slice(2 * (head // 2), 2 * (head // 2) + 2)
        weight = np.exp(query[:, own] @ key[:, group].T / np.sqrt(2))
        heads.append(weight / weight.sum(1, keepdims=True) @ value[:, group])
    at = "encoder.layer.0.attention.output.dense"
    assert relative(attended(case) + w[f"{at}.bias"], tiny_transformer.dense(w, at, np.hstack(heads))) < SAME


def test_some_heads_sum_to_all_and_a_case_is_kept(tmp_path):
    put(tmp_path, GPT2, tiny_gpt2.tiny_weights())
    whole, *single = (from_transformers(tmp_path, drawn(), heads=heads, name="mine") for heads in (None, [0], [1]))
    assert relative(sum(map(attended, single)), attended(whole)) < SAME
    save(whole, tmp_path / "mine.npz")
    back = load(tmp_path / "mine.npz")
    assert np.array_equal(attended(back), attended(whole))
    assert whole.name == "mine"


@pytest.mark.parametrize("dtype", ["float16", "float64", "bfloat16"])
def test_precisions(dtype, tmp_path):
    weights = tiny_gpt2.tiny_weights()
    put(tmp_path, GPT2, weights)
    expected = attended(from_transformers(tmp_path, drawn()))
    if dtype == "bfloat16":
        halves = {name: upper_half(array) for name, array in weights.items()}
        (tmp_path / "model.safetensors").write_bytes(as_safetensors(halves))
    else:
        put(tmp_path, GPT2, {name: array.astype(dtype) for name, array in weights.items()})
    error = relative(attended(from_transformers(tmp_path, drawn())), expected)
    assert error == 0 if dtype == "float64" else 0 < error < 0.05


REFUSED = {
    "rotary": ({"model_type": "llama", "rope_theta": 1e4}, "rope_theta: is set in config.json, so the model has rotary"),
    "old rotary": ({"model_type": "llama"}, "model_type: is 'llama' in config.json, so the model has rotary positions"),
    "partly rotary": ({"model_type": "gpt_neox", "rotary_pct": 0.25}, "rotary_pct: is set in config.json"),
    "rotary BERT": (BERT | {"position_embedding_type": "rotary"}, "is 'rotary' in config.json, so the model has rotary"),
    "relative": (BERT | {"position_embedding_type": "relative_key"}, "so the model has relative positions"),
    "buckets": ({"model_type": "t5", "relative_attention_num_buckets": 32}, "so the model has relative positions"),
    "ALiBi": (GPT2 | {"alibi": True}, "alibi: is set in config.json, so the model has ALiBi, which adds to the scores"),
    "bloom": ({"model_type": "bloom"}, "model_type: is 'bloom' in config.json, so the model has ALiBi"),
    "unknown": ({"model_type": "mamba"}, "model_type: is 'mamba' in config.json but needs to be one of bert, roberta"),
    "nothing": ({}, "model_type: is None in config.json but needs to be one of"),
    "cross-attention": (GPT2 | {"add_cross_attention": True}, "add_cross_attention: is True in config.json"),
    "pruned": (BERT | {"pruned_heads": {"0": [1]}}, "pruned_heads: is {'0': [1]} in config.json"),
    "separate": (SHARED | {"multi_query": False}, "multi_query: is not true in config.json"),
    "heads": (GPT2 | {"n_head": 3}, "n_head: is 3 in config.json but needs to divide n_embd = 8"),
    "groups": (GPT2 | {"num_key_value_heads": 3}, "num_key_value_heads: is 3 in config.json but needs to divide n_head = 2"),
    "size": (GPT2 | {"n_embd": 4}, "has shape (11, 8) but needs (11, 4), by the sizes in config.json"),
    "no size": ({name: each for name, each in GPT2.items() if name != "n_layer"}, "n_layer: is None in the settings"),
    "epsilon": (GPT2 | {"layer_norm_epsilon": "small"}, "layer_norm_epsilon: is 'small' in config.json"),
    "activation": (GPT2 | {"activation_function": "swish"}, "activation_function: is 'swish' in config.json"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_what_does_not_fit_is_refused(kind, tmp_path):
    config, sentence = REFUSED[kind]
    put(tmp_path, config, tiny_gpt2.tiny_weights(shared=kind == "separate"))
    assert sentence in refusal(lambda: from_transformers(tmp_path, WORDS, layer=1))


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"layer": 3}, "layer: is 3 but needs to be from 0 to 2"),
        ({"layer": "1"}, "layer: is '1' but needs to be from 0 to 2"),
        ({"layer": True}, "layer: is True but needs"),
        ({"heads": [2]}, "heads: is [2] but needs to be different numbers from 0 to 1"),
        ({"heads": 1}, "heads: is 1 but needs to be numbers of heads, such as [0, 3]"),
        ({"tokens": np.ones((2, 7))}, "tokens: has shape (2, 7) but needs (n_token, n_embd) = (n_token, 8) or"),
        ({"tokens": np.ones((2, 3, 8))}, "tokens: has shape (2, 3, 8) but needs"),
        ({"tokens": np.full((2, 8), np.nan)}, "tokens: has 16 entries that are not finite"),
        ({"tokens": [1, 11]}, "tokens: has numbers of words up to 11 but needs them from 0 to 10"),
        ({"tokens": [1, -2]}, "tokens: has numbers of words from -2"),
        ({"tokens": [1] * 10}, "tokens: has shape (10,) but needs (n_token,) of 1 to 9 numbers of words"),
        ({"tokens": "one two"}, "tokens: has shape () but needs (n_token, n_embd)"),
    ],
)
def test_wrong_calls_get_one_sentence(given, sentence, tmp_path):
    put(tmp_path, GPT2, tiny_gpt2.tiny_weights())
    tokens = given.pop("tokens", WORDS) if isinstance(given, dict) else WORDS
    assert sentence in refusal(lambda: from_transformers(tmp_path, tokens, **given))


def test_folders_that_hold_no_such_model(tmp_path):
    for wrong in (None, 3, "a\0b"):
        assert "needs to be a path" in refusal(lambda wrong=wrong: from_transformers(wrong, WORDS))
    assert "config.json: does not exist" in refusal(lambda: from_transformers(tmp_path / "gpt2", WORDS))
    (tmp_path / "config.json").write_text(json.dumps(GPT2))
    assert "model.safetensors: does not exist" in refusal(lambda: from_transformers(tmp_path, WORDS))
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    assert "is missing beside pytorch_model.bin, which is not read" in refusal(
        lambda: from_transformers(tmp_path, WORDS)
    )
    (tmp_path / "model.safetensors.index.json").write_text("{}")
    assert "is split into several files" in refusal(lambda: from_transformers(tmp_path, WORDS))
    (tmp_path / "model.safetensors").write_bytes(b"damaged")
    assert "cannot be read as .safetensors" in refusal(lambda: from_transformers(tmp_path, WORDS))
    save_file({"other": np.ones(2)}, tmp_path / "model.safetensors")
    assert "h.0.attn.c_proj.weight: is missing in model.safetensors" in refusal(
        lambda: from_transformers(tmp_path, WORDS)
    )


@pytest.mark.filterwarnings("ignore:b_O")
@pytest.mark.parametrize(("wiring", "kind"), [("mask", "linear"), ("softmax", "softmax")])
def test_a_circuit_answers_to_a_head_of_a_gpt2(wiring, kind, tmp_path):
    """From a folder to a circuit in two lines; the causal mask is wired, and the softmax wiring is held against softmax."""
    put(tmp_path, GPT2, tiny_gpt2.tiny_weights())
    case = ca.from_transformers(tmp_path, WORDS, layer=1, heads=[0])
    answer = ca.attend(case, wiring, target="numpy")
    assert answer.report["attention"] == kind
    assert answer.report["relative_l2"] < 1e-3
    assert (relative(answer.reference, attended(case)) < SAME) == (kind == "softmax")
    assert np.all(answer.attention[0][~case.mask] == 0)


def test_a_trained_model_is_read_as_by_the_encoder_of_sentences():
    """MiniLM where it is installed: the same weights and the same streams by another way."""
    try:
        folder = installed_folder()
    except CaseError as error:
        pytest.skip(str(error))
    model = load_model(folder)
    words = model.tokenizer.encode("the cortex attends").ids
    stream = hidden_states(model, "the cortex attends")[3]
    case = from_transformers(folder, words, layer=3)
    assert relative(case.tokens, stream) < SAME
    assert all(map(np.array_equal, case.block, layer_case(model, 3, stream).block))


def test_torch_is_not_imported():
    code = "import sys, cortical_attention as ca; ca.from_transformers; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=PATIENCE).returncode == 0


@pytest.mark.filterwarnings("ignore")  # the library's own
@pytest.mark.parametrize("kind", ["Bert", "Roberta", "DistilBert", "GPT2", "GPTBigCode"])
def test_layers_are_those_of_transformers(kind, tmp_path):
    """What the library computes, in float64, of a random model that it wrote itself."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    config = getattr(transformers, f"{kind}Config")()
    layout = LAYOUTS[config.model_type]
    small = {
        layout.n_layer: 2,
        layout.n_head: 2,
        layout.d_model: 8,
        layout.d_hidden: 12,
        layout.n_word: 11,
        layout.n_place: 16,
    }
    torch.manual_seed(0)
    model = getattr(transformers, f"{kind}Model")(type(config)(**small, attn_implementation="eager")).double().eval()
    model.save_pretrained(tmp_path)
    added = {}
    for layer in range(2):
        module = model.get_submodule(layout.layer.format(layer) + layout.outward)
        module.register_forward_hook(
            lambda module, given, out, layer=layer: added.update({layer: out[0].detach().numpy()})
        )
    ids = torch.tensor([[3, 7, 4, 9, 5]])
    with torch.no_grad():
        states = model(input_ids=ids, attention_mask=torch.ones_like(ids), output_hidden_states=True).hidden_states
    for layer in range(2):
        bias = model.get_submodule(layout.layer.format(layer) + layout.outward).bias.detach().numpy()
        for tokens in (states[layer], ids):
            case = from_transformers(tmp_path, tokens, layer=layer)
            assert relative(attended(case) + bias, added[layer]) < 1e-6
