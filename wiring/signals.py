"""What travels from a cell to a dendrite: rates, or spikes. One object each, so that nothing else asks which it is."""

from cortical_attention.wiring.numbers import weight_of_rate, weight_of_spike


class Rates:
    """Cells send their rate continuously; a synapse adds to a summed variable."""

    method = "euler"  # of a dendrite
    relay_fires: dict = {}  # noqa: RUF012
    starts_at_rate = True

    def arriving(self, k, drive):
        """Equations of what reaches a dendrite: summed over synapses, or computed by `drive` in one sum."""
        return "\n drive : 1" if drive is None else f"\n drive = projected_{k}(i) : 1"

    def onto_relay(self, membrane):
        """How an inhibitory relay hears its cell."""
        return {"model": "received_post = rate_pre : Hz (summed)"}

    def synapse(self, effect, membrane):
        """Model and events of a synapse from cells with a membrane."""
        return f"weight : second (constant)\n {effect}", {}

    def weights(self, values, unit_rate, tau, dt):
        """Weights that turn what is sent into the value it stands for."""
        return weight_of_rate(values, unit_rate)


class Spikes:
    """Cells send spikes; a synapse adds to a trace."""

    method = "exact"
    relay_fires: dict = {"threshold": "v >= 1", "reset": "v -= 1"}  # noqa: RUF012
    starts_at_rate = False

    def arriving(self, k, drive):
        """Equations of what reaches a dendrite: none, since spikes change its trace."""
        return ""

    def onto_relay(self, membrane):
        """How an inhibitory relay hears its cell: each spike brings it to threshold by what it carries."""
        return {"on_pre": f"v_post += {membrane.carries}"}

    def synapse(self, effect, membrane):
        """Model and events of a synapse from cells with a membrane."""
        return "weight : 1 (constant)", {"on_pre": membrane.carried(effect)}

    def weights(self, values, unit_rate, tau, dt):
        """Weights that turn what is sent into the value it stands for."""
        return weight_of_spike(values, unit_rate, tau, dt)


SIGNALS = {False: Rates(), True: Spikes()}


def signals_of(form):
    """Rates or Spikes, as the form codes values."""
    return SIGNALS[form.spikes]
