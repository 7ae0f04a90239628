"""What Brian2's C++ standalone device spends: compiling apart from the time loop."""

from contextlib import contextmanager

from brian2.devices.cpp_standalone.device import CPPStandaloneDevice


class Clocked:
    """What `clocked` saw.

    Attributes
    ----------
    run_s : float or None
        Time loop of the last program, as the program itself measured it; None where none has run.
    compile_s : float
        Of `make`; zero where the program was compiled already.
    """

    run_s = None
    compile_s = 0.0


@contextmanager
def clocked():
    """Watch every standalone program that runs meanwhile.

    Yields
    ------
    Clocked
    """
    seen, original = Clocked(), CPPStandaloneDevice.run

    def run(device, *arguments, **options):
        answer = original(device, *arguments, **options)
        seen.run_s = device._last_run_time
        seen.compile_s += device.timers["compile"]["make"] or 0.0
        return answer

    CPPStandaloneDevice.run = run
    try:
        yield seen
    finally:
        CPPStandaloneDevice.run = original
