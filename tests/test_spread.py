"""A circuit in parts: the spikes of one process, head by head; what cannot be cut is refused; workers of dask."""

import json
import os
from concurrent.futures import Executor, Future
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from brian2 import Clock, Hz, ms

from cortical_attention.cells.forms.adaptive import ADAPTIVE
from cortical_attention.cells.forms.dale import DALE
from cortical_attention.cells.forms.rate import RATE
from cortical_attention.cells.forms.spiking import SPIKING
from cortical_attention.cells.membranes.f_i import Table
from cortical_attention.cells.noise import noise, stream_of
from cortical_attention.circuits.mask import mask_wiring
from cortical_attention.circuits.memory import memory_wiring
from cortical_attention.circuits.normalisers import NORMALISERS
from cortical_attention.circuits.protocol import RunError, Times
from cortical_attention.command import heads as command_heads
from cortical_attention.command.clusters import ANY_PORT, TRIMMING, local
from cortical_attention.command.heads import executor_of
from cortical_attention.command.options import OptionError
from cortical_attention.inputs.suite import random_case
from cortical_attention.simulation.attend import Settings, attend
from cortical_attention.simulation.cut import Stages, part, stages
from cortical_attention.simulation.initial import initial_state
from cortical_attention.simulation.run import simulate
from cortical_attention.simulation.spread import spread
from cortical_attention.wiring.circuit import Population, Projection, Sent
from cortical_attention.wiring.expand import expand_population
from cortical_attention.wiring.expressions import WiringError
from cortical_attention.wiring.replay import play
from tests.command import BRIEF, PATIENCE, check_refused, run, saved
from tests.test_build import sources

BRIEF_TIMES = Times(100 * ms, 80 * ms, 40 * ms, 1 * ms)
SIZES = {"n_head": 2, "d_model": 4, "d_key": 3, "d_value": 2}
NOISE = noise.pyfunc
ROUNDING = 1e-12  # relative; sums of a few rates in another order differ in the last digits


class Here(Executor):
    """Runs each task at once, in this process."""

    def submit(self, task):
        """A future that is done."""
        done = Future()
        try:
            done.set_result(task())
        except RunError as error:
            done.set_exception(error)
        return done


class Given(Executor):
    """Runs nothing: the task of each head gives back what is given here."""

    def __init__(self, runs):
        self.runs, self.tasks = runs, []

    def submit(self, task):
        """A future that is done."""
        self.tasks.append(task)
        done = Future()
        done.set_result(self.runs[len(self.tasks) - 1])
        return done


def plan_of(wiring=mask_wiring, batch=1, n_token=3, times=BRIEF_TIMES, **more):
    """A plan of two heads."""
    case = random_case(1, n_token, **SIZES)
    tokens = np.stack([case.tokens, -case.tokens])[:batch]
    return wiring(times, tokens, **(case.block._asdict() | more))


def units_of(plan, unit=100):
    """Unit rates, about `unit` Hz; each cell of an interneuron has its own, a tenth, as after a pilot in spikes."""
    units = {}
    for k, (name, each) in enumerate(plan.circuit.populations.items()):
        shape = (plan.batch, *each.shape) if each.cell.role == "interneuron" else (plan.batch,)
        spread_out = 1 + 0.1 * np.arange(np.prod(shape)).reshape(shape)
        units[name] = (unit / 10 if each.cell.role == "interneuron" else unit + 5 * k) * spread_out * Hz
    return units


def in_parts(plan, form=SPIKING, executor=None, unit=100, **more):
    """The plan in parts."""
    asked = {"dt": BRIEF_TIMES.dt, "target": "numpy", **more}
    return spread(plan, form, units_of(plan, unit), executor=executor or Here(), **asked)


def both(plan, form=SPIKING, unit=100, **more):
    """The same plan in one process, and in parts."""
    whole = simulate(plan, form, units_of(plan, unit), dt=BRIEF_TIMES.dt, target="numpy", **more)
    return whole, in_parts(plan, form, unit=unit, **more)


