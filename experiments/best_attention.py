"""Which attention do the cells compute: the paper's, another linear one, any weighted sum of the values, or none?

Question: if the circuit does not compute the paper's attention, does it compute another one, and is what is left by design
or only noise? Linear attention with monotone functions in place of phi, one feature per component, and a gain per head is
fitted to the circuit's answers to all inputs but one, and tested on the one that is left out; wider families, with free
weights, are fitted to each answer.

Protocol: every circuit answers each input twice, in two replicas that share weights and calibration, but neither noise nor
initial states. Each family is fitted to each replica by itself. Of the residuals e_1 and e_2, sum e_1.e_2 / sum o_1.o_2 is
the squared residual of the mean answer, since products of independent noises average to zero
(`readout.agreement.shared_error`). A block is inside linear attention if the one-sided upper 95 % bound of this figure over
its inputs is below the square of the margin (`trials/protocol.toml`), outside if the lower bound is above it, and undecided
otherwise. The verdict on a circuit is the same test with blocks as units. Cells of ideal rates are free of noise: their
replicas are equal.

Prediction: written before the runs. Controls, each on 8 of 8 blocks: a circuit of ideal rates is inside; one of pure gain
(weights of the key cut, so that the query scales a sum of values) is outside; ideal rates with white noise of a tenth of the
answer, independent in the two replicas, are inside; with a distortion of 7 % of the answer to each input, in a random
direction that both replicas share, outside; with both, outside. Adaptive cells are inside on each block, with a debiased
residual of about 1 to 2 %; biophysical cells are near the margin, 5 to 6 % by design; spiking cells are inside. Each is
nearer to the best linear attention than to the paper's. Written before a run with another `--duration`: adaptive cells are
inside after half a second as well, where their noise alone is above the margin.

Found: the controls as predicted. Adaptive cells are inside on 8 of 8 blocks, and most of their raw residual is noise.
Biophysical cells are outside on 8 of 8 blocks: their residual by design is larger than predicted.

Reference: Granier & Senn (2025), Algorithm 1; `trials.families`. Inputs with one block, side by side in one network.

Run time: one minute for the controls; then 15 seconds per block for adaptive cells, and two minutes for biophysical ones.
"""

from functools import partial
from typing import Annotated

import numpy as np
import typer
from rich.console import Group
from rich.table import Column, Table

from cortical_attention.cells.forms import FORMS
from cortical_attention.command import options as o
from cortical_attention.command.heads import executor_of
from cortical_attention.command.output import Output, with_output
from cortical_attention.command.status import script, status_by
from cortical_attention.readout.agreement import relative_size, shared_error
from cortical_attention.readout.formats import per_cent
from cortical_attention.readout.judged import judged
from cortical_attention.readout.statistics import ratio_bounds
from cortical_attention.readout.style import CYCLE, new_figure, style
from cortical_attention.trials.batch import Prediction, ask, collected, side_by_side
from cortical_attention.trials.comparison import reference_of
from cortical_attention.trials.families import FAMILIES, FREE, left_out, nearest
from cortical_attention.trials.protocol import PROTOCOL

# Parameters
BUILT, GAIN = "rate", "pure gain"  # the controls that are simulated
NOISE, DISTORTION = 0.1, 0.07  # norms over that of the answer to each input
DISTURBED = {
    "rate and noise": (NOISE, 0.0),
    "rate and distortion": (0.0, DISTORTION),
    "rate and both": (NOISE, DISTORTION),
}
INSIDE, UNDECIDED, OUTSIDE = VERDICTS = "inside", "undecided", "outside"
CONTROLS = {BUILT: INSIDE, **dict(zip(DISTURBED, (INSIDE, OUTSIDE, OUTSIDE), strict=True)), GAIN: OUTSIDE}
PREDICTED = CONTROLS | {"spiking": INSIDE, "adaptive": INSIDE}  # of each block
N_CONTROL = 8  # blocks
N_TOKEN, N_INPUT, SCALE, N_REPLICA = 4, 12, 2.0, 2
MARGIN, EXPECTED = (PROTOCOL["best_attention"][name] for name in ("inside", "expected"))


def inputs(seed):
    """Random inputs with one block."""
    return side_by_side(seed, N_INPUT, N_TOKEN, scale=SCALE)


# Protocol
def options_of(circuit, seed, given):
    """Options of a circuit; a control is of ideal rates, and pure gain is not divided by Z.

    The measured time is that of the rung in the protocol, unless one is given for circuits with spikes.
    """
    form = BUILT if circuit == GAIN else circuit
    targets = PROTOCOL.get(form, {})
    duration = given.get("duration") if FORMS[form].spikes else None
    return o.check(
        form=form, cells=targets.get("cells", 1), duration=duration or targets.get("duration"), seed=seed,
        unnormalised=circuit == GAIN, target=given["target"], record="sample",
    )  # fmt: skip


