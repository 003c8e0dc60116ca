"""The images of a request: a form as browsers and `curl -F` send it, or a body that is one."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field

from variegate.codecs import kind_of
from variegate.serving.faults import RequestError

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


async def read_upload(content_type: str, body: bytes, *, max_files: int) -> Upload:
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
    return await _read_form(content_type, body, max_files)


async def _read_form(content_type: str, body: bytes, max_files: int) -> Upload:
    from starlette.datastructures import Headers, UploadFile
    from starlette.formparsers import MultiPartException, MultiPartParser

    class InMemory(MultiPartParser):
        spool_max_size = len(body) + 1

    async def stream() -> AsyncGenerator[bytes, None]:
        yield body

    headers = Headers({"content-type": content_type})
    parser = InMemory(headers, stream(), max_files=max_files, max_fields=_MOST_FIELDS)
    try:
        form = await parser.parse()
    except MultiPartException as error:
        status = 413 if "Too many files" in error.message else 400
        raise RequestError(status, f"the form cannot be read: {error.message}") from error
    if not body.rstrip(b"\r\n").endswith(b"--"):
        raise RequestError(400, "the form is cut off: its last boundary is missing")
    images, fields = [], {}
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            # An empty choice of a browser is a file without a name and without content.
            data = await value.read()
            if data or value.filename:
                images.append(UploadedImage(value.filename or "", data))
        else:
            fields[name] = value
    if not images:
        raise RequestError(400, "the form has no file; send one with: curl -F image=@file.jpg")
    return Upload(tuple(images), fields)