def differences(whole, parts):
    """What differs between two runs: names of populations with a field, and fields of the run."""
    found = {name for name in whole.values if not np.array_equal(whole.values[name], parts.values[name])}
    for one, other in zip(whole.records, parts.records, strict=True):
        fields = zip(one._fields, one, other, strict=True)
        found |= {f"{one.name}.{field}" for field, a, b in fields if field != "mean_rate" and not np.array_equal(a, b)}
        if not np.allclose(one.mean_rate, other.mean_rate, rtol=1e-12, atol=0):  # the order of a sum over heads
            found.add(f"{one.name}.mean_rate")
    for field in ("peak_rates", "t_stop", "seeds", "n_cell", "n_synapse", "interrupted"):
        if getattr(whole, field) != getattr(parts, field):
            found.add(field)
    return found


def far(whole, parts):
    """Largest distance of any value or recorded rate, relative to the largest of its population."""
    pairs = [(whole.values[name], parts.values[name]) for name in whole.values]
    pairs += [(np.asarray(a.rate), np.asarray(b.rate)) for a, b in zip(whole.records, parts.records, strict=True)]
    pairs = [pair for pair in pairs if pair[0].size]  # rates are recorded where cells do not spike
    return max(np.abs(a - b).max() / np.abs(a).max() for a, b in pairs)


def biased():
    """Biases of every head, a context of its own, and a mask."""
    rng = np.random.default_rng(5)
    given = {name: rng.normal(size=(2, size)) for name, size in (("b_Q", 3), ("b_K", 3), ("b_V", 2))}
    return given | {"context": rng.normal(size=(1, 4, 4)), "mask": rng.random((3, 4)) < 0.7}


PLANS = {
    "cross-attention, biases, mask; a synapse a pair": lambda: (plan_of(**biased()), {"shared": False, "seed": 3}),
    "undivided cells, weights A; two inputs, two cells per value": lambda: (
        plan_of(batch=2, normaliser="feedforward", A=np.eye(2, 3)),
        {"cells": 2, "record": "all"},
    ),
    "memory": lambda: (
        plan_of(memory_wiring, n_token=2, times=Times(60 * ms, 40 * ms, 20 * ms, 1 * ms), normaliser=None),
        {"record": "sample", "unit": 40},
    ),
}


@pytest.mark.parametrize("made", PLANS.values(), ids=PLANS)
def test_spikes_are_those_of_one_process(made):
    plan, more = made()
    whole, parts = both(plan, **more)
    assert differences(whole, parts) == set()
    assert whole.values["higher_order"].any()
    assert all(record.spike_index.size for record in whole.records)
    assert parts.target_reason.endswith("head by head")


def test_answers_are_those_of_one_process(monkeypatch):
    """Pilot, unit rates and judgement included."""
    monkeypatch.setattr("cortical_attention.simulation.attend.PILOT_SETTLE", 100 * ms)
    case, told = random_case(2, 2, n_head=2, d_model=3, d_key=2, d_value=2), []
    settings = Settings(SPIKING, window=80 * ms, settle=60 * ms, target="numpy")
    given = {"tokens": case.tokens[None], "settings": settings, **case.block._asdict()}
    whole = attend("mask", **given)
    parts = attend("mask", executor=Here(), report=lambda _, completed, *__: told.append(completed), **given)
    assert differences(whole.run, parts.run) == set()
    for field in ("output", "attention", "attention_sum"):
        assert np.array_equal(getattr(whole, field), getattr(parts, field))
    assert all(np.array_equal(a, b) for a, b in zip(whole.settled, parts.settled, strict=True))
    assert all(np.array_equal(whole.run.unit_rates[name], parts.run.unit_rates[name]) for name in whole.run.values)
    assert told == pytest.approx(np.arange(1, 5) / 4)


@pytest.mark.parametrize("form", [RATE, DALE], ids=["rate", "dale"])
def test_rates_are_those_of_one_process(form):
    whole, parts = both(plan_of(b_Q=np.ones((2, 3))), form)
    assert far(whole, parts) <= ROUNDING
    assert whole.values["higher_order"].any()
    assert all(record.spike_index is None for record in parts.records)


