"""Named sets of time constants of synapses: how fast dendrites, inhibition and axons are.

`slow` is what each form defines: dendrites of 100 ms in spikes, which average the spikes of a single cell per value. `fast`
and `physiological` answer within the time that cortex has, and need more cells per value.
"""

from typing import NamedTuple

from brian2 import Quantity, ms

DEFAULT = "slow"


class SynapseSet(NamedTuple):
    """Constants that replace those of a form.

    Attributes
    ----------
    tau_slow, tau_fast, tau_pool : Quantity (s)
        As in `cells.forms.form.Synapses`.
    delay : Quantity (s) or None
        Of every projection without a delay of its own. In rates it is left out.
    fast_spiking : Quantity (s) or None
        Membrane time constant of interneurons, in forms whose membranes have one.
    dt : Quantity (s)
        Default time step, unless that of the form is shorter.
    sources : dict of str to str
    """

    tau_slow: Quantity
    tau_fast: Quantity
    tau_pool: Quantity
    delay: Quantity | None
    fast_spiking: Quantity | None
    dt: Quantity
    sources: dict[str, str]


FAST = SynapseSet(
    tau_slow=10 * ms,
    tau_fast=5 * ms,
    tau_pool=5 * ms,
    delay=None,
    fast_spiking=None,
    dt=0.5 * ms,
    sources={
        "tau_slow": "chosen: twice an AMPA current, so that phi and the products see less ripple",
        "tau_fast": "chosen: order of a GABA_A current (5.6 ms: Destexhe, Mainen & Sejnowski 1998)",
        "tau_pool": "chosen: order of an AMPA current (5.3 ms: Destexhe, Mainen & Sejnowski 1998)",
    },
)
PHYSIOLOGICAL = SynapseSet(
    tau_slow=5 * ms,
    tau_fast=7 * ms,
    tau_pool=2 * ms,
    delay=1 * ms,
    fast_spiking=5 * ms,
    dt=0.5 * ms,
    sources={
        "tau_slow": "AMPA: 5.3 ms (Destexhe, Mainen & Sejnowski 1998)",
        "tau_fast": "GABA_A: 5.6 ms (Destexhe, Mainen & Sejnowski 1998); chosen: longer by the filter of a dendrite",
        "tau_pool": "chosen: AMPA currents of interneurons are faster than those of pyramidal cells (Geiger et al. 1997)",
        "delay": "feed-forward inhibition follows excitation by about 1 ms (Blitz & Regehr 2005)",
        "tau_m": "chosen: a fast-spiking membrane under the conductances of a driven circuit",
        "tau_soma": "chosen: a fast-spiking membrane under the conductances of a driven circuit",
    },
)
SYNAPSES = {"slow": None, "fast": FAST, "physiological": PHYSIOLOGICAL}


def with_synapses(form, name):
    """Form with a named set of constants.

    Parameters
    ----------
    form : Form
    name : str
        Of `SYNAPSES`; with "slow" the form is left as it is.

    Returns
    -------
    Form

    Raises
    ------
    KeyError
        For an unknown name.
    """
    chosen = SYNAPSES[name]
    if chosen is None or form.synapses.name == name:
        return form
    taus = {each: getattr(chosen, each) for each in ("tau_slow", "tau_fast", "tau_pool")}
    sources = {each: chosen.sources[each] for each in taus}
    found = form.with_synapses(**taus, delay=chosen.delay, name=name, sources=sources)
    return _with_interneurons(found, chosen)._replace(dt=min(form.dt, chosen.dt))


def _with_interneurons(form, chosen):
    """Form whose interneurons have the membrane time constant of the set, where they have any."""
    membrane = form.of_kind.get("fast spiking", form.membrane)
    names = (
        [] if chosen.fast_spiking is None else [name for name in ("tau_m", "tau_soma") if name in membrane.constants]
    )
    for name in names:
        membrane = membrane.changed({name: chosen.sources[name]}, **{name: chosen.fast_spiking})
        lag = chosen.fast_spiking if membrane.lag > 0 * ms else membrane.lag
        form = form._replace(of_kind={**form.of_kind, "fast spiking": membrane._replace(lag=lag)})
    return form
