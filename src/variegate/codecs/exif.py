"""The one thing EXIF is read for: which way up the image is."""

import struct

_ORIENTATION = 0x0112


def orientation_of(exif: bytes) -> int:
    """Read the orientation, 1 to 8, from an EXIF block with or without its "Exif" prefix.

    Illegal values (0 is common), a missing tag and an unreadable block count as 1: upright.
    """
    if exif.startswith(b"Exif\0"):
        exif = exif[6:]
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None or len(exif) < 10:
        return 1
    (at,) = struct.unpack_from(order + "I", exif, 4)
    if at + 2 > len(exif):
        return 1
    (entries,) = struct.unpack_from(order + "H", exif, at)
    for entry in range(at + 2, min(at + 2 + 12 * entries, len(exif) - 11), 12):
        tag, kind, count = struct.unpack_from(order + "HHI", exif, entry)
        if tag == _ORIENTATION:
            form = {3: "H", 4: "I"}.get(kind)
            if form is None or count < 1:
                return 1
            (value,) = struct.unpack_from(order + form, exif, entry + 8)
            return legal_orientation(value)
    return 1


def legal_orientation(value: object) -> int:
    """Return an orientation of 1 to 8 as it is, anything else as 1."""
    return value if isinstance(value, int) and 1 <= value <= 8 else 1