@pytest.mark.parametrize("normaliser", NORMALISERS)
def test_every_normaliser_is_cut_at_its_heads(normaliser):
    """Its cells of one component, and inputs by head that calibration would set."""
    plan = plan_of(normaliser=normaliser)
    populations = dict(plan.circuit.populations)
    interneuron = populations["interneuron"]
    start = np.array([2.0, 3.0]).reshape(1, 2, *(1 for _ in interneuron.axes[1:]))
    populations["interneuron"] = interneuron._replace(inputs=interneuron.inputs | {"start": start})
    whole, parts = both(plan._replace(circuit=plan.circuit._replace(populations=populations)), RATE)
    assert far(whole, parts) <= ROUNDING


def test_noise_is_that_of_one_process(monkeypatch):
    made_up = Table(np.array([-1.0, 0.8, 16.0]), np.array([0.0, 0.1, 400.0]))  # nothing has to be measured
    monkeypatch.setattr("cortical_attention.cells.membranes.f_i.f_i_table", lambda *_: made_up)
    whole, parts = both(plan_of(normaliser="slow"), ADAPTIVE, unit=40)
    assert differences(whole, parts) == set()


def test_a_shifted_stream_is_that_of_later_cells():
    cells, seed = np.arange(4), np.random.SeedSequence(5)
    for half in (0, 1):
        stream, later = stream_of(seed) + half, stream_of(seed, 2**29) + half
        assert np.array_equal(NOISE(cells, 9, later), NOISE(cells + 2**29, 9, stream))
        assert not np.array_equal(NOISE(cells, 9, stream), NOISE(cells + 2**29, 9, stream))  # negative control


# What the assertions above would not let pass
@pytest.fixture(scope="module")
def once():
    """The plan in one process."""
    return simulate(plan_of(), SPIKING, units_of(plan_of()), dt=BRIEF_TIMES.dt, target="numpy")


@pytest.fixture(scope="module")
def heads():
    """Runs of its two heads."""
    kept = []
    told = Here()
    told.submit = lambda task: kept.append(done := Here.submit(told, task)) or done
    in_parts(plan_of(), executor=told)
    return [each.result() for each in kept]


def test_the_heads_as_they_are_give_the_spikes_of_one_process(once, heads):
    assert differences(once, in_parts(plan_of(), executor=Given(heads))) == set()


def test_negative_control_exchanged_heads_give_another_answer(once, heads):
    """What the L5 PT cells of a head have sent reaches the synapses of the other one."""
    first, second = heads
    exchanged = [first._replace(sent=second.sent), second._replace(sent=first.sent)]
    parts = in_parts(plan_of(), executor=Given(exchanged))
    assert {"higher_order", "higher_order.spike_time"} <= differences(once, parts)
    last = [run.values["higher_order"][-1] for run in (once, parts)]
    assert np.linalg.norm(np.subtract(*last)) > 0.1 * np.linalg.norm(last[0])


def test_negative_control_one_step_is_told_apart(once, heads):
    late = [
        run._replace(sent={name: each._replace(steps=each.steps + 1) for name, each in run.sent.items()})
        for run in heads
    ]
    assert "higher_order.spike_time" in differences(once, in_parts(plan_of(), executor=Given(late)))


def test_a_head_that_is_interrupted(heads):
    with pytest.raises(KeyboardInterrupt):
        in_parts(plan_of(), executor=Given([heads[0], heads[1]._replace(interrupted=True)]))


def test_a_head_that_fails():
    units = units_of(plan_of()) | {"superficial": [1e5] * Hz}
    with pytest.raises(RunError, match="^superficial was asked for two spikes"):
        spread(plan_of(), SPIKING, units, executor=Here(), dt=BRIEF_TIMES.dt, target="numpy")


# Where circuits are cut
def test_stages():
    found = stages(plan_of().circuit)
    areas = ("intratelencephalic", "pyramidal_tract", "superficial", "interneuron")
    assert found == Stages(("core", "matrix"), areas, ("higher_order",))


