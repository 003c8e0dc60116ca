"""What tests of Edge Impulse share: the server as a process, and its state."""

import json
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_impulse_server import KEY, PROJECT
from servers import free_port, running

SERVER = Path(__file__).with_name("edge_impulse_server.py")


@dataclass(frozen=True)
class Service:
    """The server: where it is, and what it holds."""

    url: str

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which it is found."""
        return {
            "EI_INGESTION_ENDPOINT": self.url,
            "EI_API_ENDPOINT": f"{self.url}/v1",
            "EI_API_KEY": KEY,
        }

    def state(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url}/state", timeout=30) as answer:
            return json.loads(answer.read())

    def samples(self) -> list[dict[str, Any]]:
        return self.state()["samples"]


@contextmanager
def edge_impulse(**faults: int | str | list[int]) -> Iterator[Service]:
    """Run the server; see its module for the faults."""
    port = free_port()
    with running([sys.executable, str(SERVER), str(port), json.dumps(faults)], port) as url:
        yield Service(url)


__all__ = ["KEY", "PROJECT", "Service", "edge_impulse"]
