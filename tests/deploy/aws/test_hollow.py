"""Libraries without what they do are loaded as before, and take almost no room."""

import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from variegate.deploy.aws.hollow import SharedLibrary, drop_unneeded, hollow, is_shared_library

NEEDED, SONAME = 1, 14

LOAD = """
import ctypes, sys
library = ctypes.CDLL(sys.argv[1])
library.avcodec_version
try:
    library.no_such_function
except AttributeError:
    print("loaded")
"""


@pytest.fixture
def wheel(tmp_path) -> Path:
    """A copy of OpenCV with its libraries."""
    place = Path(cv2.__file__).parents[1]
    libraries = place / "opencv_python_headless.libs"
    if sys.platform != "linux" or not libraries.is_dir():
        pytest.skip("OpenCV has no libraries of its own here")
    shutil.copytree(libraries, tmp_path / libraries.name)
    (tmp_path / "cv2").mkdir()
    for path in (place / "cv2").glob("*.so"):
        shutil.copy(path, tmp_path / "cv2" / path.name)
    return tmp_path


def test_the_loader_finds_all_names_and_no_code_is_left(wheel):
    (codec,) = wheel.glob("*.libs/libavcodec-*")
    before = codec.stat().st_size
    name = SharedLibrary(codec.read_bytes()).names(SONAME)
    hollow(codec)
    assert codec.stat().st_size < before / 10
    made = SharedLibrary(codec.read_bytes())
    assert made.names(NEEDED) == []
    assert made.names(SONAME) == name
    done = subprocess.run(
        [sys.executable, "-c", LOAD, str(codec)], capture_output=True, text=True, check=False
    )
    assert done.stdout == "loaded\n", done.stderr


def test_opencv_works_with_hollow_libraries(wheel):
    for name in ("avcodec", "avformat", "avutil", "swscale", "aom"):
        for path in wheel.glob(f"*.libs/lib{name}-*"):
            hollow(path)
    drop_unneeded(wheel)
    left = {path.name.partition("-")[0] for path in wheel.glob("*.libs/*")}
    assert "libopenblasp" in left
    assert not {"libvpx", "libssl", "libswresample"} & left
    (library,) = (wheel / "cv2").glob("*.so")
    program = (
        "import importlib.util, sys, numpy as np\n"
        "spec = importlib.util.spec_from_file_location('cv2', sys.argv[1])\n"
        "cv2 = importlib.util.module_from_spec(spec); spec.loader.exec_module(cv2)\n"
        "image = np.arange(48, dtype=np.uint8).reshape(4, 12)\n"
        "for kind in ('.png', '.bmp', '.tiff', '.webp', '.jpg'):\n"
        "    ok, data = cv2.imencode(kind, image)\n"
        "    assert cv2.imdecode(data, 0).shape == image.shape\n"
        "assert cv2.imdecode(np.arange(99, dtype=np.uint8), 0) is None\n"
        "print(cv2.resize(image, (6, 2)).shape, cv2.invert(np.eye(3))[0])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(library)], capture_output=True, text=True, check=False
    )
    assert done.stdout == "(2, 6) 1.0\n", done.stderr


def test_other_files_are_no_libraries(tmp_path):
    (tmp_path / "a.so").write_text("INPUT(libm.so.6)")
    assert not is_shared_library(tmp_path / "a.so")
