"""A tiny transformer with the files of a trained one, and its forward pass as BERT is usually written.

Heads stand side by side and are mixed by one matrix, straight from the tensors of the file; nothing of the package is used.
"""

import json
from math import erf
from types import SimpleNamespace

import numpy as np
from safetensors.numpy import save_file

CONFIG = {
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "hidden_size": 8,
    "intermediate_size": 12,
    "vocab_size": 7,
    "max_position_embeddings": 9,
    "type_vocab_size": 2,
    "layer_norm_eps": 1e-5,
    "hidden_act": "gelu",
}
N_HEAD, D_MODEL, D_HIDDEN, N_LAYER = 2, 8, 12, 3
LIMIT = 6
PIECES = {"[first]": 0, "[last]": 1, "[unknown]": 2, "one": 3, "two": 4, "three": 5, "four": 6}


def relative(a, b):
    return np.linalg.norm(np.asarray(a) - b) / np.linalg.norm(b)


def tiny_weights(seed=1):
    """Tensors of a model of random weights and biases, by the names of their file."""
    rng = np.random.default_rng(seed)
    shapes = {
        "embeddings.word_embeddings.weight": (7, D_MODEL),
        "embeddings.token_type_embeddings.weight": (2, D_MODEL),
    }
    shapes |= {"embeddings.position_embeddings.weight": (9, D_MODEL), "embeddings.LayerNorm.weight": (D_MODEL,)}
    dense = {
        f"attention.{part}": (D_MODEL, D_MODEL) for part in ("self.query", "self.key", "self.value", "output.dense")
    }
    dense |= {"intermediate.dense": (D_HIDDEN, D_MODEL), "output.dense": (D_MODEL, D_HIDDEN)}
    dense |= {"attention.output.LayerNorm": (D_MODEL,), "output.LayerNorm": (D_MODEL,)}
    for layer in range(N_LAYER):
        shapes |= {f"encoder.layer.{layer}.{name}.weight": shape for name, shape in dense.items()}
    shapes |= {name.replace("weight", "bias"): shape[:1] for name, shape in shapes.items() if "_emb" not in name}
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


class Words:
    """Stand-in for `tokenizers.Tokenizer`, where that is not installed: word pieces are words."""

    @classmethod
    def from_file(cls, path):
        tokenizer = cls()
        with open(path) as file:
            tokenizer.pieces = json.load(file)["model"]["vocab"]
        return tokenizer

    def get_vocab_size(self):
        return len(self.pieces)

    def no_padding(self):
        pass

    def no_truncation(self):
        pass

    def encode(self, text):
        tokens = ["[first]", *(word if word in self.pieces else "[unknown]" for word in text.split()), "[last]"]
        ids = [self.pieces[token] for token in tokens]
        return SimpleNamespace(ids=ids, tokens=tokens, special_tokens_mask=[int(i < 2) for i in ids])


def tokenizer_file():
    """What the library tokenizers reads as the same cutting into words."""
    marks = [{"SpecialToken": {"id": mark, "type_id": 0}} for mark in ("[first]", "[last]")]
    special = {mark: {"id": mark, "ids": [PIECES[mark]], "tokens": [mark]} for mark in ("[first]", "[last]")}
    return {
        "version": "1.0",
        "truncation": {"max_length": 4, "strategy": "LongestFirst", "stride": 0, "direction": "Right"},
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [marks[0], {"Sequence": {"id": "A", "type_id": 0}}, marks[1]],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": special,
        },
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": PIECES, "unk_token": "[unknown]"},
    }


def write(folder, config=CONFIG, weights=None, limits=None, pieces=None):
    """Files of a tiny model."""
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "sentence_bert_config.json").write_text(
        json.dumps({"max_seq_length": LIMIT} if limits is None else limits)
    )
    (folder / "tokenizer.json").write_text(json.dumps(pieces or tokenizer_file()))
    save_file(tiny_weights() if weights is None else weights, folder / "model.safetensors")
    return folder


def dense(w, name, x):
    """A matrix and its bias."""
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def usual_attention(w, layer, x):
    """What attention of a layer adds to its stream, with its bias, (n_token, d_model)."""
    at = f"encoder.layer.{layer}.attention."
    query, key, value = (dense(w, f"{at}self.{each}", x) for each in ("query", "key", "value"))
    heads = []
    for columns in np.split(np.arange(D_MODEL), N_HEAD):
        weight = np.exp(query[:, columns] @ key[:, columns].T / np.sqrt(D_MODEL // N_HEAD))
        heads.append(weight / weight.sum(1, keepdims=True) @ value[:, columns])
    return dense(w, f"{at}output.dense", np.hstack(heads))


def usual(weights, ids):
    """Streams of BERT, (n_layer + 1, n_token, d_model)."""
    w = {name: array.astype(float) for name, array in weights.items()}

    def norm(name, x):
        scaled = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + CONFIG["layer_norm_eps"])
        return scaled * w[f"{name}.weight"] + w[f"{name}.bias"]

    tables = [w[f"embeddings.{each}_embeddings.weight"] for each in ("word", "position", "token_type")]
    x = norm("embeddings.LayerNorm", tables[0][ids] + tables[1][: len(ids)] + tables[2][0])
    states = [x]
    for layer in range(N_LAYER):
        at = f"encoder.layer.{layer}."
        x = norm(f"{at}attention.output.LayerNorm", x + usual_attention(w, layer, x))
        hidden = dense(w, f"{at}intermediate.dense", x)
        hidden = hidden * np.vectorize(lambda u: (1 + erf(u / 2**0.5)) / 2)(hidden)
        x = norm(f"{at}output.LayerNorm", x + dense(w, f"{at}output.dense", hidden))
        states.append(x)
    return np.stack(states)


def ids_of(sentence):
    return [0, *(PIECES[word] for word in sentence.split()), 1]
