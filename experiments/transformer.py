"""Every attention head of a trained transformer, answered by a circuit.

Question: does a circuit that computes softmax attention stand in for the heads of a trained transformer (all-MiniLM-L6-v2),
on sentences: how far is each head from the algebra, and how far the sentence embedding once every head is replaced?

Prediction: written before the first run of all heads, after two layers of a sentence had been run. In rates every head is
within 1e-5 of softmax attention, and the cosine of the sentence embedding with that of the model at least 1 - 1e-9; linear
attention on the same queries, keys and values is off by more than 50 per cent in the median head. Spikes are reported,
without a prediction.

Reference: `reference.softmax_attention` on the stream that the circuit itself leaves; the forward pass of
`inputs.transformer` (Wang et al. 2020). Circuits are calibrated on streams of other sentences.

Run time: two minutes for a sentence in rates; in spikes twenty.
"""

from itertools import cycle
from typing import Annotated, NamedTuple

import numpy as np
import typer
from rich.table import Table

from cortical_attention.circuits.plan import Reading
from cortical_attention.command import options as o
from cortical_attention.command.output import Output, with_output
from cortical_attention.command.status import script, status_of
from cortical_attention.inputs import transformer as model_of
from cortical_attention.inputs.sentences import SENTENCE_PAIRS
from cortical_attention.readout.agreement import relative_l2
from cortical_attention.readout.formats import number, per_cent
from cortical_attention.readout.style import new_figure, style
from cortical_attention.reference.attention import linear_attention, softmax_attention
from cortical_attention.simulation.settle import window_values
from cortical_attention.trials.batch import Prediction, Swept, ask, part_of

# Parameters
N_CALIBRATION = 4  # sequences, each of the tokens of other sentences
PT = Reading("pyramidal_tract")
LARGEST, COSINE = 1e-5, 1 - 1e-9


class Heads(NamedTuple):
    """What circuits answered for the attention of one layer, (n_head, n_token, d_model); whether each head settled, and why
    not; None of heads that were not asked, whose answer is that of the algebra."""

    output: np.ndarray
    settled: list
    reason: list


# Protocol
def n_heads(model):
    """Number of heads of a layer."""
    return len(model.layers[0].block.W_Q)


def calibration_streams(model, sentences, n_token):
    """Streams before each layer of tokens of other sentences, (n_layer + 1, N_CALIBRATION, n_token, d_model)."""
    others = cycle(text for pair in SENTENCE_PAIRS for text in pair if text not in sentences)
    found = []
    for _ in range(N_CALIBRATION):
        streams = model_of.hidden_states(model, next(others))
        while streams.shape[1] < n_token:
            streams = np.concatenate([streams, model_of.hidden_states(model, next(others))], axis=1)
        found.append(np.concatenate([streams[:, : n_token - 1], streams[:, -1:]], axis=1))  # the last is a mark
    return np.stack(found, axis=1)


def answer_layer(case, heads, given, report=None):
    """Heads of a layer (Heads): in rates side by side in one network, in spikes one after another.

    A head in spikes is read at its own higher-order nucleus; heads in rates share that, and are told apart at L5 PT.
    """
    right = softmax_heads(case)
    found = Heads(right.copy(), [None] * len(right), [None] * len(right))
    options = o.check(attention="softmax", record="sample", **given)
    groups = [heads] if not options.settings.form.spikes else [[head] for head in heads]
    for group in groups:
        block = case.block._replace(
            **{name: each[group] for name, each in case.block._asdict().items() if each is not None}
        )
        answer = ask([case._replace(block=block)], options, report)
        if answer.run.interrupted:
            raise KeyboardInterrupt
        outputs = answer.output if options.settings.form.spikes else heads_at_layer_5(answer, options, block)
        for k, head in enumerate(group):
            found.output[head] = outputs[k]
            found.settled[head], found.reason[head] = bool(answer.settled.settled[0]), str(answer.settled.reason[0])
    return found


def heads_at_layer_5(answer, options, block):
    """Output of each head, (n_head, n_token, d_model), from what L5 PT cells stand for."""
    windows = answer.plan.protocol.windows
    values = answer.plan.read(PT, window_values(answer.run, options.settings.form, windows))[0]
    return np.einsum("hmv,hiv->him", block.W_O, values)


def softmax_heads(case):
    """Output of each head by the algebra, (n_head, n_token, d_model)."""
    return np.stack([softmax_attention(each.tokens, each.block).output for each in model_of.single_heads(case)])


def answer_sentence(model, sentence, sentences, layers, heads, given, report=None):
    """One sentence with its heads replaced (dict): residuals by layer and head, cosine with the model, settled."""
    n_token, n_layer = len(model_of.word_pieces(model, sentence)), len(model.layers)
    others = calibration_streams(model, sentences, n_token)
    residual, linear, settled, reasons = ([[None] * n_heads(model) for _ in range(n_layer)] for _ in range(4))

    def attend(layer, case):
        """Output of a layer with its heads replaced."""
        right = softmax_heads(case)
        for head, each in enumerate(model_of.single_heads(case)):
            linear[layer][head] = relative_l2(linear_attention(each.tokens, each.block).output, right[head])
        if layer not in layers:
            return right.sum(axis=0)
        found = answer_layer(case._replace(calibration=others[layer]), heads, given, part_of(report, layer, n_layer))
        for head in heads:
            residual[layer][head] = relative_l2(found.output[head], right[head])
            settled[layer][head], reasons[layer][head] = found.settled[head], found.reason[head]
        return found.output.sum(axis=0)

    embedding, exact = (
        model_of.sentence_embedding(model, sentence, attend),
        model_of.sentence_embedding(model, sentence),
    )
    return {
        "sentence": sentence, "n_token": n_token, "cosine": float(embedding @ exact), "head_relative_l2": residual,
        "linear_relative_l2": linear, "settled": settled, "reasons": reasons,
    }  # fmt: skip


