"""The shape of the code: each module imports only what stands above it, and does nothing more."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "src" / "variegate"

# A room may import those before it, and nobody else. A new one gets its place here.
ORDER = (
    *("errors", "seeding", "validation"),
    *("codecs", "annotations", "storage", "ops", "formats", "transforms", "recipes", "runs"),
    *("models", "datasets", "tolerance", "training", "serving"),
    *("reports", "deploy", "studio", "testing", "cli"),
    "__main__",
)

# Packages that are not always installed, or that are dear to import, and the files that may.
ONLY_IN = {
    "torch": {
        "training",
        *(f"datasets/torch/{name}.py" for name in ("collation", "tensors", "variants")),
    },
    "torchvision": {"training/backbones.py"},
    "onnx": {"training/export.py"},
    "tensorboard": {"training/boards.py"},
    "albumentations": {"ops/albumentations.py"},
    "pillow_heif": {"codecs/heif.py"},
    "resvg_py": {"codecs/svg_process.py"},
    "ray": {"runs/backends/ray.py"},
    "obstore": {"storage/object_store.py"},
    "watchfiles": {"runs/watch.py"},
    "httpx": {"datasets/upload/edge_impulse.py"},
    "huggingface_hub": {"datasets/upload/hugging_face.py"},
    "rich": {"cli"},
    "onnxruntime": {"models/predictors/onnx.py", "training/export.py"},
    "ai_edge_litert": {"models/predictors/litert.py"},
    **{name: {"serving"} for name in ("fastapi", "starlette", "uvicorn", "mangum")},
    "boto3": {"deploy", "runs/backends/aws_lambda.py", "serving/function.py"},
    "botocore": {"deploy", "runs/backends/aws_lambda.py"},
    "typer": {"cli"},
    "pytest": {"testing"},
    "pyarrow": {
        *("runs/manifest.py", "runs/verify.py", "runs/output.py", "reports/preview.py"),
        *("formats/imagefolder/metadata.py", "formats/imagefolder/writer.py"),
    },
}
# These are imported when they are needed, but never because something of variegate is.
LATE = (
    "onnxruntime",
    "ai_edge_litert",
    *("fastapi", "starlette", "uvicorn", "mangum"),
    "watchfiles",
    "httpx",
    "huggingface_hub",
    "obstore",
    "ray",
    "pyarrow",
    "torch",
    "torchvision",
    "tensorboard",
    "albumentations",
    "pillow_heif",
    "resvg_py",
    "pandas",
    "typer",
    "rich",
)
NOWHERE = (
    "scipy",
    "pandas",
    "requests",
)

# What is learned is torch's; options, images, order and figures are not.
TRAINS = tuple(
    f"variegate.training.{name}"
    for name in (
        *("backbones", "boards", "checkpoint", "corrupted_images", "export", "features"),
        *("frozen_runs", "items", "loop", "prove", "train", "trained_runs", "weights"),
    )
)

FILES = sorted(ROOT.rglob("*.py"))
NAMES = [str(path.relative_to(ROOT)) for path in FILES]
every_file = pytest.mark.parametrize("path", FILES, ids=NAMES)


def imports(tree: ast.AST, *, at_import: bool = False) -> Iterator[str]:
    """Yield the modules that are imported; with `at_import` only those that importing runs."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if at_import and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if at_import and isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if is_module(name) else str(node.module) for name in names)
        waiting += ast.iter_child_nodes(node)


def is_module(name: str) -> bool:
    path = ROOT.parent / name.replace(".", "/")
    return path.is_dir() or path.with_suffix(".py").is_file()


def module(path: Path) -> str:
    """Return the name by which a file is imported."""
    return ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")


def layer(name: str) -> int:
    part = name.split(".")[1]
    assert part in ORDER, f"variegate.{part} has no place in ORDER in tests/test_layers.py yet"
    return ORDER.index(part)


@every_file
def test_a_module_imports_only_what_stands_above_it(path):
    if path == ROOT / "__init__.py":
        return  # the whole package's front door
    own = layer(module(path))
    for name in imports(ast.parse(path.read_text())):
        if name.startswith("variegate."):
            assert layer(name) <= own, f"{module(path)} imports {name}, which stands below it"
        else:
            # Only the command line and the demonstration come through the front door.
            assert name != "variegate" or own >= ORDER.index("cli"), module(path)


@every_file
def test_optional_packages_are_imported_in_their_own_file(path):
    inside = path.relative_to(ROOT)
    for name in imports(ast.parse(path.read_text())):
        top = name.partition(".")[0]
        assert top not in NOWHERE
        if top in ONLY_IN:
            places = ONLY_IN[top]
            assert str(inside) in places or inside.parts[0] in places, f"{inside} imports {top}"


def test_no_circle_of_imports():
    graph = {
        module(path): {
            name
            for name in imports(ast.parse(path.read_text()), at_import=True)
            if name.startswith("variegate.") and name != module(path)
        }
        for path in FILES
    }
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join([*trail[trail.index(name) :], name])
        if name in done:
            return
        for other in graph.get(name, ()):
            # A folder's own __init__ collects what is in it.
            if not name.startswith(f"{other}."):
                visit(other, (*trail, name))
        done.add(name)

    for name in graph:
        visit(name, ())


# Runs in a process of its own, in which files of the package may be read and nothing else happens.
IMPORTING = """
import importlib, json, os, sys

asked = []

class Watched(dict):
    def __getitem__(self, key):
        seen(key)
        return super().__getitem__(key)
    def get(self, key, default=None):
        seen(key)
        return super().get(key, default)
    def __contains__(self, key):
        seen(key)
        return super().__contains__(key)

def seen(key):
    frame = sys._getframe(2)
    while frame and frame.f_globals.get("__name__", "").split(".")[0] in ("os", "_collections_abc"):
        frame = frame.f_back
    if frame and frame.f_globals.get("__name__", "").startswith("variegate"):
        asked.append(str(key))

def hook(event, arguments):
    if event.startswith(("socket.", "subprocess.", "os.system", "urllib.")):
        happened.append(event)

happened = []
sys.addaudithook(hook)
os.environ._data = Watched(os.environ._data)
for name in sys.argv[1:]:
    importlib.import_module(name)
late = [name for name in %r if name in sys.modules]
print(json.dumps({"asked": asked, "happened": happened, "late": late}))
"""


def test_importing_does_nothing_but_import():
    names = [module(path) for path in FILES]
    # Torch's dataset is a subclass of torch's, the command line is typer's, reports read tables.
    own = ("cli", "__main__", "reports")
    torchs = ("variegate.datasets.torch", *TRAINS)
    names = [n for n in names if layered(n) not in own and not n.startswith(torchs)]
    program = IMPORTING % (LATE,)
    result = subprocess.run(
        [sys.executable, "-c", program, *names], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout.splitlines()[-1])
    assert found == {"asked": [], "happened": [], "late": []}


def layered(name: str) -> str:
    return name.split(".")[1] if "." in name else name


def test_importing_variegate_imports_nothing_else():
    program = (
        "import sys, variegate; known = sys.stdlib_module_names; "
        "print([n for n in sys.modules if n.split('.')[0] not in known and n[0] != '_'])"
    )
    result = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "['variegate']"
