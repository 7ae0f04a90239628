"""What Brian2's C++ standalone device spends: compiling apart from the time loop, the program apart from the compiler."""

import os
import subprocess
import time
from contextlib import contextmanager
from unittest.mock import patch

from brian2 import prefs
from brian2.devices.cpp_standalone.device import CPPStandaloneDevice

standalone = prefs.devices.cpp_standalone


class Clocked:
    """What `clocked` saw.

    Attributes
    ----------
    run_s : float or None
        Time loop of the last program, as the program itself measured it; None where none has run.
    compile_s : float
        From the network to its program: generating code, and compiling what was not compiled before.
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
    seen, device = Clocked(), CPPStandaloneDevice
    run, build, jobs = device.run, device.build, standalone.extra_make_args_unix
    standalone.extra_make_args_unix = [f"-j{os.cpu_count()}"]  # Brian2's own is a compiler for every file at once

    def clocked_run(*arguments, **options):
        """`run` of the device, with a note of the time loop and the memory of its program."""
        start = time.perf_counter()
        with patch("subprocess.call", seen.call):
            run(*arguments, **options)
        seen.run_s = arguments[0]._last_run_time
        seen.compile_s -= time.perf_counter() - start

    def clocked_build(*arguments, **options):
        """`build` of the device, with a note of its time apart from that of the program."""
        start = time.perf_counter()
        build(*arguments, **options)
        seen.compile_s += time.perf_counter() - start

    try:
        with patch.object(device, "run", clocked_run), patch.object(device, "build", clocked_build):
            yield seen
    finally:
        standalone.extra_make_args_unix = jobs
