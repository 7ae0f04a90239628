"""
Retrieval from a modern Hopfield network
========================================

A cue is one of eight stored patterns, with noise. The circuit of softmax attention weighs the patterns by their overlap with
the cue, and answers with the one that it comes from, since attention to it is near one.
"""

import numpy as np

from cortical_attention.readout.style import DIVERGING, new_figure, style
from cortical_attention.trials.example import answer
from cortical_attention.trials.examples.hopfield import retrieval

example, wanted = retrieval(seed=1, beta=10.0)
rows = {
    "cues": example.tokens[0],
    "answer of the circuit": answer(example, "rate", target="numpy").output[0],
    "answer of the algebra": example.reference[0],
    "patterns of the cues": wanted[0],
}
largest = max(np.abs(each).max() for each in rows.values())
with style():
    figure = new_figure(5.5, width=7)
    panels = figure.subplots(len(rows), 1, sharex=True)
    for panel, (name, values) in zip(panels, rows.items(), strict=True):
        shown = panel.imshow(values, cmap=DIVERGING, vmin=-largest, vmax=largest, aspect="auto")
        panel.set(title=name, ylabel="cue", yticks=range(len(values)))
    panels[-1].set_xlabel("component")
    figure.colorbar(shown, ax=panels, label="value")
