"""What Brian2's C++ standalone device spends: compiling apart from the time loop, the program apart from the compiler."""

import os
import subprocess
from contextlib import contextmanager
from unittest.mock import patch

from brian2.devices.cpp_standalone.device import CPPStandaloneDevice


class Clocked:
    """What `clocked` saw.

    Attributes
    ----------
    run_s : float or None
        Time loop of the last program, as the program itself measured it; None where none has run.
    compile_s : float
        Of `make`; zero where the program was compiled already.
    program : int
        Most memory that a program has held, in the unit of `resource.getrusage`; zero where none has run.
    """

    run_s = None
    compile_s = 0.0
    program = 0

    def call(self, command, **options):
        """`subprocess.call`, with a note of the memory of what it starts."""
        started = subprocess.Popen(command, **options)
        _, status, usage = os.wait4(started.pid, 0)
        started.returncode = os.waitstatus_to_exitcode(status)
        self.program = max(self.program, usage.ru_maxrss)
        return started.returncode


@contextmanager
def clocked():
    """Watch every standalone program that runs meanwhile.

    Yields
    ------
    Clocked
    """
    seen, original = Clocked(), CPPStandaloneDevice.run

    def run(device, *arguments, **options):
        with patch("subprocess.call", seen.call):
            answer = original(device, *arguments, **options)
        seen.run_s = device._last_run_time
        seen.compile_s += device.timers["compile"]["make"] or 0.0
        return answer

    with patch.object(CPPStandaloneDevice, "run", run):
        yield seen
