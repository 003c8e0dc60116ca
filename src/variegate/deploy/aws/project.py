"""The folder that `sam` works on: the template, and the function's own files beside it."""

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import yaml

from variegate.deploy.aws.package import NEEDLESS, REQUIREMENTS, RUNTIME, RUNTIMES
from variegate.deploy.aws.settings import PACKED_PLUGINS, PACKED_RECIPE
from variegate.deploy.files import PACKAGE, deployment_files
from variegate.errors import OutputError, RecipeError
from variegate.recipes.plugins import Plugin
from variegate.recipes.recipe import Recipe

# What the function needs of the package's dependencies (the others are for manifests and the
# command line), in the versions that are here: the same bytes come out of the same ones.
_LIBRARIES = (
    *("opencv-python-headless", "numpy", "simplejpeg", "stringzilla", "pillow"),
    *("pydantic", "msgspec", "PyYAML", "obstore"),
)
# For kinds of files that not everybody has. HEIF's brings 27 MB, for which a zip file has no room.
_OPTIONAL = {"resvg-py": "zip", "pillow-heif": "image"}
# OpenCV is linked with decoders of video, 31 MB with what these are linked with, and nothing here
# calls them. That of AVIF must stay, though Pillow reads AVIF: OpenCV asks it about every file.
_NEEDLESS = tuple(
    f"hollow opencv_python_headless.libs/lib{name}-*"
    for name in ("avcodec", "avformat", "avutil", "swscale")
)
# Amazon Linux 2 cannot load the newer ones.
_OLDER = {"3.11": {"numpy": "<2.3", "pillow": "<13"}}

_IMAGE = {
    "package": """\
    Metadata:
      DockerContext: function/
      Dockerfile: Dockerfile
      DockerTag: {tag}
      DockerBuildArgs:
        PYTHON_VERSION: "{python}"
""",
    "code": "      PackageType: Image\n",
}
_ZIP = {
    "package": "    Metadata:\n      BuildMethod: makefile\n",
    "code": """\
      Runtime: python{python}
      Handler: {handler}
      CodeUri: function/
""",
}

# A file that says that a folder was written here, and may be written again.
_MARK = ".variegate-project"


def write_project(
    folder: Path,
    recipe: Recipe,
    *,
    plugins: Iterable[Plugin] = (),
    python: str = "3.13",
    image: bool = False,
    parameters: Mapping[str, str] | None = None,
) -> Path:
    """Write all that `sam build` and `sam deploy` need; return the template's path.

    Args:
        folder: new, empty, or written by this function before.
        recipe: packed with the function.
        plugins: files with transforms that the recipe needs.
        python: of the function's runtime.
        image: as a container image, which `sam build` needs Docker for; else as a zip file.
        parameters: that the stack will have; a change of them makes a new version.

    Raises:
        OutputError: the folder holds something else.
        RecipeError: there is no such runtime, or the recipe cannot be made of single images.
    """
    if recipe.mixes:
        raise RecipeError(
            "the recipe makes results of several images, and a function sees one at a time; "
            "use a recipe without such transforms"
        )
    given, code = begin_project(folder, "augment", python)
    (code / REQUIREMENTS).write_text(
        "".join(f"{one}\n" for one in requirements(python, image=image))
    )
    (code / NEEDLESS).write_text("".join(f"{one}\n" for one in _NEEDLESS))
    (code / PACKED_RECIPE).write_text(
        yaml.safe_dump(json.loads(json.dumps(recipe.to_data())), sort_keys=False)
    )
    (code / PACKED_PLUGINS).mkdir()
    for plugin in plugins:
        (code / PACKED_PLUGINS / plugin.name).write_text(plugin.text or "", encoding="utf-8")
    template = folder / "template.yaml"
    handler = "variegate.deploy.aws.handler.handler"
    blocks = code_blocks(python, image=image, tag="augment", handler=handler)
    blocks |= description_block("Makes variants of the images that arrive in a bucket.", parameters)
    template.write_text(filled_template((given / "template.yaml").read_text(), blocks))
    return template


def begin_project(folder: Path, name: str, python: str) -> tuple[Path, Path]:
    """Make a project's folder, with what all functions have in common.

    Args:
        folder: new, empty, or written by this function before.
        name: of the deployment.
        python: of the function's runtime.

    Returns:
        where the deployment's own files are, and where the function's go.

    Raises:
        OutputError: the folder holds something else.
        RecipeError: there is no such runtime.
    """
    if python not in RUNTIMES:
        raise RecipeError(f"python: expected one of {', '.join(RUNTIMES)}, got {python!r}")
    _clear(folder)
    given, code = deployment_files("aws") / name, folder / "function"
    code.mkdir(parents=True)
    (folder / _MARK).write_text(f"Written by variegate deploy {name}, and written again by it.\n")
    for path in (given / "function").iterdir():
        if path.is_file():
            shutil.copyfile(path, code / path.name)
    without = shutil.ignore_patterns("__pycache__", "deployment")
    shutil.copytree(PACKAGE, code / "variegate", ignore=without)
    _write_metadata(code)
    (code / RUNTIME).write_text(f"{python}\n")
    return given, code


def requirements(
    python: str, *, image: bool = False, libraries: Iterable[str] = _LIBRARIES
) -> list[str]:
    """Return a function's libraries as pip wants them, in the versions that are here."""
    older = _OLDER.get(python, {})
    names = list(libraries)
    for name, least in _OPTIONAL.items():
        if image or (least == "zip" and libraries is _LIBRARIES):
            with suppress(PackageNotFoundError):
                version(name)
                names.append(name)
    return [f"{name}{older.get(name, f'=={version(name)}')}" for name in names]


def _clear(folder: Path) -> None:
    if not folder.exists():
        return
    if not folder.is_dir() or (any(folder.iterdir()) and not (folder / _MARK).is_file()):
        raise OutputError(f"{folder}: is not empty and not a project of variegate; name a new one")
    for name in ("function", "template.yaml"):
        path = folder / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _write_metadata(code: Path) -> None:
    """Write what `importlib.metadata` reads: the function records the versions that it has."""
    number = version("variegate")
    folder = code / f"variegate-{number}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: variegate\nVersion: {number}\n")


def code_blocks(python: str, *, image: bool, tag: str, handler: str) -> dict[str, str]:
    """Return what a template says of how a function is packed, by the names of its marks."""
    blocks = _IMAGE if image else _ZIP
    return {
        name: text.format(python=python, tag=tag, handler=handler) for name, text in blocks.items()
    }


def description_block(text: str, parameters: Mapping[str, str] | None) -> dict[str, str]:
    """Return what a template says of its function: with a digest of the parameters.

    SAM publishes a version where something in the template changed, and a parameter's value is not
    in the template: without the digest, the versions that are called would keep the old one.
    """
    if parameters is not None:
        whole = json.dumps(parameters, sort_keys=True).encode()
        text = f"{text} Parameters {hashlib.sha256(whole).hexdigest()[:12]}."
    return {"description": f"      Description: {text}\n"}


def filled_template(text: str, blocks: Mapping[str, str]) -> str:
    """Return a template with blocks between their marks, "# name: begin" and "# name: end"."""
    for name, block in blocks.items():
        begin, end = f"# {name}: begin\n", f"# {name}: end\n"
        before, _, rest = text.partition(begin)
        inside, _, after = rest.partition(end)
        # The last line inside is the indentation of the mark behind it.
        margin = inside.rpartition("\n")[2]
        text = f"{before}{begin}{block}{margin}{end}{after}"
    return text
