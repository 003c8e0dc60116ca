"""Take turns: run an action whenever a line comes in, answer with the seconds it took.

They are the processor's where all works in one thread: on a quiet machine the clock says the same.

It runs in every peer's environment and so needs nothing but the standard library.
"""

import sys
import time
from collections.abc import Callable


def serve(action: Callable[[], object], *, clock: Callable[[], float] = time.process_time) -> None:
    """Run `action` once to warm up, then once for each line of standard input."""
    action()
    print("ready", flush=True)
    for _ in sys.stdin:
        begun = clock()
        action()
        print(clock() - begun, flush=True)
