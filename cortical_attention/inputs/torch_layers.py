"""Case of a `torch.nn.MultiheadAttention` and of the sequences that it attends to.

Whoever has such a module has torch, so it is neither imported here nor a dependency. The weights are taken as they are, for
the module and `reference.attention.softmax_attention` divide scores alike, by sqrt(d_key). Masks are opposite: True is
closed in a mask of the module and open in a mask of the case.

What is wrong is refused in one sentence that names the argument, its property and the requirement, as in `inputs.cases`.
"""

import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from cortical_attention.inputs.cases import FLOATS, Case, CaseError, from_arrays

READABLE = ("float16", "bfloat16", "float32", "float64")
UNREADABLE = (NotImplementedError, RuntimeError, TypeError)
"""What torch raises for a tensor without numbers (device meta) or one that numpy cannot hold (sparse)."""


class _Widths(NamedTuple):
    """Columns of each sequence of a module, and of the space of a case that holds them all."""

    token: int
    key: int
    value: int

    @property
    def context(self) -> int:
        """Columns of the context: keys and values read the same ones, or stand side by side if their widths differ."""
        return self.key if self.key == self.value else self.key + self.value

    @property
    def d_model(self) -> int:
        return max(self.token, self.context)


def from_torch(
    module: Any,
    tokens: Any,
    *,
    context: Any = None,
    mask: Any = None,
    attn_mask: Any = None,
    key_padding_mask: Any = None,
    targets: Any = None,
    name: str = "",
) -> Case:
    """Case of a `torch.nn.MultiheadAttention`: its weights, biases and heads, and the sequences that it attends to.

    Softmax attention of the case plus `out_proj.bias` equals `module(tokens, context, context)` in float64, without dropout.
    Sequences and masks are tensors or arrays; tensors may require a gradient and lie on any device. A sequence may also
    be a batch of one in the layout of the module: (1, n, width) if `batch_first`, (n, 1, width) if not.

    Parameters
    ----------
    module : torch.nn.MultiheadAttention
        With weights in float16, bfloat16, float32 or float64. d_key and d_value are `embed_dim / num_heads`.
    tokens : (n_token, embed_dim)
        Source of the queries.
    context : (n_context, kdim), optional
        Source of keys and values; None: the tokens. If `kdim` and `vdim` differ: (n_context, kdim + vdim), the key and
        the value of the module side by side.
    mask : boolean, (n_token, n_context), optional
        True where a token may attend.
    attn_mask : boolean or floating point, (n_token, n_context), optional
        As the module takes it: True or -inf where a token may not attend. Not together with `mask`.
    key_padding_mask : boolean or floating point, (n_context,) or (1, n_context), optional
        As the module takes it: True or -inf at context tokens that no token may attend to; with or without another mask.
    targets : (n_token, embed_dim), optional
        Desired output, for the gradients.
    name : str
        Name of the case.

    Returns
    -------
    Case
        Copies in float64. Notices name what it leaves out (`out_proj.bias` unless zero, dropout of a module in training
        mode) and what was added (columns, see below).

    Raises
    ------
    CaseError
        For another module, or one that computes in a `forward` of its own; for `add_bias_kv` or `add_zero_attn`; for a batch
        of several sequences; for a mask that weighs instead of closing, or that differs between heads; for `mask` beside
        `attn_mask`; for a missing context if `kdim` or `vdim` is not `embed_dim`; and for arrays of wrong type or shape or
        with entries that are not finite.

    Notes
    -----
    In a case tokens and context have the same width, d_model; in a module they need not. Where `kdim` or `vdim` is not
    `embed_dim`, d_model is the larger of `embed_dim` and the width of the context. Zero columns are added to the narrower
    sequence, to the targets and to the weights that read them, and zero rows to W_O. Scores, weights and the first
    `embed_dim` columns of the output are those of the module; the other columns of the output are zero.

    If `kdim` and `vdim` differ, W_K has zeros at the columns of the value and W_V at those of the key, so that one
    context carries both.
    """
    _check_module(module)
    widths = _Widths(module.embed_dim, module.kdim, module.vdim)
    sequences = _sequences(module, widths, tokens, context, targets)
    open_to = _mask(_size(sequences), mask, attn_mask, key_padding_mask)
    given = _weights(module, widths) | _biases(module) | sequences
    case = from_arrays(given if open_to is None else given | {"mask": open_to}, name=name)
    return case._replace(notices=(*case.notices, *_left_out(module), *_added(widths)))


