"""Every attention head of a trained transformer, answered by a circuit.

Question: does a circuit that computes softmax attention stand in for the heads of a trained transformer (all-MiniLM-L6-v2),
on sentences: how far is each head from the algebra, and how far the sentence embedding once every head is replaced?

Prediction: that about rates was written before the first run of all heads, after two layers of a sentence had been run. In
rates every head is within 1e-5 of softmax attention, and the cosine of the sentence embedding with that of the model at
least 1 - 1e-9; linear attention on the same queries, keys and values is off by more than 50 per cent in the median head.
That about spikes was written before the first sentence, after four heads of one sentence had been run: the median head is
within 2.5 per cent, every head has settled, and the cosine is at least 0.999. In both forms, where pairs of sentences are
asked for, at least 95 per cent of the sentences have the nearest neighbour that they have in the model.

Reference: `reference.softmax_attention` on the stream that the circuits themselves leave; the forward pass of
`inputs.transformer` (Wang et al. 2020). Circuits are calibrated on streams of other sentences.

Run time: with two workers two minutes for a sentence in rates, and four in spikes.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.table import Table

from cortical_attention.command import options as o
from cortical_attention.command.heads import executor_of
from cortical_attention.command.output import Output, with_output
from cortical_attention.command.status import script, status_by
from cortical_attention.inputs import transformer as model_of
from cortical_attention.inputs.cases import save
from cortical_attention.inputs.sentences import SENTENCE_PAIRS
from cortical_attention.readout.files import exists, made, write_array, write_json
from cortical_attention.readout.formats import number, per_cent
from cortical_attention.readout.names import SHOWN
from cortical_attention.readout.style import save as save_figure
from cortical_attention.simulation import engine
from cortical_attention.trials.batch import Prediction, part_of
from cortical_attention.trials.transformer import (
    NULLS,
    Asked,
    answer_group,
    calibration_streams,
    cases_of,
    circuits_of,
    cost_of_noise,
    embeddings_of_nulls,
    most_telling_head,
    neighbours,
    of_equal_length,
)
from cortical_attention.trials.transformer_figure import draw_residuals, draw_words

# Parameters
LARGEST, COSINE = 1e-5, 1 - 1e-9
MEDIAN_IN_SPIKES, COSINE_IN_SPIKES = 0.025, 0.999
SAME = 0.95  # of the nearest neighbours
NOISE, N_DRAW = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4), 5
FORMS = "rate", "dale", "spiking", "adaptive"
UNKNOWN = "[UNK]", "<unk>"  # word pieces of what is not in the vocabulary
ARRAYS = "attention", "algebra", "embedding"  # of a row, which the JSON file leaves out


# Protocol
def others():
    """Sentences to calibrate on."""
    return [text for pair in SENTENCE_PAIRS for text in pair]


def answer_sentences(model, sentences, calibrated_on, asked, report=None, executor=None):
    """Rows of `trials.transformer.answer_group` in the order of the sentences, until interrupted, and whether it was."""
    groups, rows = of_equal_length(model, sentences), {}
    try:
        for k, group in enumerate(groups):
            part = part_of(report, k, len(groups))
            done = answer_group(model, group, calibrated_on, asked, part, executor)
            rows |= {row["sentence"]: row for row in done}
    except KeyboardInterrupt:
        if not rows:
            raise
    return [rows[text] for text in dict.fromkeys(sentences) if text in rows], len(rows) < len(set(sentences))


def save_cases(model, sentences, calibrated_on, asked, folder):
    """Write the attention of every layer that is asked for as a case, with calibration sequences, for `compare`."""
    for k, sentence in enumerate(sentences, 1):
        streams = model_of.hidden_states(model, sentence)
        calibration = calibration_streams(model, [sentence], streams.shape[1], calibrated_on)
        for layer in asked.layers:
            (case,) = cases_of(model, layer, [streams[layer]], calibration[layer])
            heads = sorted(head for each in asked.heads for head in each)
            save(model_of.some_heads(case, heads), folder / f"sentence_{k}_layer_{layer}.npz")


# Reference
def of_heads(figures):
    """Figures of the heads that were asked and answered, flat (ndarray)."""
    return np.array([each for layer in figures for each in layer if each is not None], dtype=float)


def compare_neighbours(model, rows, pairs):
    """Nearest neighbours among the sentences of pairs (dict): how many of those answered have the one that they have in the
    model, and how many the other of their pair; None if none was answered. Sentences that were not asked have the embedding
    of the model. For each null model over all sentences: how many have that neighbour, and their median cosine."""
    place = {text: k for k, text in enumerate(dict.fromkeys(text for pair in pairs for text in pair))}
    answered = [row for row in rows if row["sentence"] in place]
    if not answered:
        return None
    exact = np.array([model_of.sentence_embedding(model, text) for text in place])
    where = [place[row["sentence"]] for row in answered]
    circuit = exact.copy()
    circuit[where] = [row["embedding"] for row in answered]
    found, right = neighbours(circuit)[where], neighbours(exact)[where]
    partner = np.array(where) ^ 1
    nulls = {name: _likeness(each, exact) for name, each in embeddings_of_nulls(model, place).items()}
    return {
        "sentences": len(where), "same": int((found == right).sum()), "partner": int((found == partner).sum()),
        "partner_in_model": int((right == partner).sum()), "nulls": nulls,
    }  # fmt: skip


def _likeness(found, exact):
    """How many of some embeddings have the nearest neighbour that they have in the model, and their median cosine (dict)."""
    same = neighbours(found) == neighbours(exact)
    return {"same": int(same.sum()), "cosine": float(np.median((found * exact).sum(axis=1)))}


def judge(rows, form, nearest=None):
    """The predictions, which are about all heads in rates or in spikes."""
    every = [each for row in rows for layer in row["settled"] for each in layer]
    if form not in ("rate", "spiking") or not every or None in every:
        return []
    errors = np.concatenate([of_heads(row["head_relative_l2"]) for row in rows])
    linear = float(np.median(np.concatenate([of_heads(row["linear_relative_l2"]) for row in rows])))
    cosine = min(row["cosine"] for row in rows)
    found = _in_spikes(errors, every, cosine) if form == "spiking" else _in_rates(errors, every, cosine)
    found.append(Prediction("linear attention, the median head: off by more than 50 %", per_cent(linear), linear > 0.5))
    if nearest is not None:
        same = f"{nearest['same']} of {nearest['sentences']}"
        held = nearest["same"] >= SAME * nearest["sentences"]
        found.append(Prediction(f"the nearest neighbour of the model: at least {per_cent(SAME)}", same, held))
    return found


def _cosine(least, cosine, digits):
    return Prediction(
        f"cosine of a sentence: at least {number(least, digits)}", f"1 - {1 - cosine:.1e}", cosine >= least
    )


def _in_rates(errors, settled, cosine):
    worst = errors.max(initial=0)
    held = worst <= LARGEST and len(errors) == len(settled)
    return [Prediction(f"every head: at most {number(LARGEST)}", number(worst), held), _cosine(COSINE, cosine, 10)]


def _in_spikes(errors, settled, cosine):
    median = float(np.median(errors)) if len(errors) == len(settled) else np.inf
    return [
        Prediction(
            f"the median head: at most {per_cent(MEDIAN_IN_SPIKES)}", per_cent(median), median <= MEDIAN_IN_SPIKES
        ),
        Prediction("every head has settled", f"{sum(settled)} of {len(settled)}", all(settled)),
        _cosine(COSINE_IN_SPIKES, cosine, 3),
    ]


# Figure
def _table(rows, form):
    table = Table(
        "sentence", "tokens", "heads, median", "largest", *(f"{name.replace('_', ' ')}, median" for name in NULLS),
        "cosine", "settled", title=f"heads of a transformer in the {form} form: relative L2 from softmax attention",
    )  # fmt: skip
    for row in rows:
        off, settled = of_heads(row["head_relative_l2"]), of_heads(row["settled"])
        shown = [number(np.median(off)), number(off.max())] if len(off) else ["-", "-"]
        table.add_row(
            row["sentence"], str(row["n_token"]), *shown,
            *(per_cent(np.median(of_heads(row[f"{name}_relative_l2"]))) for name in NULLS),
            f"1 - {1 - row['cosine']:.1e}", f"{int(settled.sum())}/{len(settled)}",
        )  # fmt: skip
    return table


def _say_more(result, console):
    """Print nearest neighbours, what noise costs, and which heads have not settled."""
    nearest = result["neighbours"]
    if nearest is not None:
        console.print(
            f"nearest neighbours of {nearest['sentences']} sentences: {nearest['same']} as in the model; the other of the "
            f"pair is nearest for {nearest['partner']}, in the model for {nearest['partner_in_model']}",
            highlight=False,
        )
        for name, each in nearest["nulls"].items():
            console.print(
                f"every head {name.replace('_', ' ')}: {each['same']} as in the model, median cosine {each['cosine']:.2f}",
                highlight=False,
            )
    noise = ", ".join(f"{per_cent(float(size))}: {cosine:.4f}" for size, cosine in result["noise"].items())
    console.print(f"least cosine of the first sentence with noise in every head: {noise}", highlight=False)
    for row in result["rows"]:
        for layer, every in enumerate(row["settled"]):
            for head in np.flatnonzero([each is False for each in every]):
                reason = row["reasons"][layer][head]
                console.print(f"not settled: layer {layer}, head {head}: {reason}", highlight=False)


def _target(target, form, n_circuit):
    """Target of the circuits: the heads of sentences of one length share a compiled program, where there are several."""
    many = form != "rate" and n_circuit > 2
    return "cpp" if target == "auto" and many and engine.compiles() else target


def _some(name, text, largest):
    """Indices of a comma-separated option; None: all."""
    if text is None:
        return list(range(largest))
    words = list(dict.fromkeys(word.strip() for word in text.split(",")))
    for word in words:
        if not word.isdecimal() or not int(word) < largest:
            raise o.OptionError(f"{name} is '{text}' but needs numbers from 0 to {largest - 1}, separated by commas")
    return sorted(map(int, words))


def _texts(model, sentences, pairs):
    """Sentences of the command line and of so many pairs; what is no sentence is refused before the first run."""
    o.within("--pairs", pairs, 0, len(SENTENCE_PAIRS))
    texts = [*(sentences or []), *(text for pair in SENTENCE_PAIRS[:pairs] for text in pair)]
    if not texts:
        raise o.OptionError("no sentence is given but at least one is needed, in quotation marks, or --pairs")
    for sentence in texts:
        model_of.word_pieces(model, sentence)
    return list(dict.fromkeys(texts))


def _say_unknown(model, texts, console):
    """Print how many words of each text are unknown to the model."""
    for text in texts:
        unknown = sum(piece in UNKNOWN for piece in model_of.word_pieces(model, text))
        if unknown:
            words = "1 word that is" if unknown == 1 else f"{unknown} words that are"
            console.print(f"notice: '{text}' has {words} unknown to the model, which reads all such words alike",
                          highlight=False, markup=False, soft_wrap=True)  # fmt: skip


def _check_cases(given, out):
    """Folder for cases (Path), made if it is not there; None for none.

    Raises
    ------
    OptionError, FolderError
        For one that has files, or cannot be made, and for that of the result.
    """
    if given is None:
        return None
    if not given:
        raise o.OptionError("--save-cases is empty, but needs a new or an empty folder")
    folder = Path(given)
    if out is not None and folder.resolve() == out.resolve():
        raise o.OptionError(f"--save-cases and --out are both {out}, but each needs a folder of its own")
    if exists(folder) and not folder.is_dir():
        raise o.OptionError(f"--save-cases is {folder}, which is a file, but needs a new or an empty folder")
    if any(made(folder).iterdir()):
        raise o.OptionError(f"--save-cases is {folder}, which is not empty, but needs a new or an empty folder")
    return folder


@with_output
def main(
    sentences: Annotated[
        list[str] | None, typer.Argument(help="One sentence or several, each in quotation marks.", show_default=False)
    ] = None,
    form: Annotated[str, typer.Option(help="Form of the cells: rate, dale, spiking or adaptive.")] = "rate",
    layers: Annotated[
        str | None, typer.Option(help="Layers that circuits answer for, from 0.", show_default="all")
    ] = None,
    heads: Annotated[
        str | None, typer.Option(help="Heads of a layer that circuits answer for, from 0.", show_default="all")
    ] = None,
    pairs: Annotated[
        int, typer.Option(help="Pairs of sentences of like meaning that are asked too, for neighbours among all 32.")
    ] = 0,
    save_cases_in: Annotated[
        str | None,
        typer.Option(
            "--save-cases",
            metavar="PATH",
            help="Folder for the attention of each layer as a case.",
            show_default="none",
        ),
    ] = None,
    cells: o.Cells = 1,
    unit_rate: Annotated[float, typer.Option(help="Largest unit rate of thalamic nuclei (Hz).")] = 1000.0,
    settle: o.Settle = None,
    duration: o.Duration = None,
    target: o.Target = "auto",
    workers: Annotated[int, typer.Option(help="Local processes that share the heads; 0: none.")] = 0,
    seed: o.Seed = 0,
    *,
    output: Output,
):
    """Let circuits answer for the heads of a trained transformer."""
    given = {"form": form, "cells": cells, "unit_rate": unit_rate, "settle": settle, "duration": duration}
    given |= {"target": target, "seed": seed}
    o.one_of("--form", form, FORMS)
    o.check(attention="softmax", **given)
    cases_in = _check_cases(save_cases_in, output.out)
    output.check()
    model = model_of.load_model()
    texts, n_head = _texts(model, sentences, pairs), len(model.layers[0].block.W_Q)
    chosen = _some("--layers", layers, len(model.layers)), _some("--heads", heads, n_head)
    given["target"] = _target(target, form, len(chosen[0]) * len(chosen[1]))
    options = o.check(attention="softmax", record="sample", **given)
    asked = Asked(chosen[0], circuits_of(chosen[1], options.settings.form, workers), options)
    if cases_in is not None:
        save_cases(model, texts, others(), asked, cases_in)
    _say_unknown(model, texts, output.console)
    noise = cost_of_noise(model, texts[0], NOISE, N_DRAW, seed)
    with (
        executor_of(workers) as executor,
        output.progress(f"{len(texts)} {'sentence' if len(texts) == 1 else 'sentences'}, {form} form") as report,
    ):
        rows, interrupted = answer_sentences(model, texts, others(), asked, report, executor)
    result = _result(rows, interrupted, compare_neighbours(model, rows, SENTENCE_PAIRS), noise)
    parameters = {"sentences": texts, "layers": layers, "heads": heads, "pairs": pairs, **given}
    folder, content = output.folder("transformer", parameters), output.provenance(parameters, {"phases": seed})
    _draw(rows[0], folder)
    _write_maps(rows[0], folder)
    _say_more(result, output.console)
    predictions = judge(rows, form, result["neighbours"])
    output.report("transformer", folder, result, draw_residuals(rows[0]), content, _table(rows, form), predictions)
    return status_by([each for row in rows for each in of_heads(row["settled"])], interrupted)


def _draw(row, folder):
    """Picture of words that look at words, in the head of a sentence that shows it best."""
    place = most_telling_head(row)
    if place is not None:
        save_figure(draw_words(row, *place), folder / "words.png")


def _write_maps(row, folder):
    """Attention of every head of a sentence that a circuit answered, and its words, for the page."""
    places = [
        place for place in np.ndindex(*np.shape(row["settled"])) if row["attention"][place[0]][place[1]] is not None
    ]
    if not places:
        return
    for file, name in (("attention", "attention"), ("reference_attention", "algebra")):
        write_array(folder / f"{file}.npy", np.array([row[name][layer][head] for layer, head in places], "f4"))
    tokens = [{"name": f"“{word}” ({k})", "label": word} for k, word in enumerate(row["tokens"])]
    heads = [f"layer {layer}, head {head}" for layer, head in places]
    about = f"The words of the first sentence, as the model reads them: {row['sentence']}"
    write_json(folder / SHOWN, {"about": about, "tokens": tokens, "heads": heads})


def _result(rows, interrupted, nearest, noise):
    """Content of the JSON file: figures of the first sentence, and rows without their arrays."""
    shown = [{name: each for name, each in row.items() if name not in ARRAYS} for row in rows]
    names = "head_relative_l2", *(f"{name}_relative_l2" for name in NULLS), "settled", "n_token"
    return {
        **{name: shown[0][name] for name in names}, "sentence_cosine": [row["cosine"] for row in rows],
        "neighbours": nearest, "noise": {str(size): cosine for size, cosine in noise.items()}, "rows": shown, "failed": {},
        "interrupted": interrupted,
    }  # fmt: skip


if __name__ == "__main__":
    script(main)
