"""One answer of a circuit of one size: `python -m benchmarks.point WIRING FORM` prints what it cost as JSON.

Tokens and weights are drawn as those of `benchmarks.model`, with heads and inputs side by side.
"""

import json
from typing import Annotated, NamedTuple

import numpy as np
import typer
from brian2 import Hz, second

from benchmarks.model import DT, GATE, PEAK, PEAK_OF_INHIBITION, UNIT_RATE, phi
from benchmarks.ours import FORMS
from benchmarks.peers import peak_mb
from benchmarks.standalone import clocked
from cortical_attention.circuits.protocol import Times
from cortical_attention.reference.attention import Block
from cortical_attention.simulation.calibrate import rate_units
from cortical_attention.simulation.run import simulate
from cortical_attention.trials.systems import SYSTEMS

TIMES = Times(0.5 * second, 0.5 * second, GATE * second, DT * second)
NUCLEI = ("core", "matrix", "higher_order")


class Size(NamedTuple):
    """Tokens, components of each (model, key and value alike), heads, and inputs side by side."""

    n: int
    d: int
    head: int
    batch: int


def draw(size):
    """Tokens (batch, n, d) and the block, of one seed."""
    n, d, head, batch = size
    rng = np.random.default_rng([0, *size])
    W_Q, W_K, W_V, W_O = rng.standard_normal((4, head, d, d))
    tokens = np.abs(rng.standard_normal((batch, n, d))) ** 3
    tokens /= np.sqrt(np.mean(tokens**2))
    return tokens, Block(W_Q / np.sqrt(d), W_K / np.sqrt(d), np.abs(W_V) ** 3 / d, np.abs(W_O) ** 3 / (head * d))


def unit_rates(wiring, tokens, block):
    """Rate (Hz) of the number one for each population of a wiring in the spiking form, from the algebra."""
    query, key, value = (np.einsum("bim,hkm->bhik", tokens, weights) for weights in block[:3])
    query, key = phi(query), phi(key)
    weight = query @ key.swapaxes(-1, -2)
    Z = weight.sum(axis=-1)
    pooled = (weight / Z[..., None]) @ value
    peak = {
        "core": tokens, "matrix": tokens, "interneuron": Z, "pyramidal_tract": pooled,
        "higher_order": np.einsum("bhiv,hmv->bim", pooled, block.W_O),
    }  # fmt: skip
    if wiring == "mask":
        peak["superficial"] = query * key.max(axis=-2, keepdims=True) / Z[..., None]
        peak["intratelencephalic"] = (weight / Z[..., None]).max(axis=-2) * value.max(axis=-1)
    else:
        held, total = value.swapaxes(-1, -2) @ key, key.sum(axis=-2)[..., None, :]
        share = query / Z[..., None]
        peak |= {"memory": held, "key_memory": total, "normaliser": share * total}
        peak["intratelencephalic"] = share.max(axis=-2) * held.max(axis=-2)
    units = {name: PEAK / values.max() for name, values in peak.items()}
    units["interneuron"] *= PEAK_OF_INHIBITION / PEAK
    return {name: min(unit, UNIT_RATE) if name in NUCLEI else unit for name, unit in units.items()}


def cost(wiring, form, size, target="cpp"):
    """What one answer costs.

    Parameters
    ----------
    wiring : {"mask", "memory"}
    form : {"rate", "spiking"}
    size : Size
    target : {"cpp", "numpy"}

    Returns
    -------
    dict
        `wall_s` of the time loop, `biological_s`, `compile_s`, `above_start_mb`, `n_cell` and `n_synapse`.
    """
    start, (tokens, block) = peak_mb(), draw(size)
    plan = SYSTEMS[wiring].wiring(TIMES, tokens, *block[:4])
    units = rate_units(plan)
    if form == "spiking":
        units = {name: np.full(size.batch, unit) * Hz for name, unit in unit_rates(wiring, tokens, block).items()}
    with clocked() as seen:
        run = simulate(plan, FORMS[form], units, dt=TIMES.dt, target=target, record="sample")
    return {
        "wall_s": run.wall if seen.run_s is None else seen.run_s,
        "biological_s": float(run.t_stop / second),
        "compile_s": seen.compile_s,
        "above_start_mb": peak_mb(seen.program) - start,
        "n_cell": run.n_cell,
        "n_synapse": run.n_synapse,
    }


def main(
    wiring: Annotated[str, typer.Argument(help="mask or memory.")],
    form: Annotated[str, typer.Argument(help="rate or spiking.")],
    n: Annotated[int, typer.Option(help="Tokens.")] = 33,
    d: Annotated[int, typer.Option(help="Components.")] = 16,
    head: Annotated[int, typer.Option(help="Heads.")] = 1,
    batch: Annotated[int, typer.Option(help="Inputs side by side.")] = 1,
):
    """Print what one answer costs."""
    print(json.dumps(cost(wiring, form, Size(n, d, head, batch))))


if __name__ == "__main__":
    typer.run(main)