def _check_module(module: Any) -> None:
    """Refuse what is no MultiheadAttention, and options of it that a block of a case has no counterpart for."""
    torch = sys.modules.get("torch")  # whoever made the module has imported it
    if torch is None or not isinstance(module, torch.nn.MultiheadAttention):
        raise CaseError(f"module: is a {type(module).__name__} but needs to be a torch.nn.MultiheadAttention")
    if type(module).forward is not torch.nn.MultiheadAttention.forward:
        raise CaseError(
            f"module: is a {type(module).__name__} with a forward of its own but needs that of torch.nn.MultiheadAttention"
        )
    if module.bias_k is not None or module.bias_v is not None:
        raise CaseError("module: has add_bias_kv=True but needs False, for a case has no learnt context token")
    if module.add_zero_attn:
        raise CaseError("module: has add_zero_attn=True but needs False, for a case has no context token of zeros")


def _sequences(module: Any, widths: _Widths, tokens: Any, context: Any, targets: Any) -> dict[str, np.ndarray]:
    """Tokens, and context and targets if given, each (n, d_model)."""
    if context is None and not widths.token == widths.key == widths.value:
        raise CaseError(
            f"context: is missing but needs to be given, for kdim = {widths.key} and vdim = {widths.value} of the module "
            f"are not both its embed_dim = {widths.token}"
        )
    given = {
        "tokens": (tokens, widths.token, "embed_dim"),
        "context": (context, widths.context, "kdim" if widths.key == widths.value else "kdim + vdim"),
        "targets": (targets, widths.token, "embed_dim"),
    }
    return {
        name: _columns(_sequence(name, array, width, axis, module.batch_first), 0, widths.d_model)
        for name, (array, width, axis) in given.items()
        if array is not None
    }


def _sequence(name: str, given: Any, width: int, axis: str, batch_first: bool) -> np.ndarray:
    """One sequence (n, width), also out of a batch of one."""
    array = numbers_of(name, given)
    batch = 0 if batch_first else 1
    if array.ndim == 3 and array.shape[batch] != 1:
        raise CaseError(
            f"{name}: has shape {array.shape}, with batch_first={batch_first} a batch of {array.shape[batch]}, but needs "
            "one sequence; a case has no batch"
        )
    single = array.squeeze(batch) if array.ndim == 3 else array
    if single.ndim != 2 or single.shape[1] != width:
        layout = f"(1, n, {width})" if batch_first else f"(n, 1, {width})"
        raise CaseError(
            f"{name}: has shape {array.shape} but needs (n, {axis}) = (n, {width}) or, as a batch of one, {layout}"
        )
    return single


def _size(sequences: Mapping[str, np.ndarray]) -> tuple[int, int]:
    """n_token and n_context."""
    return len(sequences["tokens"]), len(sequences.get("context", sequences["tokens"]))


def _mask(size: tuple[int, int], mask: Any, attn_mask: Any, key_padding_mask: Any) -> np.ndarray | None:
    """Mask (n_token, n_context) of the case, True where all given masks are open; None if none is given."""
    if mask is not None and attn_mask is not None:
        raise CaseError(
            "mask: is given beside attn_mask but needs to be alone, for the two are opposites of each other"
        )
    found = []
    if mask is not None:
        found.append(_fitting("mask", _booleans("mask", mask), size))
    if attn_mask is not None:
        found.append(_fitting("attn_mask", _turned("attn_mask", attn_mask), size))
    if key_padding_mask is not None:
        keys = _fitting("key_padding_mask", _turned("key_padding_mask", key_padding_mask), size[1:], (1, size[1]))
        found.append(np.broadcast_to(keys, size))
    return np.logical_and.reduce(found) if found else None


def _booleans(name: str, given: Any) -> np.ndarray:
    """A mask that is True where open."""
    array = numbers_of(name, given)
    if array.dtype != bool:
        raise CaseError(f"{name}: has dtype {array.dtype.name} but needs booleans, True where a token may attend")
    return array


def _turned(name: str, given: Any) -> np.ndarray:
    """Booleans, True where open, of a mask of torch: True where closed, or 0 where open and -inf where closed."""
    array = numbers_of(name, given)
    if array.dtype == bool:
        return ~array
    if array.dtype.kind != "f":
        raise CaseError(f"{name}: has dtype {array.dtype.name} but needs booleans, or floating point of 0 and -inf")
    others = np.count_nonzero((array != 0) & (array != -np.inf))
    if others:
        raise CaseError(
            f"{name}: has {others} {'entry' if others == 1 else 'entries'} other than 0 and -inf but needs none; the mask "
            "of a case opens or closes, and adds nothing to the scores"
        )
    return array == 0


