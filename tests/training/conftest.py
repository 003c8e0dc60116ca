"""One thread for each test: others run beside it."""

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def single_thread() -> None:
    torch.set_num_threads(1)
