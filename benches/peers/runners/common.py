"""The protocol of ../README.md for runners in Python: a runner is a class, `serve` talks to the host."""

import json
import math
import os
import sys
import time
import traceback

import numpy as np


class Unsupported(Exception):
    """The library has no such operation; the reason goes into the table."""


def read(file):
    """A tensor's file as an array."""
    return np.fromfile(file["path"], dtype="<f4").reshape(file["shape"])


def symmetric(padding):
    """Padding of each axis where both sides are alike."""
    if any(begin != end for begin, end in padding):
        raise Unsupported("padding differs between the sides")
    return [begin for begin, _ in padding]


def activation(problem):
    """Its name; the others have parameters."""
    name = problem["epilogue"]["activation"]
    if name not in ("identity", "relu", "relu6"):
        raise Unsupported(f"activation {name}")
    return name


def check_convolution(problem):
    """Refuses what no other library has."""
    if problem.get("flip_kernel"):
        raise Unsupported("flipped kernels")
    if problem.get("padding_mode", "zeros") not in ("zeros", "zero"):
        raise Unsupported(f"padding with {problem['padding_mode']}")


class Runner:
    """What a library does with a case."""

    # Most executions of a batch.
    max_repeats = 2000

    def hello(self, threads):
        """version, device, driver, precision, timed."""
        raise NotImplementedError

    def prepare(self, case):
        """Uploads, compiles, tunes; returns a word on how it is computed, or None."""
        raise NotImplementedError

    def execute(self):
        """Submits one execution."""
        raise NotImplementedError

    def synchronize(self):
        """Waits for all that was submitted."""

    def outputs(self):
        """Executes once: arrays by the name of the tensor."""
        raise NotImplementedError

    def forget(self):
        """Frees the case."""

    def batch(self, repeats):
        """Milliseconds of that many executions."""
        self.synchronize()
        start = time.perf_counter()
        for _ in range(repeats):
            self.execute()
        self.synchronize()
        return (time.perf_counter() - start) * 1e3


def serve(make):
    """Answers requests until there are no more."""
    out = os.fdopen(os.dup(1), "w")
    # Libraries may print; the host would not understand.
    os.dup2(2, 1)
    session = _Session(make)
    for line in sys.stdin:
        try:
            reply = session.answer(json.loads(line))
        except Unsupported as reason:
            reply = {"reply": "unsupported", "reason": str(reason)}
        except Exception as error:  # noqa: BLE001 - whatever a library throws is its answer
            traceback.print_exc()
            text = " ".join(str(error).split())[:300]
            reply = {"reply": "error", "message": f"{type(error).__name__}: {text}"}
        out.write(json.dumps(reply) + "\n")
        out.flush()


class _Session:
    def __init__(self, make):
        self.make = make
        self.runner = None
        self.case = None
        self.repeats = None

    def answer(self, request):
        method = request["method"]
        if method == "hello":
            try:
                self.runner = self.make()
            except ImportError as error:
                raise Unsupported(f"not usable: {error}") from error
            return {"reply": "hello", **self.runner.hello(request["threads"])}
        if method == "prepare":
            self.case, self.repeats = None, None
            self.runner.forget()
            how = self.runner.prepare(request)
            self.case = request
            return {"reply": "ready"} if how is None else {"reply": "ready", "how": how}
        if method == "run":
            for name, values in self.runner.outputs().items():
                file = self.case["outputs"].get(name)
                if file is not None:
                    np.ascontiguousarray(values, dtype="<f4").tofile(file["path"])
            return {"reply": "done"}
        if method == "time":
            return self.time(request["batches"], request["min_ms"])
        if method == "drop":
            self.case = None
            self.runner.forget()
            return {"reply": "done"}
        raise ValueError(f"method {method!r}")

    def time(self, batches, min_ms):
        if self.repeats is None:
            self.repeats = self.calibrate(min_ms)
        # Clocks and caches settle: others ran since.
        self.runner.batch(self.repeats)
        ms = [self.runner.batch(self.repeats) / self.repeats for _ in range(batches)]
        return {"reply": "times", "ms": ms, "repeats": self.repeats}

    def calibrate(self, min_ms):
        repeats, most = 1, self.runner.max_repeats
        while True:
            # The better of two: something else may have run meanwhile.
            ms = min(self.runner.batch(repeats), self.runner.batch(repeats))
            if ms >= min_ms or repeats >= most:
                return repeats
            # A fifth more than it seems to take; not much more than before, which was short and may mislead.
            wanted = math.ceil(1.2 * repeats * min_ms / max(ms, 1e-6))
            repeats = min(max(wanted, repeats + 1), 10 * repeats, most)
