"""A circuit comes to attend: all four weights of attention learnt in simulated cells, one presentation after another.

Question: the paper derives gradients for the weights of attention and leaves open how synapses could follow them. Do
synapses that multiply what is there and one number that comes there learn to look up what a sequence says, while all cells
are simulated and no gradient is computed?

Task: associative recall (`inputs.recall`). What answers without the query is right on exactly one in four.

Prediction: after trials on seeds from 1000 up, before any run on the seeds reported here. In rates, 300 presentations of
half a second with 16 sequences side by side: at least 95 % right on new sequences on at least 6 of 8 seeds; with queries and
keys frozen at most 40 %; taught the targets of other sequences, within 10 points of one in four. In spikes
(`--form spiking`), 200 presentations of two seconds: at least 90 % right on at least three seeds.

Reference: `reference.gradients`, equations 2 to 5 of Granier & Senn (2025), for the cosines alone; `circuits.learning` has
the circuit, `cells.rules` the ways of learning. What is assumed: targets are given from outside; feedback has the weights of
the answer, transposed (`--rule exact`), or learns them (`kolen-pollack`); the copies of a weight change together; weights
change between presentations. Step and momentum were chosen on seeds from 1000 up.

Run time: half a minute a seed on an idle core, in rates; two in spikes.
"""

from functools import partial
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import typer
from brian2 import ms, second
from rich.table import Table

from cortical_attention.cells.forms.rate import RATE
from cortical_attention.cells.forms.spiking import SPIKING
from cortical_attention.cells.rules import RULES
from cortical_attention.circuits.protocol import RunError
from cortical_attention.command import options as o
from cortical_attention.command.output import Output, with_output
from cortical_attention.command.status import DONE, FAILED, INTERRUPTED, script
from cortical_attention.inputs.recall import Sequences, answered, recall
from cortical_attention.readout.figures import save
from cortical_attention.readout.formats import number, per_cent
from cortical_attention.readout.judged import judged
from cortical_attention.readout.raster import raster
from cortical_attention.reference.block import Block
from cortical_attention.reference.nulls import key_only_attention
from cortical_attention.simulation import engine
from cortical_attention.simulation.learning import LearningError
from cortical_attention.trials.batch import Prediction, part_of
from cortical_attention.trials.learn_figure import draw
from cortical_attention.trials.online import BLOCK, STILL, How, calibrate, initial, teach
from cortical_attention.trials.online_history import begun, keep, kept, longer, row_of
from cortical_attention.trials.protocol import PROTOCOL

# Parameters
TASKS = ("recall",)
N_HEAD, D_KEY, D_VALUE, D_MODEL = 1, 4, 4, 8
N_SEQUENCE, N_ANSWER = 16, 64  # side by side in a presentation, and answers of these
CHUNK, N_TEST, N_CALIBRATION = (
    50,
    8,
    150,
)  # presentations of one run; of the test; of the rates on which cells are calibrated
STEP, MOMENTUM = 0.5, 0.9  # chosen on seeds from 1000 up
KEPT = "learn.npz"
SHUFFLED, FROZEN = "shuffled-sequences", "frozen"
CONTROLS = FROZEN, SHUFFLED
FORMS = {"rate": How(RATE, 0.5 * second, 2 * ms), "spiking": How(SPIKING, 2 * second, 1 * ms)}
PRESENTATIONS = {"rate": 300, "spiking": 200}
CHANCE = 0.25  # by proof (`inputs.recall`)
LEARNING, CALIBRATION, TEST = 1, 2, 3  # streams of sequences
ASKED = PROTOCOL["learn"]


class Asked(NamedTuple):
    """One course of learning: a rule, a seed, a form, and how many presentations; settings of the steps."""

    rule: str
    seed: int
    form: str
    presentations: int
    step: float
    momentum: float
    cells: int
    target: str

    @property
    def name(self):
        """Under which its history is kept."""
        return f"seed-{self.seed}-{self.rule}"

    @property
    def steps(self):
        """Step for the sum over all answers of a presentation, and momentum."""
        return {"step": self.step / N_ANSWER, "momentum": self.momentum}

    @property
    def how(self):
        """How presentations are simulated: compiled if it can be, since every run is then of one program."""
        compiled = self.target == "auto" and engine.compiles()
        return FORMS[self.form]._replace(cells=self.cells, target="cpp" if compiled else self.target)

    @property
    def settings(self):
        """All that a history depends on, but for its length (dict)."""
        return {name: each for name, each in self._asdict().items() if name not in ("presentations", "target")}


