"""A run to be killed: python killed_run.py FOLDER RESULT [SECONDS_PER_STEP] [MAX_EPOCHS]; or a server of such runs."""

import functools
import json
import os
import sys
import time

import numpy as np
import torch
from tiny_rules import TinyRule, tiny_source, tiny_validation

from strata.engine import Checkpointing, EarlyStopping, train
from strata.errors import RunInterrupted


class SlowRule(TinyRule):
    """Take time over a step, so that there is a moment to be killed in."""

    pause = 0.0

    def step(self, batch):
        time.sleep(self.pause)
        return super().step(batch)

    def describe(self):
        return {"rule": "TinyRule", "decay": self.decay}


def main(folder, result, pause="0.0", max_epochs="8", ready=lambda: print("ready", flush=True)):
    os.fsync = lambda descriptor: None  # the process is killed here, not the power cut
    torch.set_num_threads(1)
    SlowRule.pause = float(pause)
    rule, source = SlowRule(), tiny_source()
    torch.manual_seed(11)
    np.random.seed(11)
    ready()
    run = train(
        rule,
        source,
        max_epochs=int(max_epochs),
        validate=tiny_validation,
        callbacks=[EarlyStopping("val_loss", patience=1000, restore_best=False)],
        checkpoint=Checkpointing(folder, every_steps=3),
        resume=True,
    )
    weights = np.concatenate([value.numpy().ravel() for value in rule.net.state_dict().values()])
    np.savez(result, weights=weights, loss=run.history["loss"], val_loss=run.history["val_loss"], t=rule.t)


def exit_code(*arguments, **options):
    """Do as a command would: the code says which signal came."""
    try:
        main(*arguments, **options)
    except RunInterrupted as stop:
        print(stop, file=sys.stderr, flush=True)
        return 128 + stop.signal_number
    return 0


def serve():
    """Run what is asked for, line by line, each in a fork of this process, which has computed next to nothing."""
    TinyRule()  # torch imports much of itself with the first optimizer
    print("serving", flush=True)
    for line in iter(sys.stdin.readline, ""):
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                code = exit_code(*json.loads(line), ready=functools.partial(os.write, writer, b"r"))
            finally:
                os._exit(code)
        os.close(writer)
        os.read(reader, 1)
        os.close(reader)
        print(pid, flush=True)
        sys.stdin.readline()  # a run that ended by itself keeps its number until it is asked for its code
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


if __name__ == "__main__":
    sys.exit(serve() if sys.argv[1:] == ["serve"] else exit_code(*sys.argv[1:]))