LOOPS = {
    "to the first nucleus": ("higher_order -> core.soma", "im -> im", 1.0),
    "to an area": ("higher_order -> superficial.basal", "im, hkm -> hijk", np.ones((2, 3, 4))),
    "from an area to the first nucleus": ("pyramidal_tract -> core.soma", "hiv, mv -> im", np.ones((4, 2))),
}


def with_projection(name, expression, weights):
    """Circuit of the mask wiring with one projection more; feedback breaks a rule of the anatomy, which is not at issue."""
    circuit = plan_of().circuit._replace(breaks={"PT spares its driver": "feedback to be cut"})
    more = Projection(*name.split(" -> "), expression, weights)
    return circuit._replace(projections=(*circuit.projections, more)).check()


@pytest.mark.parametrize("given", LOOPS.values(), ids=LOOPS)
def test_feedback_is_refused_by_name(given):
    with pytest.raises(WiringError, match=f"^circuit 'mask': its heads cannot be spread, .*'{given[0]}' leads back"):
        stages(with_projection(*given))


def test_feedback_is_refused_before_anything_runs(monkeypatch):
    monkeypatch.setattr("cortical_attention.simulation.spread.simulate", None)
    looped = plan_of()._replace(circuit=with_projection(*LOOPS["to an area"]))
    with pytest.raises(WiringError, match="leads back"):
        in_parts(looped)


def test_a_projection_between_heads_is_refused_by_name():
    circuit = with_projection("pyramidal_tract -> superficial.basal", "hiv, ghkv -> gijk", np.ones((2, 2, 3, 2)))
    with pytest.raises(WiringError, match="'pyramidal_tract -> superficial.basal' joins one to another$"):
        stages(circuit)


def test_circuits_without_heads_or_of_several_numbers_of_heads_are_refused():
    circuit = plan_of().circuit
    nuclei = {"core": circuit.populations["core"]}
    with pytest.raises(WiringError, match="^circuit 'mask' has no population with a head axis"):
        stages(circuit._replace(populations=nuclei, projections=()))
    third = circuit.populations["pyramidal_tract"]._replace(name="third", axes=(("head", 3),))
    with pytest.raises(WiringError, match="differ in how many heads they have$"):
        stages(circuit._replace(populations=circuit.populations | {"third": third}))


def test_noise_of_several_inputs_is_refused_by_name():
    with pytest.raises(WiringError, match="^form 'adaptive': its noise needs .* in a batch of 2$"):
        spread(plan_of(batch=2), ADAPTIVE, units_of(plan_of(batch=2)), executor=Here(), dt=1 * ms, target="numpy")


def test_what_is_played_has_to_fit():
    population = Population("core", plan_of().circuit.populations["core"].cell, (("token", 3),), signed="soma")
    wrong = {
        "cell 6 is to be played, but it has 6 cells": (SPIKING, Sent(np.array([6]), np.array([0]), None)),
        r"rates have shape \(5, 6\), but 3 cells": (RATE, Sent(None, None, np.ones((5, 6)))),
    }
    for message, (form, sent) in wrong.items():
        concrete = expand_population(population._replace(sent=sent), form, 1, 1)
        with pytest.raises(WiringError, match=f"^population 'core': {message}"):
            play(concrete, Clock(1 * ms))


def test_heads_compile_to_the_same_program(tmp_path):
    """Also of other spikes, but for what sets arrays up: no header depends on how many there are."""
    plan, texts = plan_of(), []
    names = stages(plan.circuit).areas
    for k, (head, n_spike) in enumerate(((0, 7), (1, 7), (1, 8))):
        spikes = Sent(np.zeros(n_spike, np.int32), np.arange(n_spike, dtype=np.int32), None)
        cut = part(plan, names, {"core": spikes, "matrix": spikes}, slice(head, head + 1))
        texts.append(sources(tmp_path / str(k), cut, SPIKING))
    assert texts[0] == texts[1]
    changed = {name for name in texts[1] if texts[1][name] != texts[2].get(name)}
    assert changed
    assert not any(name.endswith(".h") for name in changed)
    assert len(changed) <= 4


