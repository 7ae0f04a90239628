"""How folders of the library transformers name and arrange the weights of a model, by its architecture.

BERT-like: BERT, RoBERTa and its kin, DistilBERT. GPT-2-like: GPT-2, and GPT-BigCode, whose heads share one key and value.
These add a vector for each place to the tokens, which a case can hold. Others are refused by what they do to places instead:
turn queries and keys (rotary), or add to the scores an amount that depends on the distance (relative, ALiBi).

References: Devlin et al. 2019 (BERT); Liu et al. 2019 (RoBERTa); Sanh et al. 2019 (DistilBERT); Radford et al. 2019 (GPT-2);
Ben Allal et al. 2023 (GPT-BigCode); Shazeer 2019 and Ainslie et al. 2023 (heads that share keys and values); Su et al. 2021
(rotary); Shaw et al. 2018 (relative); Press et al. 2022 (ALiBi).
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from cortical_attention.inputs.cases import CaseError


class Layout(NamedTuple):
    """Names in ``config.json`` and in ``model.safetensors`` of one architecture.

    Attributes
    ----------
    n_layer, n_head, d_model, d_hidden, n_word, n_place, epsilon, activation : str
        Names of settings.
    words, places, segments, norm : str or None
        Tables of vectors, and the layer norm of their sum; None where the architecture has none.
    layer : str
        Beginning of the names of a layer, with ``{}`` for its number.
    inward, outward : tuple of str, str
        Matrices of query, key and value (one name: stacked), and of the output.
    norm_1, up, down, norm_2 : str
        Layer norms, and the two matrices after attention.
    norm_first : bool
        Whether attention reads the stream after a layer norm (GPT-2), or the stream itself (BERT).
    transposed : bool
        Whether matrices are (pre, post).
    causal : bool
        Whether no token attends to later ones.
    first_place : str or None
        Setting after whose number the places begin (RoBERTa: that of the token that fills up); None: they begin at 0.
    """

    n_layer: str
    n_head: str
    d_model: str
    d_hidden: str
    n_word: str
    n_place: str
    epsilon: str
    activation: str
    words: str
    places: str
    segments: str | None
    norm: str | None
    layer: str
    inward: tuple[str, ...]
    outward: str
    norm_1: str
    up: str
    down: str
    norm_2: str
    norm_first: bool = False
    transposed: bool = False
    causal: bool = False
    first_place: str | None = None


BERT = Layout(
    "num_hidden_layers", "num_attention_heads", "hidden_size", "intermediate_size", "vocab_size",
    "max_position_embeddings", "layer_norm_eps", "hidden_act",
    words="embeddings.word_embeddings", places="embeddings.position_embeddings",
    segments="embeddings.token_type_embeddings", norm="embeddings.LayerNorm", layer="encoder.layer.{}.",
    inward=("attention.self.query", "attention.self.key", "attention.self.value"), outward="attention.output.dense",
    norm_1="attention.output.LayerNorm", up="intermediate.dense", down="output.dense", norm_2="output.LayerNorm",
)  # fmt: skip
ROBERTA = BERT._replace(first_place="pad_token_id")
DISTILBERT = BERT._replace(
    n_layer="n_layers", n_head="n_heads", d_model="dim", d_hidden="hidden_dim", activation="activation", segments=None,
    layer="transformer.layer.{}.", inward=("attention.q_lin", "attention.k_lin", "attention.v_lin"),
    outward="attention.out_lin", norm_1="sa_layer_norm", up="ffn.lin1", down="ffn.lin2", norm_2="output_layer_norm",
)  # fmt: skip
GPT2 = Layout(
    "n_layer", "n_head", "n_embd", "n_inner", "vocab_size", "n_positions", "layer_norm_epsilon", "activation_function",
    words="wte", places="wpe", segments=None, norm=None, layer="h.{}.", inward=("attn.c_attn",), outward="attn.c_proj",
    norm_1="ln_1", up="mlp.c_fc", down="mlp.c_proj", norm_2="ln_2", norm_first=True, transposed=True, causal=True,
)  # fmt: skip

LAYOUTS = {
    "bert": BERT, "roberta": ROBERTA, "xlm-roberta": ROBERTA, "camembert": ROBERTA, "distilbert": DISTILBERT,
    "gpt2": GPT2, "gpt_bigcode": GPT2._replace(transposed=False),
}  # fmt: skip
"""Layouts by `model_type` in ``config.json``."""

PLACES = {
    "rope": "rotary positions, which turn queries and keys by their place",
    "rotary": "rotary positions, which turn queries and keys by their place",
    "alibi": "ALiBi, which adds to the scores an amount that depends on the distance",
    "relative": "relative positions, which add to the scores an amount that depends on the distance",
}
"""Words in the names of settings that place tokens otherwise than by a vector that is added to them."""
BY_NAME = {
    "bloom": "alibi", "mpt": "alibi", "t5": "relative", "xlnet": "relative", "deberta": "relative", "llama": "rotary",
    "mistral": "rotary", "gptj": "rotary", "gpt_neox": "rotary", "falcon": "rotary",
}  # fmt: skip
"""Architectures that do so whether or not a setting says it."""
OFF = (None, False, 0, -1, "absolute")  # values of a setting that is not in use


def layout_of(settings: Mapping[str, Any]) -> Layout:
    """Layout of a model, from the content of its ``config.json``.

    Raises
    ------
    CaseError
        For an architecture, or an option of it, whose attention is not that of a case.
    """
    kind = settings.get("model_type")
    _check_places(settings, kind)
    if kind not in LAYOUTS:
        raise CaseError(f"model_type: is {kind!r} in config.json but needs to be one of {', '.join(LAYOUTS)}")
    if kind == "gpt_bigcode" and settings.get("multi_query", True) is not True:
        raise CaseError(
            "multi_query: is not true in config.json but needs to be; a GPT-BigCode without it is arranged otherwise"
        )
    for name in ("pruned_heads", "add_cross_attention"):
        if settings.get(name):
            raise CaseError(
                f"{name}: is {settings[name]!r} in config.json but needs to be absent; a case has no place for it"
            )
    return LAYOUTS[kind]


def _check_places(settings: Mapping[str, Any], kind: Any) -> None:
    """Refuse positions that are not added to the tokens."""
    used = {name: _word_in(name) for name, value in settings.items() if value not in OFF and _word_in(name)}
    style = settings.get("position_embedding_type", "absolute")
    if used:
        name, word = next(iter(used.items()))
        why = f"{name}: is set in config.json"
    elif style != "absolute":
        why, word = f"position_embedding_type: is {style!r} in config.json", "relative"
        word = next((each for each in PLACES if each in str(style)), word)
    elif kind in BY_NAME:
        why, word = f"model_type: is {kind!r} in config.json", BY_NAME[kind]
    else:
        return
    raise CaseError(f"{why}, so the model has {PLACES[word]}; a case needs places that are added to its tokens")


def _word_in(name: str) -> str | None:
    """Word of `PLACES` with which a part of the name of a setting begins, or None."""
    return next((word for word in PLACES if any(part.startswith(word) for part in name.split("_"))), None)
