"""The one model that every peer runs: one head of the mask wiring, in plain numpy and plain floats (seconds, Hz).

Tokens, W_V and W_O are not negative, so no value is: every number is one cell, and on/off pairs are not needed. W_Q and
W_K have either sign; phi = elu + 1. An interneuron a macrocolumn divides, as `cells.interneuron` has it.

core, matrix    n d each       regular trains (or rates) at the numbers of the tokens
L2/3            n n d          s_ij = phi(W_Q x_i) phi(W_K x_j) / g_i
interneuron     n              tau_g dg/dt = sigma + g sum(s) - g
L5 IT           n n d          y_ij = (sum_k s_ijk) W_V x_j
L5 PT           n d            vt_i = sum_j y_ij
higher order    n d            W_O vt_i
"""

from typing import NamedTuple

import numpy as np

from cortical_attention.readout.agreement import relative_l2
from cortical_attention.reference.attention import Block, linear_attention

DT, WINDOW = 0.5e-3, 1.0  # s
GATE = 0.25  # s; the interneurons hold the strength they start with for so long: one phase of `circuits.protocol`
SETTLE = 2.0  # s; as in cells.forms
UNIT_RATE, CEILING = 100.0, 300.0  # Hz
PEAK, PEAK_OF_INHIBITION = (
    280.0,
    200.0,
)  # Hz; of the largest number of a population, the shares of `simulation.calibrate`
SIGMA, POOL_MAX, TAU_START = 1e-9, 3.0, 5e-3  # the last in s; as in cells.interneuron
POPULATIONS = (
    "core", "matrix", "higher_order", "intratelencephalic", "pyramidal_tract", "superficial", "interneuron",
)  # fmt: skip


class Taus(NamedTuple):
    """Time constants (s) of a form: of dendrites (slow, fast, pool), of a soma (rates), of the interneuron's number."""

    slow: float
    fast: float
    pool: float
    soma: float
    g: float


TAUS = {"rate": Taus(5e-3, 5e-3, 5e-3, 10e-3, 120e-3), "spiking": Taus(100e-3, 50e-3, 10e-3, 0.0, 240e-3)}


class Model(NamedTuple):
    """Tokens (n, d) and weights (d, d), [post, pre]."""

    tokens: np.ndarray
    W_Q: np.ndarray
    W_K: np.ndarray
    W_V: np.ndarray
    W_O: np.ndarray

    @property
    def n(self):
        """Tokens."""
        return self.tokens.shape[0]

    @property
    def d(self):
        """Components of a token, a query, a key and a value."""
        return self.tokens.shape[1]

    @property
    def block(self):
        """The weights as the algebra takes them, one head."""
        return Block(*(weights[None] for weights in self[1:]))


class Outcome(NamedTuple):
    """What a peer found and what it cost.

    Attributes
    ----------
    output : ndarray, shape (n, d), or None
        What the higher-order nucleus stood for in the window.
    run_s, compile_s : float
        Wall time of the simulation alone, and of what came before it: generating and compiling code, solving decoders.
    biological_s : float
        Time simulated.
    spikes : float or None
        Of all cells over the time simulated.
    cells : int
    program : int
        Most memory that a program started by the peer has held, in the unit of `resource.getrusage`; a compiler is none.
    dt : float
        Time step (s).
    """

    output: np.ndarray | None
    run_s: float
    compile_s: float
    biological_s: float
    spikes: float | None
    cells: int
    program: int = 0
    dt: float = DT


def draw(n=33, d=33, seed=0):
    """A model of random numbers.

    W_Q and W_K: Gaussian, of standard deviation 1 / sqrt(d). The rest are absolute cubes of Gaussian numbers, mostly small
    and few large, so that tokens differ, and uniform attention would answer otherwise: tokens of mean square one, W_V and
    W_O over d, since all that they sum is positive.
    """
    rng = np.random.default_rng([seed, n, d])
    tokens, W_Q, W_K, W_V, W_O = (rng.standard_normal(shape) for shape in [(n, d)] + 4 * [(d, d)])
    tokens = np.abs(tokens) ** 3
    tokens /= np.sqrt(np.mean(tokens**2))
    return Model(tokens, W_Q / np.sqrt(d), W_K / np.sqrt(d), np.abs(W_V) ** 3 / d, np.abs(W_O) ** 3 / d)


def n_cell(model):
    """Cells of the model."""
    n, d = model.tokens.shape
    return 2 * n * n * d + 4 * n * d + n