def answers_of(circuit, seed, given, report=None):
    """Answers of a circuit to the inputs of a seed, ndarray (N_REPLICA, N_INPUT, n_token, d_model), and how many of them
    have settled: all replicas side by side in one network, each input with noise and initial states of its own."""
    cases = inputs(seed)
    if circuit == GAIN:
        block = cases[0].block
        cases = [case._replace(block=block._replace(W_K=0 * block.W_K)) for case in cases]
    answer = ask(cases * N_REPLICA, options_of(circuit, seed, given), report)
    if answer.run.interrupted:
        raise KeyboardInterrupt
    output = answer.output.reshape(N_REPLICA, N_INPUT, *answer.output.shape[1:])
    return output, int(answer.settled.settled.sum())


def disturbed(answers, noise, distortion, seed):
    """Answers with white noise, drawn for each replica, and a distortion, drawn for each input and equal in the replicas.

    Parameters
    ----------
    answers : ndarray, shape (2, n_case, n_token, d_model)
    noise, distortion : float
        Norm of each over that of the answer to the input.
    seed : int

    Returns
    -------
    ndarray, shape (2, n_case, n_token, d_model)
    """
    streams = map(np.random.default_rng, np.random.SeedSequence(seed, spawn_key=(2,)).spawn(2))
    own, shared = (
        each.normal(size=shape) for each, shape in zip(streams, (answers.shape, answers[0].shape), strict=True)
    )
    size = _norm(answers)
    return answers + size * (noise * own / _norm(own) + distortion * shared / _norm(shared))


def _norm(answers):
    """Euclidean norm of the answer to each input, broadcastable."""
    return np.linalg.norm(answers, axis=(-2, -1), keepdims=True)


def rows_of(circuit, seed, given, report=None):
    """Rows of one network (list of dict); that of ideal rates is also disturbed."""
    cases, (answers, settled) = inputs(seed), answers_of(circuit, seed, given, report)
    every = {circuit: answers}
    if circuit == BUILT:
        every |= {name: disturbed(answers, *sizes, seed) for name, sizes in DISTURBED.items()}
    about = {"seed": seed, "settled": settled, "answers": N_REPLICA * N_INPUT}
    return [{"circuit": name, **about, **figures_of(cases, each)} for name, each in every.items()]


def run(jobs, given, report=None, executor=None):
    """Let the circuits answer.

    Returns
    -------
    rows : list of dict
    failed : dict of str to str
        Why a simulation failed, by circuit and block.
    interrupted : bool
    """
    asked = [(job, partial(rows_of, *job, given)) for job in jobs]
    done, failed, interrupted = collected(asked, report, executor, name=lambda job: f"{job[0]}, block {job[1]}")
    return [row for job in jobs for row in done.get(job, [])], failed, interrupted


# Reference
def residuals(cases, answers):
    """What the nearest member of each family leaves of each replica, to which alone it is fitted.

    Parameters
    ----------
    cases : sequence of Case
    answers : ndarray, shape (2, n_case, n_token, d_model)

    Returns
    -------
    dict of str to ndarray, shape (2, n_case, n_token, d_model)
    """
    paper = np.array([reference_of(case, "elu+1").attention.output for case in cases])
    left = {"paper": answers - paper, "linear": np.array([each - left_out(cases, each) for each in answers])}
    for name in FREE:
        found = [[nearest(name, *each) for each in zip(cases, replica, strict=True)] for replica in answers]
        left[name] = answers - np.array(found)
    return left


def figures_of(cases, answers):
    """Figures of one block: raw residual of each family (its name), debiased squared residual, bounds and verdict.

    Parameters
    ----------
    cases, answers
        As for `residuals`.

    Returns
    -------
    dict of str
        `products` and `sizes` are the terms of the debiased figures, e_1.e_2 by family and o_1.o_2, of each input.
    """
    left = residuals(cases, answers)
    products = {name: _products(each).tolist() for name, each in left.items()}
    sizes = _products(answers).tolist()
    bounds = ratio_bounds(products["linear"], sizes, **PROTOCOL["intervals"])
    return {
        **{name: relative_size(each, answers) for name, each in left.items()},
        "debiased_squared": {name: shared_error(each, answers) for name, each in left.items()},
        "bounds_squared": bounds,
        "verdict": verdict(bounds),
        "noise": relative_size(answers[0] - answers[1], answers),
        "products": products,
        "sizes": sizes,
    }


def _products(pair):
    """Inner product of two replicas, of each input."""
    return np.einsum("nim, nim -> n", *pair)


