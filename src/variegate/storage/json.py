"""JSON for what there are millions of: annotations and lines of manifests.

msgspec reads and writes it several times as fast as the standard library, floats exactly. What it
cannot write, text with lone surrogates (names of files that are not UTF-8), the standard library
can.
"""

import json
from typing import Any

import msgspec

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()


def dumped(value: Any) -> bytes:
    """Return JSON values as text in UTF-8, without spaces."""
    try:
        return _encoder.encode(value)
    except UnicodeEncodeError:
        return json.dumps(msgspec.to_builtins(value), separators=(",", ":")).encode()


def lines(values: list[Any]) -> bytes:
    """Return JSON values as text, one a line, with a comma at the end of each but the last."""
    try:
        text = _encoder.encode_lines(values)
    except UnicodeEncodeError:
        return b",\n".join(dumped(one) for one in values)
    # Within a value there is no line's end: in strings it is written as an escape.
    return text[:-1].replace(b"\n", b",\n")


def loaded(text: bytes | str) -> Any:
    """Return the value that JSON text means."""
    try:
        return _decoder.decode(text)
    except (msgspec.DecodeError, UnicodeError):
        return json.loads(text)
