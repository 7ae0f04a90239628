"""A tiny GPT-2 with the files of a trained one, and its forward pass as it is usually written.

Heads stand side by side and are mixed by one matrix, straight from the tensors of the file; nothing of the package is used.
With `shared`, all heads have one key and one value between them, as in GPT-BigCode, whose matrices are the other way round.
"""

import json

import numpy as np
from safetensors.numpy import save_file

N_HEAD, D_MODEL, D_HIDDEN, N_LAYER, D_KEY = 2, 8, 32, 3, 4
CONFIG = {
    "model_type": "gpt2", "n_layer": N_LAYER, "n_head": N_HEAD, "n_embd": D_MODEL, "n_inner": None, "vocab_size": 11,
    "n_positions": 9, "layer_norm_epsilon": 1e-5, "activation_function": "gelu_new",
}  # fmt: skip
SHARED = CONFIG | {"model_type": "gpt_bigcode", "multi_query": True, "activation_function": "gelu_pytorch_tanh"}


def tiny_weights(seed=1, shared=False, prefix=""):
    """Tensors of a model of random weights and biases, by the names of their file."""
    rng = np.random.default_rng(seed)
    stacked = D_MODEL + 2 * D_KEY if shared else 3 * D_MODEL
    shapes = {
        "wte.weight": (11, D_MODEL),
        "wpe.weight": (9, D_MODEL),
        "ln_f.weight": (D_MODEL,),
        "ln_f.bias": (D_MODEL,),
    }
    dense = {
        "attn.c_attn": (D_MODEL, stacked), "attn.c_proj": (D_MODEL, D_MODEL),
        "mlp.c_fc": (D_MODEL, D_HIDDEN), "mlp.c_proj": (D_HIDDEN, D_MODEL),
    }  # fmt: skip
    for layer in range(N_LAYER):
        for name, shape in dense.items():
            shapes[f"h.{layer}.{name}.weight"] = shape[::-1] if shared else shape
            shapes[f"h.{layer}.{name}.bias"] = shape[1:]
        shapes |= {f"h.{layer}.{name}.{part}": (D_MODEL,) for name in ("ln_1", "ln_2") for part in ("weight", "bias")}
    return {prefix + name: (0.5 * rng.normal(size=shape)).astype(np.float32) for name, shape in shapes.items()}


def write(folder, config=CONFIG, weights=None):
    """Files of a tiny model."""
    (folder / "config.json").write_text(json.dumps(config))
    save_file(tiny_weights() if weights is None else weights, folder / "model.safetensors")
    return folder


def normed(w, name, x):
    centred = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + CONFIG["layer_norm_epsilon"])
    return centred * w[f"{name}.weight"] + w[f"{name}.bias"]


def dense(w, name, x, shared):
    weight = w[f"{name}.weight"]
    return x @ (weight.T if shared else weight) + w[f"{name}.bias"]


def usual_attention(w, layer, x, shared=False):
    """What attention of a layer adds to its stream, with its bias, (n_token, d_model)."""
    stacked = dense(w, f"h.{layer}.attn.c_attn", normed(w, f"h.{layer}.ln_1", x), shared)
    closed = np.triu(np.full((len(x), len(x)), -np.inf), 1)
    heads = []
    for head in range(N_HEAD):
        first = [D_MODEL, D_MODEL + D_KEY] if shared else [part * D_MODEL + head * D_KEY for part in (1, 2)]
        query = stacked[:, head * D_KEY : (head + 1) * D_KEY]
        key, value = (stacked[:, start : start + D_KEY] for start in first)
        weight = np.exp(query @ key.T / np.sqrt(D_KEY) + closed)
        heads.append(weight / weight.sum(1, keepdims=True) @ value)
    return dense(w, f"h.{layer}.attn.c_proj", np.hstack(heads), shared)


def usual(weights, words, shared=False):
    """Streams of GPT-2 before each layer and after the last, (n_layer + 1, n_token, d_model)."""
    w = {name: array.astype(float) for name, array in weights.items()}
    x = w["wte.weight"][words] + w["wpe.weight"][: len(words)]
    states = [x]
    for layer in range(N_LAYER):
        x = x + usual_attention(w, layer, x, shared)
        hidden = dense(w, f"h.{layer}.mlp.c_fc", normed(w, f"h.{layer}.ln_2", x), shared)
        hidden = 0.5 * hidden * (1 + np.tanh(np.sqrt(2 / np.pi) * (hidden + 0.044715 * hidden**3)))
        x = x + dense(w, f"h.{layer}.mlp.c_proj", hidden, shared)
        states.append(x)
    return np.stack(states)
