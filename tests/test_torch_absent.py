"""Layers of torch where torch is not installed: nothing imports it, and a layer is known by its attributes alone."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from cortical_attention.inputs.cases import CaseError
from cortical_attention.inputs.torch_layers import from_torch
from cortical_attention.reference.attention import softmax_attention
from tests.command import PATIENCE
from tests.torch_layers import EMBED, N_CONTEXT, N_HEAD, open_mask, relative, sequences

HEAD = EMBED // N_HEAD


class Layer:
    """The attributes of a `torch.nn.MultiheadAttention`, filled with arrays; its answer, written out head by head."""

    kdim = vdim = embed_dim = EMBED
    num_heads, head_dim = N_HEAD, HEAD
    batch_first, add_zero_attn, bias_k, bias_v = True, False, None, None
    training, dropout = False, 0.0

    def __init__(self):
        rng = np.random.default_rng(11)
        self.in_proj_weight, self.in_proj_bias = rng.normal(size=(3 * EMBED, EMBED)), rng.normal(size=3 * EMBED)
        self.out_proj = SimpleNamespace(weight=rng.normal(size=(EMBED, EMBED)), bias=rng.normal(size=EMBED))

    def forward(self, tokens, context, mask):
        answer = np.zeros(tokens.shape)
        for head in range(N_HEAD):
            rows = np.arange(head * HEAD, (head + 1) * HEAD)
            query, key, value = (
                x @ self.in_proj_weight[part * EMBED + rows].T + self.in_proj_bias[part * EMBED + rows]
                for part, x in enumerate((tokens, context, context))
            )
            weight = mask * np.exp(query @ key.T / np.sqrt(HEAD))
            answer += weight / weight.sum(axis=1, keepdims=True) @ value @ self.out_proj.weight[:, rows].T
        return answer + self.out_proj.bias


@pytest.fixture
def layer(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(nn=SimpleNamespace(MultiheadAttention=Layer)))
    return Layer()


def test_a_layer_known_by_its_attributes(layer):
    tokens, context, _, _ = sequences(0)
    case = from_torch(layer, tokens, context=context, attn_mask=~open_mask(), name="some")
    ours = softmax_attention(case.tokens, case.block, context=case.context, mask=case.mask).output + layer.out_proj.bias
    assert relative(ours, layer.forward(tokens, context, open_mask())) < 1e-12
    assert relative(ours, layer.forward(tokens, context, np.ones((3, N_CONTEXT)))) > 1e-3
    assert case.name == "some"
    assert len(case.notices) == 1


def test_torch_is_not_imported():
    code = "import sys, cortical_attention.inputs.torch_layers; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=PATIENCE).returncode == 0


@pytest.mark.parametrize("module", [None, np.ones((2, 2)), Layer()])
def test_another_object_is_refused(module, monkeypatch):
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    with pytest.raises(CaseError, match=r"^module: is a (NoneType|ndarray|Layer) but needs to be a torch"):
        from_torch(module, np.ones((3, EMBED)))