def verdict(bounds):
    """Equivalence test of a squared residual, by its one-sided bounds (None: too few units)."""
    if bounds is None or bounds[0] <= MARGIN**2 <= bounds[1]:
        return UNDECIDED
    return INSIDE if bounds[1] < MARGIN**2 else OUTSIDE


def summarise(rows):
    """Figures of each circuit, all blocks together: blocks are the units of its verdict (list of dict)."""
    return [_summary(circuit, [row for row in rows if row["circuit"] == circuit]) for circuit in _circuits(rows)]


def _circuits(rows):
    return list(dict.fromkeys(row["circuit"] for row in rows))


def _summary(circuit, own):
    sizes = [sum(row["sizes"]) for row in own]
    products = {name: [sum(row["products"][name]) for row in own] for name in FAMILIES}
    bounds = ratio_bounds(products["linear"], sizes, **PROTOCOL["intervals"])
    return {
        "circuit": circuit,
        "blocks": {each: [row["verdict"] for row in own].count(each) for each in VERDICTS},
        "raw": {name: float(np.median([row[name] for row in own])) for name in FAMILIES},
        "debiased": {
            name: float(np.median([_root(row["debiased_squared"][name]) for row in own])) for name in FAMILIES
        },
        "debiased_squared": {name: sum(each) / sum(sizes) for name, each in products.items()},
        "noise": float(np.median([row["noise"] for row in own])),
        "bounds_squared": bounds,
        "verdict": verdict(bounds),
    }


def judged_figures(summaries):
    """What the best linear attention leaves of each circuit that is no control, held against the margin (dict of dict)."""
    return {f"linear_{each['circuit']}": _judged(each) for each in summaries if each["circuit"] not in CONTROLS}


def _judged(summary):
    """A figure, undecided without bounds."""
    bounds = summary["bounds_squared"]
    ends = (np.nan, np.nan) if bounds is None else tuple(map(_root, bounds))
    return judged(_root(summary["debiased_squared"]["linear"]), MARGIN, "at most", ends)


def judge(rows):
    """The predictions, of those circuits that are there."""
    found = []
    for each in summarise(rows):
        circuit, linear = each["circuit"], _root(each["debiased_squared"]["linear"])
        if circuit in PREDICTED:
            found.append(_of_blocks(f"{circuit}: {PREDICTED[circuit]}", each["blocks"][PREDICTED[circuit]], each))
        if circuit in EXPECTED:
            low, high = EXPECTED[circuit]
            said = f"{circuit}: debiased residual of the best linear attention of {per_cent(low)} to {per_cent(high)}"
            found.append(Prediction(said, per_cent(linear), low <= linear <= high))
        if circuit not in CONTROLS:
            own = [row["debiased_squared"] for row in rows if row["circuit"] == circuit]
            nearer = sum(left["linear"] < left["paper"] for left in own)
            found.append(
                _of_blocks(f"{circuit}: nearer to the best linear attention than to the paper's", nearer, each)
            )
    return found


def _of_blocks(said, count, summary):
    """Prediction that speaks of every block."""
    n = sum(summary["blocks"].values())
    return Prediction(f"{said}, each block", f"{count} of {n}", count == n)


def _root(squared):
    """Residual of a debiased square; zero, where nothing was found, of a negative one."""
    return float(np.sqrt(max(squared, 0.0)))


# Figure
FLOOR = 2e-3  # what the figure draws for anything smaller
TICKS = 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0


