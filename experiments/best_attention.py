"""Which attention do the cells compute: the paper's, another linear one, any weighted sum of the values, or none?

Question: if the circuit does not compute the paper's attention, does it compute another one? Monotone functions in place of
phi, one feature per component, and a gain per head are fitted to the circuit's answers to half of the inputs, and tested on
the other half; wider families, with free weights, are fitted to each answer. The residual of the widest family is outside
attention, or noise.

Prediction: written before any run. Of the controls, a circuit of ideal rates is inside linear attention, and one of pure
gain (weights of the key cut, so that the query scales a sum of values) is outside, for 8 of 8 blocks; inside means that the
best linear attention leaves at most `inside` (`trials/protocol.toml`) of the test half. Less ideal cells are nearer to the
best linear attention than to the paper's. Whether the rungs themselves are inside is the result. A row of ideal rates with
a tenth of white noise shows the residual of noise alone in the free families, which are fitted to each answer.

Reference: Granier & Senn (2025), Algorithm 1; `trials.families`. Inputs with one block, side by side in one network.

Found: adaptive cells are inside linear attention, biophysical cells outside, on 8 of 8 blocks each. Biophysical cells are
nearer to the best linear attention than to the paper's, by little; adaptive cells are on 6 of 8 blocks only. An error of a
tenth of any kind is outside, noise included; the share of cellular noise in the residual is not tested here.

Run time: one minute for the controls; then two minutes per block for adaptive cells, and five for biophysical ones.
"""

from typing import Annotated

import numpy as np
import typer
from rich.table import Column, Table

from cortical_attention.cells.forms import FORMS
from cortical_attention.command import options as o
from cortical_attention.command.output import Output, with_output
from cortical_attention.command.status import script, status_of
from cortical_attention.readout.agreement import relative_l2
from cortical_attention.readout.formats import per_cent
from cortical_attention.readout.style import CYCLE, MARKERS, new_figure, style
from cortical_attention.trials.batch import Prediction, ask, ask_in_turn, side_by_side
from cortical_attention.trials.comparison import reference_of
from cortical_attention.trials.families import FAMILIES, FREE, LinearFamily, nearest
from cortical_attention.trials.protocol import PROTOCOL

# Parameters
BUILT, GAIN = "rate", "pure gain"  # the controls
NOISY, NOISE = "rate and noise", 0.1  # the norm of the noise over that of the answer
N_TOKEN, N_INPUT, SCALE = 4, 12, 2.0
INSIDE = PROTOCOL["best_attention"]["inside"]


def inputs(seed):
    """Random inputs with one block."""
    return side_by_side(seed, N_INPUT, N_TOKEN, scale=SCALE)


# Protocol
def options_of(circuit, seed, target):
    """Options of a circuit; a control is of ideal rates, and pure gain is not divided by Z."""
    form = BUILT if circuit == GAIN else circuit
    targets = PROTOCOL.get(form, {})
    return o.check(
        form=form, cells=targets.get("cells", 1), duration=targets.get("duration"), unnormalised=circuit == GAIN, seed=seed,
        target=target, record="sample",
    )  # fmt: skip


def answer_of(circuit, seed, target, report=None):
    """Answer of a circuit to the inputs of a seed."""
    cases = inputs(seed)
    if circuit == GAIN:
        block = cases[0].block
        cases = [case._replace(block=block._replace(W_K=0 * block.W_K)) for case in cases]
    return ask(cases, options_of(circuit, seed, target), report)


# Reference
def residuals(cases, answers):
    """Relative L2 from the nearest member of each family, on the half of the inputs that `linear` was not fitted to.

    Parameters
    ----------
    cases : sequence of Case
    answers : ndarray, shape (n_case, n_token, d_model)

    Returns
    -------
    dict of str to float
    """
    half = len(cases) // 2
    tested, wanted = cases[half:], answers[half:]
    linear = LinearFamily(cases).fit(cases[:half], answers[:half])
    members = {
        "paper": [reference_of(case, "elu+1").attention.output for case in tested],
        "linear": [linear.output(case) for case in tested],
        **{name: [nearest(name, *each) for each in zip(tested, wanted, strict=True)] for name in FREE},
    }
    return {name: relative_l2(np.array(found), wanted) for name, found in members.items()}


def noisy(output, seed):
    """An answer with white noise added, whose norm is `NOISE` of its own."""
    added = np.random.default_rng(seed).normal(size=output.shape)
    return output + NOISE * np.linalg.norm(output) / np.linalg.norm(added) * added