# Protocol
def sequences(seed, stream, first, n):
    """Sequences of n presentations from the presentation `first` on (Sequences, with an axis of presentations)."""
    drawn = [recall(np.random.default_rng([seed, stream, k]), N_SEQUENCE) for k in range(first, first + n)]
    return Sequences(*map(np.stack, zip(*drawn, strict=True)))


def right(output, drawn):
    """Whether each answer names the value asked for (ndarray of bool)."""
    return answered(output) == drawn.labels


def start_of(asked):
    """History before the first presentation, of weights drawn with the seed."""
    return begun(initial(np.random.default_rng([asked.seed, 0]), N_HEAD, D_KEY, D_VALUE, D_MODEL))


def calibrated(asked, start):
    """How presentations are simulated, with a calibration where a form needs one: by rates, on other sequences."""
    if not asked.how.form.spikes:
        return asked.how
    drawn = sequences(asked.seed, CALIBRATION, 0, N_CALIBRATION)
    return asked.how._replace(calibration=calibrate(drawn, start.state, RULES[asked.rule], asked.steps, asked.how))


def learn(asked, history, done=lambda history: None, report=None):
    """Go on learning to the last presentation; `done` is called with the history after each run."""
    how = calibrated(asked, start_of(asked))
    while history.n < asked.presentations:
        n = min(CHUNK, asked.presentations - history.n)
        drawn = sequences(asked.seed, LEARNING, history.n, n)
        shown = how._replace(report=part_of(report, history.n / CHUNK, asked.presentations / CHUNK))
        try:
            course = teach(drawn, history.state, RULES[asked.rule], asked.steps, shown, asked.seed)
        except LearningError as error:
            _keep_finite(asked, history, error.n_finite, how, done)
            words = f"{asked.rule} rule: learning diverged at presentation {history.n + error.n_finite + 1}"
            raise RunError(f"{words}; what was learnt before is kept; try a smaller --step") from error
        history = longer(history, course, drawn, right)
        done(history)
    return history


def _keep_finite(asked, history, n, how, done):
    """Keep what was learnt in the n presentations of a run before it diverged."""
    if n > 0:
        drawn = sequences(asked.seed, LEARNING, history.n, n)
        done(
            longer(history, teach(drawn, history.state, RULES[asked.rule], asked.steps, how, asked.seed), drawn, right)
        )


def answer(asked, history, n_learnt=None):
    """Answers of the circuit to new sequences, with the weights after some presentations (Course); nothing is learnt."""
    k = history.n if n_learnt is None else n_learnt
    state = begun({name: each[k] for name, each in history.weights.items()}).state
    drawn = sequences(asked.seed, TEST, 0, N_TEST)
    how = calibrated(asked, start_of(asked))
    return teach(drawn, state, RULES[asked.rule], STILL, how, asked.seed), drawn


# Reference
def null_accuracy(history, drawn):
    """Share of right answers of attention that ignores the query, with the learnt weights (algebra)."""
    block = Block(*(history.weights[name][-1] for name in BLOCK))
    pairs = zip(drawn.tokens, drawn.context, strict=True)
    outputs = np.stack([key_only_attention(tokens, block, context=context).output for tokens, context in pairs])
    return float(right(outputs, drawn).mean())


def entry(asked, histories, courses):
    """Figures of one seed (dict)."""
    course, drawn = courses[asked.rule]
    found = {"seed": asked.seed, **row_of(histories[asked.rule]), "accuracy": _share(course, drawn)}
    found["null_accuracy"] = null_accuracy(histories[asked.rule], drawn)
    names = {FROZEN: "frozen_accuracy", SHUFFLED: "shuffled_accuracy"}
    return found | {names[name]: _share(*courses[name]) for name in CONTROLS if name in courses}


def _share(course, drawn):
    return float(right(course.output, drawn).mean())


NUMBERS = (
    "accuracy", "null_accuracy", "frozen_accuracy", "shuffled_accuracy", "loss_start", "loss_end", "cosine_mean",
    "answer_error", "presentations",
)  # fmt: skip


