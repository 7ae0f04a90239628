"""
Learning curve
==============

The paper's gradients (equations 2 to 5) teach one head to look up which value goes with which symbol. An answer that ignores
the query is right on one question in four, and a head whose queries and keys do not learn is little better.
"""

import numpy as np

from cortical_attention.inputs.recall import answered, recall
from cortical_attention.readout.style import new_figure, style
from cortical_attention.reference.attention import linear_attention
from cortical_attention.reference.block import Block
from cortical_attention.reference.gradients import gradients


def course(learnt, n_step=1000, step=0.1):
    """Share of right answers on new sequences before each step, by gradient descent on some of the weights."""
    rng = np.random.default_rng(0)
    block, right = Block(*(rng.standard_normal((1, 8, 8)) / np.sqrt(8) for _ in range(4))), []
    for _ in range(n_step):
        new = recall(rng, 64)
        answers = answered(linear_attention(new.tokens, block, context=new.context).output)
        right.append(np.mean(answers == new.labels))
        found = gradients(new.tokens, new.targets, block, context=new.context)
        block = block._replace(
            **{name: getattr(block, name) - step * getattr(found, f"dE_d{name}") / 64 for name in learnt}
        )
    return right


with style():
    figure = new_figure(4, width=7)
    panel = figure.subplots()
    panel.plot(course(("W_Q", "W_K", "W_V", "W_O")), label="all weights learn")
    panel.plot(course(("W_V", "W_O")), label="queries and keys are frozen")
    panel.axhline(0.25, color="#777777", linestyle="--", label="answer that ignores the query")
    panel.set(xlabel="steps of 64 sequences", ylabel="share of right answers", ylim=(0, 1.05))
    panel.legend()