def judge(rows):
    """The predictions."""
    found = []
    for circuit, inside in ((BUILT, True), (GAIN, False)):
        own = [row["linear"] <= INSIDE for row in rows if row["circuit"] == circuit]
        said = f"{circuit}: {'inside' if inside else 'outside'} linear attention, each block"
        if own:
            found.append(Prediction(said, f"{own.count(inside)} of {len(own)}", own.count(inside) == len(own)))
    for circuit in _circuits(rows):
        if circuit not in (BUILT, GAIN, NOISY):
            own = [row["linear"] < row["paper"] for row in rows if row["circuit"] == circuit]
            said = f"{circuit}: nearer to the best linear attention than to the paper's, each block"
            found.append(Prediction(said, f"{sum(own)} of {len(own)}", all(own)))
    return found


def _circuits(rows):
    return list(dict.fromkeys(row["circuit"] for row in rows))


# Figure
def draw(rows):
    """Figure: residual of each circuit after each family."""
    circuits = _circuits(rows)
    with style():
        figure = new_figure(4.4, width=9.0)
        panel = figure.subplots()
        for k, circuit in enumerate(circuits):
            look, place = {"color": CYCLE[k], "marker": MARKERS[k]}, (k - (len(circuits) - 1) / 2) * 0.12
            own = [row for row in rows if row["circuit"] == circuit]
            for n, row in enumerate(own):
                errors = [max(row[name], FLOOR) for name in FAMILIES]
                label = circuit if n == 0 else None
                panel.plot(np.arange(5) + place, errors, linestyle="", alpha=0.6, label=label, **look)
        panel.hlines(INSIDE, 0.5, 1.5, color="#777777", linestyle="--", linewidth=1)
        panel.text(0.52, 0.9 * INSIDE, "inside", va="top", color="#555555")
        panel.set(yscale="log", ylabel=f"relative L2 error, or {FLOOR:g} if less")
        panel.set_xlabel("family of attention")
        panel.set_xticks(
            range(5), ["paper's", "best linear", "any weighing\n(sums to one)", "with a gain", "any matrix"]
        )
        panel.set(ylim=(FLOOR / 1.5, 2), xlim=(-0.5, 4.5))
        figure.legend(loc="outside upper center", ncols=5)
    return figure


FLOOR = 1e-4  # what the figure draws for anything smaller


def _table(rows):
    """A row a circuit: blocks inside linear attention; the median over blocks, and the largest, of each family."""
    heads = (Column(name, no_wrap=True) for name in ("circuit", "inside", *FAMILIES))
    table = Table(*heads, title="relative L2 from the nearest member of each family: median, largest block")
    for circuit in _circuits(rows):
        own = [row for row in rows if row["circuit"] == circuit]
        errors = [[row[name] for row in own] for name in FAMILIES]
        shown = [f"{per_cent(np.median(each))}\n{per_cent(max(each))}" for each in errors]
        inside = sum(row["linear"] <= INSIDE for row in own)
        table.add_row(circuit, f"{inside} of {len(own)}", *shown)
    return table


@with_output
def main(
    rungs: Annotated[
        str, typer.Option(help="Rungs to compare with the controls, comma-separated, or none.")
    ] = "adaptive",
    seeds: Annotated[int, typer.Option(help="Number of blocks per rung; the controls have 8.")] = 1,
    target: o.Target = "auto",
    seed: o.Seed = 0,
    *,
    output: Output,
):
    """Place circuits among the families of attention."""
    known = tuple(name for name in FORMS if name != BUILT)
    chosen = () if rungs == "none" else o.some_of("--rungs", rungs, known)
    o.within("--seeds", seeds, 1, 1000)
    o.check(target=target, seed=seed)
    output.check()
    jobs = [(each, seed + k) for each in (BUILT, GAIN) for k in range(8)]
    jobs += [(each, seed + k) for each in chosen for k in range(seeds)]
    runs = {
        f"{circuit}, block {each}": lambda report, circuit=circuit, each=each: answer_of(circuit, each, target, report)
        for circuit, each in jobs
    }
    with output.progress(f"{len(runs)} circuits") as report:
        swept = ask_in_turn(runs, report)
    rows = [
        {"circuit": circuit, "seed": each, **residuals(inputs(each), swept.done[label].output)}
        for label, (circuit, each) in zip(runs, jobs, strict=True) if label in swept.done
    ]  # fmt: skip
    rows += [
        {"circuit": NOISY, "seed": each, **residuals(inputs(each), noisy(swept.done[label].output, each))}
        for label, (circuit, each) in zip(runs, jobs, strict=True) if circuit == BUILT and label in swept.done
    ]  # fmt: skip
    given = {"rungs": chosen, "seeds": seeds, "target": target, "seed": seed}
    folder, result = output.folder("best_attention", given), swept.result(rows)
    content = output.provenance(given, {"first": seed})
    figure = draw(rows) if rows else None
    output.report("best_attention", folder, result, figure, content, _table(rows), judge(rows))
    return status_of(swept, [])


if __name__ == "__main__":
    script(main)