def phi(x):
    """elu + 1."""
    return np.maximum(x, 0) + np.exp(np.minimum(x, 0))


def numbers(model):
    """What the cells of each population stand for in the steady state, by name."""
    query, key = phi(model.tokens @ model.W_Q.T), phi(model.tokens @ model.W_K.T)
    drive = query[:, None] * key[None]
    g = SIGMA + drive.sum(axis=(1, 2))
    superficial = drive / g[:, None, None]
    intratelencephalic = superficial.sum(axis=2)[..., None] * (model.tokens @ model.W_V.T)
    pyramidal_tract = intratelencephalic.sum(axis=1)
    found = (
        model.tokens, model.tokens, pyramidal_tract @ model.W_O.T, intratelencephalic, pyramidal_tract, superficial, g,
    )  # fmt: skip
    return dict(zip(POPULATIONS, found, strict=True))


def pairs(model):
    """Pathways with one synapse a pair: (source, target, port, source cells, target cells, weights) of each."""
    n, d = model.n, model.d
    i, j, k, m = np.indices((n, n, d, d)).reshape(4, -1)
    grid = (i * n + j) * d + k
    at_i, at_m, at_k = np.indices((n, d, d)).reshape(3, -1)
    cell = np.arange(n * n * d)
    return [
        ("core", "superficial", "basal", i * d + m, grid, model.W_Q[k, m]),
        ("matrix", "superficial", "apical", j * d + m, grid, model.W_K[k, m]),
        ("matrix", "intratelencephalic", "basal", j * d + m, grid, model.W_V[k, m]),
        ("superficial", "intratelencephalic", "apical", (i * n + j) * d + m, grid, 1.0),
        ("intratelencephalic", "pyramidal_tract", "soma", cell, cell // (n * d) * d + cell % d, 1.0),
        ("pyramidal_tract", "higher_order", "soma", at_i * d + at_k, at_i * d + at_m, model.W_O[at_m, at_k]),
        ("superficial", "interneuron", "pool", cell, cell // (n * d), 1.0),
        ("interneuron", "superficial", "shunt", cell // (n * d), cell, 1.0),
    ]


def unit_rates(model, form):
    """Rate (Hz) that stands for the number one, by population; of interneurons in the spiking form, one each (n,).

    In spikes the largest number of a population is carried at PEAK, but nuclei have UNIT_RATE at most.
    """
    if form == "rate":
        return dict.fromkeys(POPULATIONS, UNIT_RATE)
    found = numbers(model)
    units = {name: PEAK / found[name].max() for name in POPULATIONS}
    units |= {name: min(units[name], UNIT_RATE) for name in ("core", "matrix", "higher_order")}
    return units | {"interneuron": PEAK_OF_INHIBITION / found["interneuron"]}


def weights_of_spikes(model):
    """What one spike adds to a trace that decays before it is read (`wiring.values.weight_of_spike`), by pathway."""
    units, taus = unit_rates(model, "spiking"), TAUS["spiking"]

    def scaled(weights, source, tau):
        return weights * np.expm1(DT / tau) / (units[source] * DT)

    return {
        "W_Q": scaled(model.W_Q, "core", taus.slow),
        "W_K": scaled(model.W_K, "matrix", taus.slow),
        "W_V": scaled(model.W_V, "matrix", taus.slow),
        "W_O": scaled(model.W_O, "pyramidal_tract", taus.slow),
        "attention": scaled(1.0, "superficial", taus.slow),
        "value": scaled(1.0, "intratelencephalic", taus.slow),
        "pool": scaled(1.0, "superficial", taus.pool),
        "shunt": scaled(1.0, "interneuron", taus.fast),
    }


def start_of_inhibition(model, form):
    """Number g (n,) that the interneurons start with: the ceiling, or one in rates."""
    return CEILING / unit_rates(model, form)["interneuron"] if form == "spiking" else np.ones(model.n)


def phases(model, seed=0):
    """Where the membranes of each population start, uniform in [0, 1), by name; the streams of `simulation.run`."""
    children = np.random.SeedSequence(seed).spawn(len(POPULATIONS))
    sizes = {name: each.size for name, each in numbers(model).items()}
    drawn = zip(POPULATIONS, children, strict=True)
    return {name: np.random.default_rng(child).random(sizes[name]) for name, child in drawn}


def algebra(model):
    """Output (n, d) of linear attention."""
    return linear_attention(model.tokens, model.block).output


def error(output, model):
    """Relative L2 distance of an output from the algebra's; None for no output."""
    return None if output is None else relative_l2(output, algebra(model))
