"""The images of a request: a form as browsers and `curl -F` send it, or a body that is one."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from variegate.codecs import kind_of
from variegate.serving.faults import RequestError
from variegate.serving.forms import form_parts

_FORM = "multipart/form-data"
_MOST_FIELDS = 32


@dataclass(frozen=True, slots=True)
class UploadedImage:
    """A file that was sent.

    Attributes:
        name: as the client calls it; "" for a body.
        data: its content.
    """

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Upload:
    """What was sent.

    Attributes:
        images: in their order.
        fields: other fields of the form.
    """

    images: tuple[UploadedImage, ...]
    fields: Mapping[str, str] = field(default_factory=dict)


def read_upload(content_type: str, body: bytes, *, max_files: int) -> Upload:
    """Return what a body holds. Nothing is written to disk: the body is there, and bounded.

    Raises:
        RequestError: 400, nothing was sent, or the form is broken or cut off; 413, there are too
            many files; 415, it is a form of the kind that holds no files.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if not body:
        raise RequestError(400, "the request is empty; send an image as its body, or in a form")
    # It is what curl calls a body of which nobody says what it is, too.
    if kind == "application/x-www-form-urlencoded" and kind_of(body) is None:
        raise RequestError(415, f"expected {_FORM} (curl -F image=@file.jpg) or an image as body")
    if kind != _FORM:
        return Upload((UploadedImage("", body),))
    return _read_form(content_type, body, max_files)


def _read_form(content_type: str, body: bytes, max_files: int) -> Upload:
    images, fields = [], {}
    for part in form_parts(content_type, body, max_files=max_files, max_fields=_MOST_FIELDS):
        if part.file is None:
            fields[part.name] = part.text
        # An empty choice of a browser is a file without a name and without content.
        elif part.data or part.file:
            images.append(UploadedImage(part.file, part.data))
    if not images:
        raise RequestError(400, "the form has no file; send one with: curl -F image=@file.jpg")
    return Upload(tuple(images), fields)