def answer_sentences(model, sentences, layers, heads, given, report=None):
    """What `answer_sentence` gives for each, until interrupted (list of dict), and whether that happened."""
    rows = []
    try:
        for k, sentence in enumerate(sentences):
            part = part_of(report, k, len(sentences))
            rows.append(answer_sentence(model, sentence, sentences, layers, heads, given, part))
    except KeyboardInterrupt:
        if not rows:
            raise
        return rows, True
    return rows, False


# Reference
def of_heads(figures):
    """Figures of the heads that were asked, flat (ndarray)."""
    return np.array([each for layer in figures for each in layer if each is not None], dtype=float)


def judge(rows, form):
    """The predictions, which are about all heads in rates."""
    every = [each for row in rows for layer in row["head_relative_l2"] for each in layer]
    if form != "rate" or not every or None in every:
        return []
    linear = float(np.median(np.concatenate([of_heads(row["linear_relative_l2"]) for row in rows])))
    cosine = min(row["cosine"] for row in rows)
    shown = f"1 - {1 - cosine:.1e}"
    return [
        Prediction(f"every head: at most {number(LARGEST)}", number(max(every)), max(every) <= LARGEST),
        Prediction(f"cosine of a sentence: at least {number(COSINE, 10)}", shown, cosine >= COSINE),
        Prediction("linear attention, the median head: off by more than 50 %", per_cent(linear), linear > 0.5),
    ]


# Figure
def draw(row):
    """Relative L2 of each head of the first sentence, beside that of linear attention."""
    panels = {"circuit": row["head_relative_l2"], "linear attention": row["linear_relative_l2"]}
    with style():
        figure = new_figure(3.4, width=9.0)
        for panel, (name, values) in zip(figure.subplots(1, 2), panels.items(), strict=True):
            shown = np.log10(np.array(values, dtype=float))
            image = panel.imshow(shown, cmap="viridis", aspect="auto")
            panel.set(title=name, xlabel="head", ylabel="layer")
            panel.grid(visible=False)
            figure.colorbar(image, ax=panel, label="log10 of relative L2")
    return figure


def _table(rows, form):
    table = Table(
        "sentence", "tokens", "heads, median", "largest", "linear, median", "cosine", "settled",
        title=f"heads of a transformer in the {form} form: relative L2 from softmax attention",
    )  # fmt: skip
    for row in rows:
        off, linear = of_heads(row["head_relative_l2"]), of_heads(row["linear_relative_l2"])
        settled = of_heads(row["settled"])
        table.add_row(
            row["sentence"], str(row["n_token"]), number(np.median(off)), number(off.max()), per_cent(np.median(linear)),
            f"1 - {1 - row['cosine']:.1e}", f"{int(settled.sum())}/{len(settled)}",
        )  # fmt: skip
    return table


def _some(name, text, largest):
    """Indices of a comma-separated option; None: all."""
    if text is None:
        return list(range(largest))
    words = list(dict.fromkeys(text.split(",")))
    for word in words:
        if not word.isdecimal() or not int(word) < largest:
            raise o.OptionError(f"{name} is '{text}' but needs numbers from 0 to {largest - 1}, separated by commas")
    return sorted(map(int, words))


@with_output
def main(
    sentences: Annotated[list[str], typer.Argument(help="One sentence or several, each in quotation marks.")],
    form: Annotated[str, typer.Option(help="Form of the cells: rate, dale, spiking or adaptive.")] = "rate",
    layers: Annotated[
        str | None, typer.Option(help="Layers that circuits answer for, from 0.", show_default="all")
    ] = None,
    heads: Annotated[
        str | None, typer.Option(help="Heads of a layer that circuits answer for, from 0.", show_default="all")
    ] = None,
    cells: o.Cells = 1,
    unit_rate: Annotated[float, typer.Option(help="Largest unit rate of thalamic nuclei (Hz).")] = 1000.0,
    settle: o.Settle = None,
    duration: o.Duration = None,
    target: o.Target = "auto",
    seed: o.Seed = 0,
    *,
    output: Output,
):
    """Let circuits answer for the heads of a trained transformer."""
    given = {"form": form, "cells": cells, "unit_rate": unit_rate, "settle": settle, "duration": duration}
    given |= {"target": target, "seed": seed}
    o.check(attention="softmax", **given)
    output.check()
    model = model_of.load_model()
    chosen = _some("--layers", layers, len(model.layers)), _some("--heads", heads, n_heads(model))
    for sentence in sentences:
        model_of.word_pieces(model, sentence)  # what it is not is refused before the first run
    with output.progress(f"{len(sentences)} sentences, {form} form") as report:
        rows, interrupted = answer_sentences(model, sentences, *chosen, given, report)
    parameters = {"sentences": sentences, "layers": layers, "heads": heads, **given}
    folder, content = output.folder("transformer", parameters), output.provenance(parameters, {"phases": seed})
    names = "head_relative_l2", "linear_relative_l2", "settled", "n_token"
    first = {name: rows[0][name] for name in names}
    result = Swept({}, {}, interrupted).result(rows, **first, sentence_cosine=[row["cosine"] for row in rows])
    output.report("transformer", folder, result, draw(rows[0]), content, _table(rows, form), judge(rows, form))
    every = [each for row in rows for layer in row["settled"] for each in layer if each is not None]
    return status_of(Swept({}, {}, interrupted), every)


if __name__ == "__main__":
    script(main)