def medians(entries):
    """Medians over seeds of the numbers of an entry (dict); those that no seed has are left out."""
    known = {name: [each[name] for each in entries if name in each] for name in NUMBERS}
    return {name: float(np.median(each)) for name, each in known.items() if each}


def figures_of(entries, form):
    """Figures that are judged (dict): `learnt_seeds`, seeds that answer right; `frozen` and `shuffled`, the accuracy of the
    controls farthest from what is asked."""
    spiking = form == "spiking"
    least = ASKED["accuracy_spiking" if spiking else "accuracy"]
    learnt = sum(each["accuracy"] >= least for each in entries)
    needs = ASKED["seeds_spiking"] if spiking else np.ceil(ASKED["seeds"] * len(entries) / 8)
    found = {"learnt_seeds": judged(learnt, min(needs, len(entries)), "at least")}
    if frozen := [each["frozen_accuracy"] for each in entries if "frozen_accuracy" in each]:
        found["frozen"] = judged(max(frozen), ASKED["frozen"], "at most")
    if shuffled := [each["shuffled_accuracy"] for each in entries if "shuffled_accuracy" in each]:
        farthest = max(shuffled, key=lambda share: abs(share - CHANCE))
        found["shuffled"] = judged(farthest, (CHANCE, ASKED["chance"]), "within")
    return found


def judge(figures, form, n_seed):
    """The predictions (list of Prediction)."""
    least = per_cent(ASKED["accuracy_spiking" if form == "spiking" else "accuracy"])
    says = {
        "learnt_seeds": f"at least {least} right, on at least {number(figures['learnt_seeds']['threshold'])} seeds",
        "frozen": f"queries and keys frozen: at most {per_cent(ASKED['frozen'])} right on every seed",
        "shuffled": f"targets of other sequences: within {per_cent(ASKED['chance'])} of one in four on every seed",
    }
    shows = {"learnt_seeds": lambda value: f"{number(value)} of {n_seed}"}
    return [
        Prediction(says[name], shows.get(name, per_cent)(each["value"]), each["outcome"] == "held")
        for name, each in figures.items()
    ]


# Figure
def _table(entries, rule, form):
    table = Table(
        "seed", "right", "query ignored", "Q, K frozen", "shuffled", "loss", "cosine", "presentations",
        title=f"{rule} rule, {form} form: share of right answers to new sequences",
    )  # fmt: skip
    for each in entries:
        shares = (each.get(name) for name in ("accuracy", "null_accuracy", "frozen_accuracy", "shuffled_accuracy"))
        table.add_row(
            str(each["seed"]), *("-" if share is None else per_cent(share) for share in shares),
            f"{number(each['loss_start'])} to {number(each['loss_end'])}", f"{each['cosine_mean']:.4f}",
            str(each["presentations"]),
        )  # fmt: skip
    return table


def _rules_of(rule, controls):
    """Rule and the controls beside it (tuple of str)."""
    return (rule, *(name for name in CONTROLS if controls and name != rule))


def _continued(asked, resume):
    """History to go on with: from the folder of an earlier result, or from the start."""
    if resume is None:
        return start_of(asked)
    try:
        return kept(resume / KEPT, asked.name, asked.settings)
    except ValueError as error:
        raise o.OptionError(f"--resume: {error}") from error


def _say(console, asked, history):
    """Where learning stands, in a line."""
    last = {name: each[-10:].mean() for name, each in history.measures.items()}
    console.print(
        f"seed {asked.seed}, {asked.rule}: presentation {history.n} of {asked.presentations}, loss {last['loss']:.4f}, "
        f"{last['accuracy']:.0%} right",
        highlight=False,
    )


