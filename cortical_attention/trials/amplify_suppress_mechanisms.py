"""Mechanisms by which mediodorsal cells may change choices: restrictions of one circuit, and the range they are drawn from.

Pools of the first three mechanisms neither excite themselves nor inhibit each other: they leak; their synapses saturate as
well; or the first difference that reaches a bound is the choice. In all others, attractors, they do, which can lock a choice
in. Mediodorsal cells are active at a constant rate in the first four; in the others one population is excited by conflict,
and the other silenced by conflict, or by activity, which is low where there is little input.
"""

import numpy as np

from cortical_attention.circuits.amplify_suppress import Parameters

RANGES = {  # chosen: about the smallest and the largest value at which a parameter matters
    "w": (0.5, 1.1), "m": (0.0, 1.0), "baseline": (0.0, 1.0),
}  # fmt: skip
LOG_RANGES = {
    "cue": (0.05, 0.8), "a": (0.1, 1.0), "c": (0.02, 0.5), "sigma": (0.02, 0.3), "tau": (20, 100), "tau_md": (20, 200),
    "bound": (0.02, 0.6), "reading": (0.02, 0.3), "silenced": (0.3, 8), "excited": (0.3, 8),
    "drive": (0.3, 10), "withheld": (0.05, 0.8),  # of pools that saturate: of a pulse, and of PV cells as a part of that
}  # fmt: skip
POOL = 10  # time constant of pools without recurrence, times that of pools with it; chosen: the length of an attractor's sum


# Mechanisms: parameters of a circuit from a point of the range
def _leaky(drawn):
    return _constant(drawn) | {"w": 0 * drawn["w"], "m": 0 * drawn["m"], "tau": POOL * drawn["tau"]}


def _committed(drawn):
    return _leaky(drawn) | {"bound": drawn["bound"]}


def _saturating(drawn):
    drive = drawn["drive"]
    own = {"cue": drive, "c": drive * drawn["withheld"], "sigma": drive * drawn["sigma"], "saturation": 1 + 0 * drive}
    return _leaky(drawn) | own | {"ceiling": np.full_like(drive, np.inf)}


def _constant(drawn):
    given = {name: drawn[name] for name in ("w", "m", "cue", "a", "c", "sigma", "tau", "tau_md", "reading")}
    return given | {"bound": np.full_like(drawn["w"], np.inf)}


def _heard(signal, shuffled):
    """A population that a signal silences, and one that conflict excites: D2 and GRIK4 cells, or the other way round."""
    silenced, excited = ("grik4", "d2") if shuffled else ("d2", "grik4")

    def mechanism(drawn):
        return _constant(drawn) | {
            f"{silenced}_{signal}": -drawn["silenced"],
            excited: drawn["baseline"], f"{excited}_conflict": drawn["excited"],
        }  # fmt: skip

    return mechanism


LEAKY, SATURATING, COMMITTED = "leaky pools", "pools that saturate", "pools with commitment"
ATTRACTOR = "attractor"
OWN, OWN_LOW = "own signals (conflict)", "own signals (low input)"
SHUFFLED, SHUFFLED_LOW = "shuffled (conflict)", "shuffled (low input)"
MECHANISMS = {
    LEAKY: _leaky, SATURATING: _saturating, COMMITTED: _committed, ATTRACTOR: _constant,
    OWN: _heard("conflict", False), OWN_LOW: _heard("activity", False),
    SHUFFLED: _heard("conflict", True), SHUFFLED_LOW: _heard("activity", True),
}  # fmt: skip


def draw(n, seed):
    """Points of the range, the same for every mechanism.

    Parameters
    ----------
    n : int
    seed : int or numpy.random.SeedSequence

    Returns
    -------
    dict of str to ndarray, shape (n,)
        Uniform in `RANGES`; with uniform logarithms in `LOG_RANGES`.
    """
    stream = np.random.default_rng(seed)
    found = {name: stream.uniform(*ends, n) for name, ends in RANGES.items()}
    return found | {name: np.exp(stream.uniform(*np.log(ends), n)) for name, ends in LOG_RANGES.items()}


def around(point, n, spread, seed):
    """Points near a point of the range, each value multiplied by a factor of its own, uniform in 1 - spread to 1 + spread.

    Parameters
    ----------
    point : dict of str to float
    n : int
    spread : float
    seed : int or numpy.random.SeedSequence

    Returns
    -------
    dict of str to ndarray, shape (n,)
    """
    stream = np.random.default_rng(seed)
    return {name: value * stream.uniform(1 - spread, 1 + spread, n) for name, value in point.items()}


def circuits(mechanism, drawn):
    """Circuits of a mechanism at some points (Parameters of ndarray, shape (n,)).

    Parameters
    ----------
    mechanism : str
        Of `MECHANISMS`.
    drawn : dict of str to ndarray, shape (n,)
        As from `draw`.
    """
    given = {name: np.asarray(each, dtype=float) for name, each in drawn.items()}
    return Parameters(**MECHANISMS[mechanism](given))


def _point(w, m, cue, a, c, sigma, tau, tau_md, reading, silenced=1.0, excited=1.0, baseline=1.0, bound=np.inf):
    """A point by name (dict of float); a mechanism makes no use of the last four where it has no such parameter."""
    return dict(locals())


# Found by scratch code with other noise: the best of four climbs of 350 steps from 600 drawn points, by the sum of six
# changes, each counted up to five points, and by the smallest; and of three such searches (shuffled by low input: of two; by
# conflict, and with commitment: of one). The limits of a climb are wider than those of the range
CLIMBED = {
    COMMITTED: _point(0, 0, 0.414, 0.404, 0.141, 0.02, 24.74, 17.4, 0.088, bound=0.169),
    ATTRACTOR: _point(0.825, 0.035, 0.838, 0.248, 0.105, 0.211, 218.9, 55.1, 0.179),
    OWN: _point(0.815, 0.004, 0.536, 0.211, 0.064, 0.034, 160.1, 104.1, 0.282, 0.361, 12.0, 1.0),
    OWN_LOW: _point(0.86, 1.2, 0.357, 0.451, 0.043, 0.021, 34.67, 47.2, 0.108, 1.795, 12.0, 0.649),
    SHUFFLED: _point(0.782, 0.297, 0.709, 0.223, 0.023, 0.052, 39.26, 34.2, 0.122, 2.917, 0.539, 1.0),
    SHUFFLED_LOW: _point(0.813, 1.157, 0.129, 0.206, 0.024, 0.128, 111.6, 15.0, 0.025, 0.411, 0.746, 0.651),
}
