"""Every back end keeps what back ends promise; see `variegate.testing.BackendSuite`.

Ray and Lambda need something to be there; their own tests subclass the suite.
"""

from typing import ClassVar

from variegate.testing import BackendSuite


class TestLocal(BackendSuite):
    """Two processes."""

    name = "local"
    options: ClassVar = {"workers": 2}


class TestThisProcess(BackendSuite):
    """None but this one."""

    name = "local"
    options: ClassVar = {"workers": 0}
