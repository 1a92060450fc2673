"""Promote, but be killed right before the Nth step that changes a file system: `killed_promotion.py STORE EXPERIMENT MODEL N`.

With N = 0 it is not killed, and prints how many steps there were.
"""

import os
import signal
import sys
from pathlib import Path

from atelier_server.promoting import promote_best
from atelier_store.layout import Store

CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.truncate", "os.utime"}
store, experiment, model, last = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
steps = 0


def step() -> None:
    global steps
    steps += 1
    if steps == last:
        os.kill(os.getpid(), signal.SIGKILL)


def watch(event: str, arguments: tuple[object, ...]) -> None:
    opens_to_write = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    if (event in CHANGES or opens_to_write) and store in str(arguments[0]):
        step()


real_fsync = os.fsync


def fsync(descriptor: int) -> None:
    step()
    real_fsync(descriptor)


sys.addaudithook(watch)
os.fsync = fsync
promote_best(Store(Path(store)), experiment, model)
sys.stdout.write(str(steps))
