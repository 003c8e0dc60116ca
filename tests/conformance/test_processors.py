"""The same bytes on processors with AVX-512 and with AVX2 only, with Intel's IPP and without.

One machine plays several: OpenCV, numpy and the C library are told to leave instructions unused.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import digests
import pytest

NUMPY_512 = "X86_V4 AVX512_ICL AVX512_SPR"
LESSER = {
    "AVX2 only": {
        "OPENCV_CPU_DISABLE": "AVX512-SKX",
        "NPY_DISABLE_CPU_FEATURES": NUMPY_512,
        "OPENCV_IPP": "avx2",
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-AVX512DQ,-AVX512CD",
    },
    "no IPP": {"OPENCV_IPP": "disabled"},
}
#: IPP resizes floats its own way; an OpenCV built without it, unlike PyPI's, differs there. What
#: uses such a resize: a wide blur, blotches, clouds of light, drops.
FLOAT_RESIZES = {
    *("gaussian_blur", "iso_noise", "shadow", "spatter", "frost", "corruptions"),
    *("plasma_brightness", "plasma_shadow"),
}

_FEATURES = """
import cv2
from numpy._core._multiarray_umath import __cpu_features__ as found
print(cv2.getCPUFeaturesLine(), cv2.ipp.useIPP(), *(name for name, has in found.items() if has))
"""


def run(*arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.fixture(scope="module")
def here() -> dict[str, str]:
    return json.loads(run(digests.__file__, "2", "recipes"))


def supports(instructions: str) -> bool:
    info = Path("/proc/cpuinfo")
    return info.exists() and instructions in info.read_text()


@pytest.mark.parametrize("processor", LESSER)
def test_same_bytes_on_another_processor(processor, here):
    if not supports("avx2"):
        pytest.skip("the promise is for processors with AVX2; this one has none")
    if processor == "AVX2 only" and not supports("avx512f"):
        pytest.skip("this processor has no AVX-512 that could be left unused")
    features = run("-c", _FEATURES, **LESSER[processor])
    if processor == "AVX2 only":
        assert "*AVX512-SKX?" in features  # the question mark: switched off
        assert "X86_V4" not in features
        assert "*AVX2" in features
    else:
        assert " False " in features
    elsewhere = json.loads(run(digests.__file__, "2", "recipes", **LESSER[processor]))
    assert len(here) > 300
    different = {name.split()[0] for name in here if here[name] != elsewhere[name]}
    assert different <= (FLOAT_RESIZES if processor == "no IPP" else set())


def test_a_test_of_processors_would_notice(here):
    # Without AVX2 warps differ, which is why the promise asks for it (and why levels are recorded).
    if not supports("avx2"):
        pytest.skip("this processor has no AVX2 that could be left unused")
    lesser = run(digests.__file__, "2", OPENCV_CPU_DISABLE="AVX512-SKX,AVX2,FP16,AVX")
    elsewhere = json.loads(lesser)
    different = {name.split()[0] for name in elsewhere if here[name] != elsewhere[name]}
    assert "rotate" in different
    assert "brightness" not in different


_WITH_FOUR_THREADS = """
import cv2, runpy, sys
cv2.setNumThreads(4)
cv2.setNumThreads = lambda number: None
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_same_bytes_whatever_the_number_of_threads(here):
    elsewhere = run("-c", _WITH_FOUR_THREADS, digests.__file__, "2", "recipes")
    assert json.loads(elsewhere) == here
