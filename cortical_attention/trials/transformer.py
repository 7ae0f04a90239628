"""Circuits in the place of the heads of a trained transformer: sentences of one length side by side, head by head.

A head has one circuit for all sentences of a length. It is calibrated on streams of other sentences, and answers on the
stream that the circuits of the layers before it left. Cells of the first-order nuclei represent each component of the stream
in units of its largest value in these other streams (`inputs.transformer.in_own_units`).
"""

from functools import partial
from itertools import cycle
from typing import NamedTuple

import numpy as np

from cortical_attention.circuits.plan import Reading
from cortical_attention.circuits.protocol import RunError
from cortical_attention.inputs import transformer as model_of
from cortical_attention.readout.agreement import relative_l2
from cortical_attention.reference.attention import linear_attention, softmax_attention
from cortical_attention.reference.nulls import key_only_softmax, uniform_attention
from cortical_attention.simulation.settle import window_values
from cortical_attention.trials.batch import as_done, ask, part_of

PT = Reading("pyramidal_tract")
N_CALIBRATION = 4  # sequences, each of the tokens of other sentences
NULLS = {"linear": linear_attention, "uniform": uniform_attention, "key_only": key_only_softmax}


class Asked(NamedTuple):
    """What circuits are asked for: numbers of layers, those of heads in each circuit of a layer (list of list of int), and
    options of the circuits."""

    layers: list
    heads: list
    options: object


def circuits_of(heads, form, workers):
    """Heads of each circuit of a layer (list of list of int): in spikes one, which is read at a higher-order nucleus of its
    own; in rates all that a worker has, which is faster."""
    n_circuit = len(heads) if form.spikes else min(len(heads), max(1, workers))
    return [each.tolist() for each in np.array_split(heads, n_circuit)]


class Head(NamedTuple):
    """What a circuit answered for a head: output (n_sentence, n_token, d_model), attention (n_sentence, n_token, n_token),
    and for each sentence whether it settled, and why not."""

    output: np.ndarray
    attention: np.ndarray
    settled: list
    reason: list


def of_equal_length(model, sentences):
    """Sentences in groups of equal numbers of tokens (list of list of str), in the order of their first."""
    groups = {}
    for sentence in dict.fromkeys(sentences):
        groups.setdefault(len(model_of.word_pieces(model, sentence)), []).append(sentence)
    return list(groups.values())


def calibration_streams(model, sentences, n_token, others):
    """Streams before each layer of tokens of other sentences.

    Parameters
    ----------
    model : Encoder
    sentences : collection of str
        Tested ones, which are left out.
    n_token : int
    others : sequence of str
        At least one is none of the tested ones. They are joined until there are enough tokens.

    Returns
    -------
    ndarray, shape (n_layer + 1, N_CALIBRATION, n_token, d_model)
    """
    unused = cycle(text for text in others if text not in sentences)
    found = []
    for _ in range(N_CALIBRATION):
        streams = model_of.hidden_states(model, next(unused))
        while streams.shape[1] < n_token:
            streams = np.concatenate([streams, model_of.hidden_states(model, next(unused))], axis=1)
        found.append(np.concatenate([streams[:, : n_token - 1], streams[:, -1:]], axis=1))  # the last is a mark
    return np.stack(found, axis=1)


def cases_of(model, layer, streams, calibration):
    """Cases of a layer, one a stream, in the units of its calibration streams (list of Case)."""
    unit = np.abs(calibration).max(axis=(0, 1))
    unit = np.where(unit > 0, unit, 1.0)
    cases = (model_of.layer_case(model, layer, stream)._replace(calibration=calibration) for stream in streams)
    return [model_of.in_own_units(case, unit) for case in cases]


def answer_heads(cases, options, report=None):
    """Answer of a circuit for the heads of several sentences (list of Head).

    Parameters
    ----------
    cases : sequence of Case
        With one block and the same calibration sequences. Several heads share a higher-order nucleus and are told apart at
        L5 PT, which is exact in rates.
    options : Options

    Raises
    ------
    RunError, WiringError, KeyboardInterrupt
        As `trials.batch.ask`.
    """
    answer = ask(cases, options, report)
    if answer.run.interrupted:
        raise KeyboardInterrupt
    judged = [bool(each) for each in answer.settled.settled], [*map(str, answer.settled.reason)]
    outputs = _at_layer_5(answer, options, cases[0].block.W_O) if len(cases[0].block.W_O) > 1 else [answer.output]
    return [Head(output, answer.attention[:, head], *judged) for head, output in enumerate(outputs)]


def _at_layer_5(answer, options, W_O):
    """Output of each head, (n_head, n_sentence, n_token, d_model), from what L5 PT cells represent."""
    values = window_values(answer.run, options.settings.form, answer.plan.protocol.windows)
    return np.einsum("hmv,shiv->hsim", W_O, answer.plan.read(PT, values))


def answer_layer(cases, heads, options, report=None, executor=None):
    """Answers for the heads of a layer (dict of int to Head, or to the RunError of a circuit whose simulation failed)."""
    jobs = [
        (tuple(each), partial(answer_heads, [model_of.some_heads(case, each) for case in cases], options))
        for each in heads
    ]
    found = {}
    for each, get in as_done(jobs, report, executor):
        try:
            found |= dict(zip(each, get(), strict=True))
        except RunError as error:
            found |= dict.fromkeys(each, error)
    return found