def test_every_head_records_as_many_cells():
    plan = plan_of(context=np.ones((1, 50, 4)))
    recorded = initial_state(plan, SPIKING, 1, 0, "default").recorded["intratelencephalic"]
    of_head = np.bincount(recorded // (3 * 50 * 2 * 2))
    assert len(recorded) == 200
    assert of_head[0] != of_head[1]  # the sample of the whole
    asked = Given([None, None])
    with pytest.raises(AttributeError, match="interrupted"):  # there is no run of a head
        in_parts(plan, executor=asked)
    counts = [{name: cells.size for name, cells in each.keywords["given"].recorded.items()} for each in asked.tasks]
    assert counts[0] == counts[1]
    assert counts[0]["intratelencephalic"] == of_head.max()


# Workers
@pytest.fixture
def working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def two_heads():
    """A saved case of two heads."""
    given = {name: np.ones((2, 2, 3)) for name in ("W_Q", "W_K", "W_V")} | {"W_O": np.ones((2, 3, 2))}
    return saved(**given)


def test_local_workers_give_the_spikes_of_one_process_and_their_loss_fails_the_run(once):
    import dask
    import distributed  # noqa: F401 (before the setting, which would take all of its settings with it when it ends)

    def use():
        """Run the plan, and then lose a worker."""
        with executor_of(2) as executor:
            assert differences(once, in_parts(plan_of(), executor=executor)) == set()
            executor.submit(os._exit, 1).result()

    with dask.config.set({"distributed.scheduler.allowed-failures": 0}):
        pytest.raises(RunError, use).match("^a worker was lost")


def test_the_command_spreads_heads_and_writes_its_files(working_directory, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "cortical_attention.experiments.compare.executor_of", lambda *given: asked.append(given) or nullcontext(Here())
    )
    words = ("--out", "result", "--workers", 2, "--scheduler", "tcp://there", "--json")
    result = run("compare", two_heads(), *BRIEF, *words)
    assert result.exit_code == 1, result.output  # so short a run does not settle
    assert asked == [(2, "tcp://there")]
    assert json.loads(result.stdout) == json.loads(Path("result/comparison.json").read_text())
    assert "head by head" in Path("result/run.json").read_text()
    assert {"output.npy", "raster.png", "recording.h5"} <= {path.name for path in Path("result").iterdir()}


def test_workers_do_not_return_their_memory_at_once(monkeypatch):
    """Which dask has them do: a run in numpy then takes five times as long."""
    monkeypatch.delenv(TRIMMING, raising=False)
    with local(1) as client:
        assert list(client.run(os.environ.get, TRIMMING).values()) == [None]


def test_a_cluster_needs_workers_of_one_thread(monkeypatch):
    import distributed

    at = {"processes": False, "protocol": "tcp", "dashboard_address": None, "threads_per_worker": 2}
    at["scheduler_kwargs"] = {"dashboard_address": ANY_PORT}
    with distributed.LocalCluster(n_workers=1, **at) as cluster:
        for workers, wait, message in (
            (1, PATIENCE, "workers of 2 threads"),
            (2, 10, "has 1 workers but needs to have 2"),  # waits in vain, so long
        ):
            monkeypatch.setattr(command_heads, "WAIT", wait)  # s
            with (
                pytest.raises(OptionError, match=f"^--scheduler has .*{message.removeprefix('has ')}"),
                executor_of(workers, cluster.scheduler_address),
            ):
                pytest.fail("never opened")


def test_bad_workers_are_refused(working_directory, monkeypatch):
    monkeypatch.setattr(command_heads, "WAIT", 1)
    check_refused("compare", saved(), "--workers", "-1", names="--workers")
    check_refused("compare", saved(), "--scheduler", "tcp://127.0.0.1:1", names=["--scheduler", "127.0.0.1:1"])
