"""What reaches the terminal: sentences of ours, and nothing of libraries, from the command or from a worker of its own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command import ROOT, python
from tests.sweeping import alive, finish, until

LOUD = '''
"""Libraries in trouble."""

import asyncio, atexit, gc, logging, os, sys, threading, warnings

WORDS = "a log", "a log of asyncio", "a warning", "an error in a thread", "an error in a finalizer", "a log at the end"


def log(words):
    """As distributed does: with a handler of its own, made when it is imported."""
    logger = logging.getLogger("library")
    logger.addHandler(logging.StreamHandler())
    logger.setLevel("INFO")
    logger.info(words)


def fail(words):
    raise RuntimeError(words)


async def forget():
    asyncio.get_running_loop().create_task(never())
    await asyncio.sleep(0)
    gc.collect()


async def never():
    fail("a log of asyncio")


class Finalized:
    def __del__(self):
        fail("an error in a finalizer")


def speak():
    """All that a library may say without being asked."""
    log("a log")
    warnings.warn("a warning", stacklevel=2)
    thread = threading.Thread(target=asyncio.run, args=(forget(),))
    thread.start()
    thread.join()
    thread = threading.Thread(target=fail, args=("an error in a thread",))
    thread.start()
    thread.join()
    Finalized()
    atexit.register(log, "a log at the end")
'''
COMMAND = """
from cortical_attention.command import status
import loud

def main():
    {body}

if __name__ == "__main__":
    status.script(main)
"""
HERE = "loud.speak()"
WORKER = """
    from cortical_attention.command import clusters  # imports Brian2, which takes warnings for itself

    with clusters.local(1, ["./loud.py"]) as client:
        client.run(compiled)
        client.run(loud.speak)

def compiled():
    os.write(1, b"words of compiled code")
    os.write(2, b"words of compiled code")
"""
HELD = """
import os, time
from pathlib import Path

Path("held").write_text(str(os.getpid()))
while not Path("gate").exists():
    time.sleep(0.02)
"""
STARTED = """
    from cortical_attention.command import clusters

    with clusters.local(1, ["./{}"]):
        pass
"""


@pytest.fixture(autouse=True)
def working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONWARNINGS", raising=False)  # which a command in this process may have left
    Path("loud.py").write_text(LOUD)


def command(body):
    """Arguments of a Python that runs a command."""
    return "-c", "import os, sys; sys.path.insert(0, '.')" + COMMAND.format(body=body)


def words():
    """What libraries say."""
    found = {}
    exec(LOUD, found)
    return found["WORDS"]


@pytest.mark.parametrize("body", [HERE, WORKER], ids=["command", "worker"])
def test_libraries_are_kept_from_the_terminal(body):
    done = python(*command(body))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("body", [HERE, WORKER], ids=["command", "worker"])
def test_negative_control_in_development_mode_they_are_heard(body, monkeypatch):
    monkeypatch.setenv("PYTHONDEVMODE", "1")
    done = python(*command(body))
    assert done.returncode == 0, done.stderr
    assert [each for each in words() if each not in done.stderr] == []
    assert ("words of compiled code" in done.stdout) == (body is WORKER)


def test_errors_of_the_command_are_not_kept_back():
    done = python(*command("raise ZeroDivisionError('a bug of ours')"))
    assert done.returncode == 1
    assert done.stderr.endswith("ZeroDivisionError: a bug of ours\n")


@pytest.mark.parametrize(("before", "said"), [("silence()", "interrupted"), ("", "never interrupted")])
def test_an_interruption_in_a_finalizer_is_not_lost(before, said):
    """Without `silence` it is lost, as in any Python program."""
    done = python(
        "-c",
        "import signal, time, weakref\n"
        "from cortical_attention.command.terminal import silence\n"
        f"{before}\n"
        "class Object: pass\n"
        "one = Object()\n"
        "reference = weakref.ref(one, lambda _: signal.raise_signal(signal.SIGINT))\n"
        "try:\n"
        "    del one\n"
        "    time.sleep(5)\n"
        "    print('never interrupted')\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')",
    )
    assert done.stdout.strip() == said


def test_warnings_that_are_asked_for_are_shown(monkeypatch):
    monkeypatch.setenv("PYTHONWARNINGS", "default::UserWarning")
    done = python(*command(HERE))
    assert "a warning" in done.stderr
    assert "a log" not in done.stderr


def test_importing_changes_no_logging():
    code = (
        "import logging, os, sys, threading\n"
        "def state():\n"
        "    return (logging.root.manager.disable, logging.root.level, list(logging.root.handlers),\n"
        "        sys.unraisablehook, threading.excepthook, os.environ.get('PYTHONWARNINGS'))\n"
        "before = state()\n"
        "import cortical_attention.command.clusters, cortical_attention.command.line, cortical_attention.command.heads\n"
        "import cortical_attention.experiments.sweep\n"
        "assert state() == before"
    )
    done = python("-c", code)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def starting():
    """A command in a session of its own, and its worker, which imports until there is a file called gate."""
    Path("held.py").write_text(HELD)
    start = [sys.executable, *command(STARTED.format("held.py"))]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(start, env=environment, start_new_session=True, **pipes) as process:
        try:
            yield process, int(until(lambda: Path("held").exists() and Path("held").read_text()))
        finally:
            process.kill()


def test_ctrl_c_does_not_reach_a_worker_that_starts(starting):
    process, worker = starting
    os.kill(worker, signal.SIGINT)
    Path("gate").touch()
    assert finish(process) == (0, "", "")


def test_ctrl_c_ends_a_command_whose_workers_start(starting):
    """At a terminal it goes to every process."""
    process, worker = starting
    os.killpg(process.pid, signal.SIGINT)
    assert finish(process) == (130, "", "cortical-attention: interrupted\n")
    until(lambda: not alive(worker))


def test_workers_that_do_not_start_are_one_sentence():
    Path("broken.py").write_text("import os; os._exit(1)")
    done = python(*command(STARTED.format("broken.py")))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "cortical-attention: the workers did not start; there may be too little memory\n"
