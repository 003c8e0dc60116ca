"""Take turns: run an action whenever a line comes in, answer with the seconds it took.

It runs in every peer's environment and so needs nothing but the standard library.
"""

import sys
import time
from collections.abc import Callable


def serve(action: Callable[[], object]) -> None:
    """Run `action` once to warm up, then once for each line of standard input."""
    action()
    print("ready", flush=True)
    for _ in sys.stdin:
        begun = time.perf_counter()
        action()
        print(time.perf_counter() - begun, flush=True)