def _fitting(name: str, array: np.ndarray, *shapes: tuple[int, ...]) -> np.ndarray:
    """The mask itself, if it has one of the shapes."""
    if array.shape in shapes:
        return array
    axes = "(n_token, n_context)" if len(shapes[0]) == 2 else "(n_context,)"
    heads = "; a case has one mask for all heads" if array.ndim == 3 else ""
    raise CaseError(f"{name}: has shape {array.shape} but needs {axes} = {shapes[0]}{heads}")


def _weights(module: Any, widths: _Widths) -> dict[str, np.ndarray]:
    """W_Q, W_K, W_V and W_O of the case: a matrix for each head, with zeros at the columns that it does not read."""
    begins = {"W_Q": 0, "W_K": 0, "W_V": widths.context - widths.value}  # first column that is read
    weights = {
        name: _columns(_heads(module, weight), begin, widths.d_model)
        for (name, begin), weight in zip(begins.items(), _inward(module), strict=True)
    }
    outward = _heads(module, numbers_of("out_proj.weight", module.out_proj.weight).T)  # (n_head, d_value, embed_dim)
    return weights | {"W_O": _columns(outward, 0, widths.d_model).swapaxes(1, 2)}


def _inward(module: Any) -> list[np.ndarray]:
    """Weights of query, key and value, (embed_dim, width) each; the module stacks them if their widths are equal."""
    if module.in_proj_weight is not None:
        return np.split(numbers_of("in_proj_weight", module.in_proj_weight), 3)
    names = ("q_proj_weight", "k_proj_weight", "v_proj_weight")
    return [numbers_of(name, getattr(module, name)) for name in names]


def _biases(module: Any) -> dict[str, np.ndarray]:
    """b_Q, b_K and b_V of the case, (n_head, d_key); none of a module without bias."""
    if module.in_proj_bias is None:
        return {}
    biases = numbers_of("in_proj_bias", module.in_proj_bias).reshape(3, module.num_heads, module.head_dim)
    return dict(zip(("b_Q", "b_K", "b_V"), biases, strict=True))


def _heads(module: Any, weight: np.ndarray) -> np.ndarray:
    """Rows of a matrix (embed_dim, width) by head: (n_head, head_dim, width)."""
    return weight.reshape(module.num_heads, module.head_dim, -1)


def _columns(array: np.ndarray, start: int, d_model: int) -> np.ndarray:
    """The array among zeros, its last axis from column `start` on, (..., d_model)."""
    after = d_model - start - array.shape[-1]
    return np.pad(array, [(0, 0)] * (array.ndim - 1) + [(start, after)])


def numbers_of(name: str, given: Any) -> np.ndarray:
    """A tensor or array as an array; the floating point of a tensor becomes float64, since numpy has no bfloat16."""
    if not hasattr(given, "detach"):
        return np.asarray(given)
    kind = str(given.dtype).removeprefix("torch.")
    if given.is_floating_point() and kind not in READABLE:
        raise CaseError(f"{name}: has dtype {kind} but needs {FLOATS}")
    try:
        tensor = given.detach().cpu()
        return (tensor.double() if kind in READABLE else tensor).numpy()
    except UNREADABLE as error:
        where = f"{given.layout} on the device {given.device}"
        raise CaseError(
            f"{name}: cannot be read ({where}) but needs to be a dense tensor that holds numbers"
        ) from error


def _left_out(module: Any) -> list[str]:
    """Notices for what the module computes and the case does not."""
    notices = []
    bias = module.out_proj.bias
    if bias is not None and numbers_of("out_proj.bias", bias).any():
        notices.append("out_proj.bias: is not zero and is left out; the module adds it to every row of the output")
    if module.training and module.dropout > 0:
        notices.append(
            f"module: is in training mode with dropout {module.dropout:g}, which is left out, as after module.eval()"
        )
    return notices


def _added(widths: _Widths) -> list[str]:
    """Notices for sequences that do not have the width of the module's."""
    notices = []
    if widths.key != widths.value:
        notices.append(
            f"context: holds the key in its first {widths.key} columns and the value in the next {widths.value}"
        )
    if widths.token < widths.context:
        notices.append(
            f"tokens: got zeros in columns {widths.token} to {widths.d_model - 1}, for the context has {widths.context} "
            "columns; so has the output, where those columns are zero"
        )
    if widths.context < widths.token:
        notices.append(
            f"context: got zeros in columns {widths.context} to {widths.d_model - 1}, for the tokens have "
            f"{widths.token} columns"
        )
    return notices