def answer_group(model, sentences, others, asked, report=None, executor=None):
    """Sentences of equal length, with heads answered by circuits.

    Parameters
    ----------
    model : Encoder
    sentences : list of str
    others : sequence of str
        Sentences to calibrate on.
    asked : Asked
    report, executor
        As for `trials.batch.as_done`.

    Returns
    -------
    list of dict
        For each sentence: tokens, the embedding, its cosine with that of the model, and by layer and head the relative L2 of
        the circuit and of each of `NULLS` from softmax attention on the same stream, whether it settled, why not, and the
        attention of circuit and algebra. None of heads that were not asked. A head whose simulation failed has no error, has
        not settled, and is answered by the algebra.
    """
    streams = [model_of.first_stream(model, sentence) for sentence in sentences]
    n_layer, n_head = len(model.layers), len(model.layers[0].block.W_Q)
    calibration = calibration_streams(model, sentences, len(streams[0]), others)
    rows = [_empty_row(model, sentence, n_layer, n_head) for sentence in sentences]
    for layer in range(n_layer):
        cases = cases_of(model, layer, streams, calibration[layer])
        part = part_of(report, layer, n_layer)
        found = answer_layer(cases, asked.heads if layer in asked.layers else [], asked.options, part, executor)
        outputs = [_fill(rows[k], layer, case, found, k) for k, case in enumerate(cases)]
        streams = [
            model_of.next_stream(model, layer, stream, lambda *_, answer=answer: answer)
            for stream, answer in zip(streams, outputs, strict=True)
        ]
    for row, stream in zip(rows, streams, strict=True):
        row["embedding"] = model_of.pooled(stream)
        row["cosine"] = float(row["embedding"] @ model_of.sentence_embedding(model, row["sentence"]))
    return rows


def _empty_row(model, sentence, n_layer, n_head):
    tokens = model_of.word_pieces(model, sentence)
    names = "head_relative_l2", *(f"{name}_relative_l2" for name in NULLS), "settled", "reasons", "attention", "algebra"
    empty = {name: [[None] * n_head for _ in range(n_layer)] for name in names}
    return {"sentence": sentence, "tokens": tokens, "n_token": len(tokens), **empty}


def _fill(row, layer, case, found, k):
    """Write what the heads of a layer answered sentence `k` into its row; the output of the layer (n_token, d_model)."""
    total = np.zeros(case.tokens.shape)
    for head, each in enumerate(model_of.single_heads(case)):
        right = softmax_attention(each.tokens, each.block)
        row["algebra"][layer][head] = right.kappa[0]
        for name, null in NULLS.items():
            row[f"{name}_relative_l2"][layer][head] = relative_l2(null(each.tokens, each.block).output, right.output)
        answer = found.get(head)
        if isinstance(answer, RunError):
            row["settled"][layer][head], row["reasons"][layer][head] = False, str(answer)
        elif answer is not None:
            row["head_relative_l2"][layer][head] = relative_l2(answer.output[k], right.output)
            row["attention"][layer][head] = answer.attention[k]
            row["settled"][layer][head], row["reasons"][layer][head] = answer.settled[k], answer.reason[k]
        total += answer.output[k] if isinstance(answer, Head) else right.output
    return total


def cost_of_noise(model, sentence, sizes, n_draw, seed):
    """Smallest cosine of the sentence embedding with that of the model, by the relative size of independent noise in every
    head (dict of float to float)."""
    rng, exact = np.random.default_rng(seed), model_of.sentence_embedding(model, sentence)

    def noisy(size, case):
        """Output of a layer whose heads are off by `size`."""
        heads = np.array([softmax_attention(each.tokens, each.block).output for each in model_of.single_heads(case)])
        noise = rng.standard_normal(heads.shape)
        length = [np.linalg.norm(each, axis=(1, 2), keepdims=True) for each in (heads, noise)]
        return (heads + size * noise * length[0] / length[1]).sum(axis=0)

    return {
        size: min(
            float(model_of.sentence_embedding(model, sentence, lambda _, case, size=size: noisy(size, case)) @ exact)
            for _ in range(n_draw)
        )
        for size in sizes
    }


def embeddings_of_nulls(model, sentences):
    """Embeddings of sentences with every head in the place of softmax attention by a null model (dict of ndarray,
    (n, d_model))."""

    def answered(null, case):
        """Output of a layer whose heads are those of a null model."""
        return sum(null(each.tokens, each.block).output for each in model_of.single_heads(case))

    return {
        name: np.array([
            model_of.sentence_embedding(model, text, lambda _, case, null=null: answered(null, case)) for text in sentences
        ])
        for name, null in NULLS.items()
    }  # fmt: skip


def neighbours(embeddings):
    """Index of the nearest other sentence of each, by the cosine of embeddings (n, d_model) of length one: (n,) of int."""
    cosine = embeddings @ embeddings.T
    np.fill_diagonal(cosine, -np.inf)
    return cosine.argmax(axis=1)


def most_telling_head(row):
    """Layer and head in which words look most at words of their own choice, by the algebra; None if no head was asked.

    Parameters
    ----------
    row : dict
        As `answer_group` gives it.
    """

    def looks(kappa):
        """Mean over words of the largest attention to a word farther away, beyond what that word has from all; marks of the
        ends are no words."""
        words, places = kappa[1:-1, 1:-1], np.arange(len(kappa) - 2)
        far = np.abs(places[:, None] - places) > 1
        own = words - words.mean(axis=0) if len(places) else words
        return np.where(far, own, 0).max(axis=1, initial=0).mean() if len(places) else 0.0

    asked = [
        (layer, head)
        for layer, every in enumerate(row["attention"])
        for head, each in enumerate(every)
        if each is not None
    ]
    return max(asked, key=lambda place: looks(row["algebra"][place[0]][place[1]]), default=None)
