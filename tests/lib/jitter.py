# SPDX-License-Identifier: Apache-2.0
"""Stalls of a process under test, as a loaded machine makes them: it is stopped for a moment, again and again, at random."""
import os, random, signal, threading

WANTED = os.environ.get("CORACLE_TEST_JITTER", "") not in ("", "0")
STOPPED = (0.02, 0.3)  # seconds
RUNNING = (0.02, 0.6)


class Jitter:
    """Stalls a subprocess.Popen until it ends or finish() is called."""

    def __init__(self, process, seed=None):
        self.process, self.random, self.enough = process, random.Random(seed), threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while self.process.poll() is None and not self.enough.wait(self.random.uniform(*RUNNING)):
            self.process.send_signal(signal.SIGSTOP)  # does nothing to a process that was waited for
            self.enough.wait(self.random.uniform(*STOPPED))
            self.process.send_signal(signal.SIGCONT)

    def finish(self):
        self.enough.set()
        self.thread.join()


def follow(process):
    """A Jitter of the process where the environment asks for one: CORACLE_TEST_JITTER=1."""
    return Jitter(process) if WANTED else None