@with_output
def main(
    task: Annotated[str, typer.Option(help=f"Task: {', '.join(TASKS)}.")] = "recall",
    rule: Annotated[str, typer.Option(help=f"Way of learning: {', '.join(RULES)}.")] = "exact",
    form: Annotated[str, typer.Option(help=f"Form of the cells: {', '.join(FORMS)}.")] = "rate",
    seeds: Annotated[int, typer.Option(help="Seeds, each with weights and sequences of its own.")] = 1,
    seed: Annotated[int, typer.Option(help="First seed.")] = 0,
    presentations: Annotated[
        int | None, typer.Option(help="Presentations.", show_default="300, or 200 in spikes")
    ] = None,
    step: Annotated[float, typer.Option(help="Step of a weight.")] = STEP,
    momentum: Annotated[float, typer.Option(help="Share of the last change that is added to the next.")] = MOMENTUM,
    cells: Annotated[int, typer.Option(help="Cells per value.")] = 1,
    controls: Annotated[
        bool, typer.Option(help="Learn with frozen queries and keys and with shuffled targets too.")
    ] = True,
    target: o.Target = "auto",
    resume: Annotated[Path | None, typer.Option(help="Folder of an earlier result, to go on from.")] = None,
    *,
    output: Output,
):
    """Let a circuit learn to attend."""
    for name, value, known in (("task", task, TASKS), ("rule", rule, RULES), ("form", form, FORMS)):
        o.one_of(f"--{name}", value, known)
    presentations = PRESENTATIONS[form] if presentations is None else presentations
    o.within("--seeds", seeds, 1, 100)
    o.within("--seed", seed, 0, 2**31)
    o.within("--presentations", presentations, 10, 100_000)
    o.within("--cells", cells, 1, 1000)
    o.within("--momentum", momentum, 0, 0.999)
    o.within("--step", step, 0, 1e6)
    output.check()
    make = partial(
        Asked, form=form, presentations=presentations, step=step, momentum=momentum, cells=cells, target=target
    )
    every = [[make(name, k) for name in _rules_of(rule, controls)] for k in range(seed, seed + seeds)]
    begun_with = {each: _continued(each, resume) for group in every for each in group}
    given = {"task": task, "rule": rule, "form": form, "seeds": seeds, "seed": seed, "presentations": presentations}
    given |= {"step": step, "momentum": momentum, "cells": cells, "controls": controls}
    folder = output.folder("learn", given)
    entries, drawn_of, known, failed, interrupted = [], {}, {}, {}, False
    with output.progress(f"{seeds * len(every[0])} courses") as report:
        for group in every:
            try:
                histories, courses = _group(group, begun_with, known, folder, output, report)
            except KeyboardInterrupt:
                interrupted = True
                break
            except RunError as error:
                failed[str(group[0].seed)] = str(error)
                continue
            entries.append(entry(group[0], histories, courses))
            drawn_of[group[0].seed] = histories, courses
    figures = figures_of(entries, form) if entries else {}
    result = {
        **medians(entries),
        **given,
        "seeds": entries,
        "figures": figures,
        "failed": failed,
        "interrupted": interrupted,
    }
    figure = None
    if drawn_of:
        histories, courses = drawn_of[min(drawn_of)]
        maps = _maps(every[0][0], histories[rule])
        figure = draw({k: each for k, (each, _) in drawn_of.items()}, rule, maps, CHANCE)
        save(raster(courses[rule][0].run, about=f"{rule} rule after learning, {form}"), folder / "raster.png")
    content = output.provenance(given, {"first": seed})
    predictions = judge(figures, form, len(entries)) if entries and rule == "exact" else []
    output.report("learn", folder, result, figure, content, _table(entries, rule, form), predictions)
    if interrupted:
        return INTERRUPTED
    return FAILED if failed or not all(each.held for each in predictions) else DONE


def _group(group, begun_with, known, folder, output, report):
    """Histories and tests of one seed by rule (dicts); `known` are the histories of all courses by name, which are kept in
    the folder after each run."""
    histories, courses = {}, {}
    for asked in group:

        def done(history, asked=asked):
            """Keep what was learnt, and say where it stands."""
            known[asked.name] = history, asked.settings
            keep(*({name: each[k] for name, each in known.items()} for k in (0, 1)), folder / KEPT)
            _say(output.console, asked, history)

        histories[asked.rule] = learn(asked, begun_with[asked], done, report)
        courses[asked.rule] = answer(asked, histories[asked.rule])
    return histories, courses


def _maps(asked, history):
    """Attention of the circuit to the first new sequence before, in the middle of and after learning (list of tuple)."""
    found = []
    for k in (0, history.n // 2, history.n):
        course, drawn = answer(asked, history, k)
        items = drawn.places[0, 0][:, np.newaxis] == np.arange(drawn.values.shape[-1])
        found.append((k, course.attention[0, 0, 0], items))
    return found


if __name__ == "__main__":
    script(main)