def draw(rows):
    """Figure: raw and debiased residual of each block after each family, a panel for each circuit."""
    summaries = summarise(rows)
    n_row = -(-len(summaries) // 4)
    with style():
        figure = new_figure(0.7 + 2.9 * n_row, width=10.5)
        panels = figure.subplots(n_row, 4, sharex=True, sharey=True, squeeze=False).ravel()
        for panel, summary in zip(panels, summaries, strict=False):
            _draw_circuit(panel, [row for row in rows if row["circuit"] == summary["circuit"]], summary)
        for panel in panels[len(summaries) :]:
            panel.set_visible(False)
        for panel in panels[::4]:
            panel.set_ylabel("relative residual")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def _draw_circuit(panel, own, summary):
    """Blocks of one circuit: raw residuals left, debiased ones right."""
    places = np.arange(len(FAMILIES))
    raw = np.array([[row[name] for name in FAMILIES] for row in own])
    debiased = np.array([[_root(row["debiased_squared"][name]) for name in FAMILIES] for row in own])
    kinds = (raw, -0.17, "white", CYCLE[1], "raw"), (debiased, 0.17, CYCLE[0], CYCLE[0], "debiased by two replicas")
    for values, shift, face, edge, label in kinds:
        panel.plot(
            np.tile(places + shift, len(own)), np.maximum(values, FLOOR).ravel(), "o", markersize=4.5, markerfacecolor=face,
            markeredgecolor=edge, alpha=0.75, label=f"{label}, one block",
        )  # fmt: skip
    panel.axhline(MARGIN, color="#777777", linestyle="--", linewidth=1, label="margin of the best linear attention")
    panel.set_title(f"{summary['circuit']}: {summary['verdict']}", loc="left")
    panel.set(yscale="log", ylim=(FLOOR / 1.3, 1.4))
    panel.set_yticks((FLOOR, *TICKS), [f"≤ {100 * FLOOR:g} %", *(f"{100 * each:g} %" for each in TICKS)])
    panel.set_xticks(places, ["paper's", "linear", "weighing", "gain", "matrix"], rotation=35)
    panel.minorticks_off()
    panel.tick_params(labelbottom=True)


def _tables(summaries, rows):
    """Verdicts, the residuals of all families, and a line for each block of which an answer has not settled."""
    verdicts = Table(
        *(Column(name, no_wrap=True) for name in ("circuit", "verdict", "blocks", "residual (bounds)", "noise")),
        title=f"against the best linear attention: verdict of all blocks; number of blocks {'/'.join(VERDICTS)}; "
        "debiased residual of all blocks and its one-sided 95 % bounds; noise of one answer",
    )
    residual = Table(
        *(Column(name, no_wrap=True) for name in ("circuit", *FAMILIES)),
        title="relative residual of each family, raw, and debiased by two replicas: medians over blocks",
    )
    for each in summaries:
        blocks = "/".join(str(each["blocks"][name]) for name in VERDICTS)
        verdicts.add_row(each["circuit"], each["verdict"], blocks, _bounds(each), per_cent(each["noise"]))
        both = ((each["raw"][name], each["debiased"][name]) for name in FAMILIES)
        residual.add_row(each["circuit"], *("\n".join(map(per_cent, pair)) for pair in both))
    lines = [
        f"not settled: {row['circuit']}, block {row['seed']}: {row['answers'] - row['settled']} of {row['answers']} answers"
        for row in rows if row["settled"] < row["answers"]
    ]  # fmt: skip
    return Group(verdicts, residual, *lines)


def _bounds(summary):
    """Residual and bounds in words; a dash for no bounds."""
    bounds = summary["bounds_squared"]
    shown = "-" if bounds is None else " to ".join(f"{100 * _root(each):.2f}" for each in bounds)
    return f"{100 * _root(summary['debiased_squared']['linear']):.2f} ({shown}) %"


@with_output
def main(
    rungs: Annotated[
        str, typer.Option(help="Rungs to compare with the controls, comma-separated, or none.")
    ] = "adaptive",
    seeds: Annotated[int, typer.Option(help=f"Number of blocks per rung; the controls have {N_CONTROL}.")] = 1,
    workers: Annotated[
        int, typer.Option(help="Number of local processes that run circuits side by side; 0: this one alone.")
    ] = 0,
    duration: Annotated[
        float | None,
        typer.Option(
            help="Measured time of circuits with spikes (s).", show_default="that of each rung in the protocol"
        ),
    ] = None,
    target: o.Target = "auto",
    seed: o.Seed = 0,
    *,
    output: Output,
):
    """Place circuits among the families of attention."""
    known = tuple(name for name in FORMS if name != BUILT)
    chosen = () if rungs == "none" else o.some_of("--rungs", rungs, known)
    o.within("--seeds", seeds, 1, 1000)
    options = {"target": target, "duration": duration}
    o.within("--seed", seed, 0, 2**32 - max(N_CONTROL, seeds))
    o.check(**options, seed=seed)
    output.check()
    jobs = [(each, seed + k) for each in (BUILT, GAIN) for k in range(N_CONTROL)]
    jobs += [(each, seed + k) for each in chosen for k in range(seeds)]
    with executor_of(workers) as executor, output.progress(f"{len(jobs)} circuits") as report:
        rows, failed, interrupted = run(jobs, options, report, executor)
    given, summaries = {"rungs": chosen, "seeds": seeds, **options, "seed": seed}, summarise(rows)
    folder, content = output.folder("best_attention", given), output.provenance(given, {"first": seed})
    result = {"margin": MARGIN, "figures": judged_figures(summaries), "summaries": summaries, "rows": rows}
    result |= {"failed": failed, "interrupted": interrupted}
    figure = draw(rows) if rows else None
    output.report("best_attention", folder, result, figure, content, _tables(summaries, rows), judge(rows))
    return status_by([row["settled"] == row["answers"] for row in rows] or [False], interrupted, failed)


if __name__ == "__main__":
    script(main)
