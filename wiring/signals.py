"""Transmission from cell to dendrite, by rates or by spikes: one object each, so that no other module tells them apart."""

from cortical_attention.cells.short_term import AT_SPIKES, at_spike
from cortical_attention.wiring.release import terminals
from cortical_attention.wiring.values import weight_of_rate, weight_of_spike


class Rates:
    """Cells send their rate continuously; a synapse adds to a summed variable."""

    method = "euler"  # of a dendrite
    weight_unit = "second"
    relay_fires: dict = {}  # noqa: RUF012
    starts_at_rate = True

    def arriving(self, k, drive):
        """Equations of what reaches a dendrite: summed over synapses, or computed by `drive` in one sum."""
        return "\n drive : 1" if drive is None else f"\n drive = projected_{k}(i) : 1"

    def onto_relay(self, membrane):
        """How an inhibitory relay hears its cell."""
        return {"model": "received_post = rate_pre : Hz (summed)"}

    def plastic(self, pathway):
        """Whether synapses have a state: that of rates is in the terminals."""
        return False

    def sender(self, k, source, pathway, clock):
        """Group whose rates the synapses of pathway `k` read: terminals, where they are plastic."""
        return terminals(k, source, pathway.plasticity, clock) if pathway.plasticity else source

    def synapse(self, effect, membrane, pathway, dt, flags):
        """Model, whose weight has `flags`, and options of a synapse from cells with a membrane; rates have no delay."""
        return f"weight : second{flags}\n {effect}", {"namespace": {}}

    def weights(self, values, unit_rate, tau, dt):
        """Weights that turn what is sent into the value it stands for."""
        return weight_of_rate(values, unit_rate)


class Spikes:
    """Cells send spikes; a synapse adds to a trace."""

    method = "exact"
    weight_unit = "1"
    relay_fires: dict = {"threshold": "v >= 1", "reset": "v -= 1"}  # noqa: RUF012
    starts_at_rate = False

    def arriving(self, k, drive):
        """Equations of what reaches a dendrite: none, since spikes change its trace."""
        return ""

    def onto_relay(self, membrane):
        """How an inhibitory relay hears its cell: each spike brings it to threshold by what it carries."""
        return {"on_pre": f"v_post += {membrane.carries}"}

    def plastic(self, pathway):
        """Whether synapses have a state."""
        return pathway.plasticity is not None

    def sender(self, k, source, pathway, clock):
        """Group whose spikes the synapses of pathway `k` hear: the source, since each synapse has its own state."""
        return source

    def synapse(self, effect, membrane, pathway, dt, flags):
        """Model, whose weight has `flags`, and options of a synapse from cells with a membrane."""
        model, effect = f"weight : 1{flags}", membrane.carried(effect)
        # whole steps, since targets round halves of one in their own ways
        options = {} if pathway.delay is None else {"delay": int(pathway.delay / dt + 0.5) * dt}
        if not self.plastic(pathway):
            return model, {"on_pre": effect, "namespace": {}, **options}
        return model + AT_SPIKES, {"on_pre": at_spike(effect), "namespace": pathway.plasticity._asdict(), **options}

    def weights(self, values, unit_rate, tau, dt):
        """Weights that turn what is sent into the value it stands for."""
        return weight_of_spike(values, unit_rate, tau, dt)


SIGNALS = {False: Rates(), True: Spikes()}


def signals_of(form):
    """Rates or Spikes, as the form codes values."""
    return SIGNALS[form.spikes]
