"""What a run does with a set, without changing a pixel: read it, and write it with its writer."""

import json
from dataclasses import replace

from variegate.codecs import EXTENSIONS, decode_mask, kind_of, probe
from variegate.formats.base import Source
from variegate.formats.writer import Item, writer_from_json, writer_to_json
from variegate.storage import open_storage


def images(dataset_format, storage):
    """Return the images of a set, by key."""
    return {
        source.key: source
        for source in dataset_format.sources(storage)
        if source.skip is None and source.annotation is not None
    }


def rewrite(dataset_format, storage, folder, *, suffix="-v05", writer=None):
    """Write every usable image as one result; return the storage and the items."""
    out = open_storage(folder, create=True)
    made = writer or dataset_format.writer()
    writer = writer_from_json(json.loads(json.dumps(writer_to_json(made))))
    assert writer == made
    usable = [s for s in images(dataset_format, storage).values() if s.unusable is None]
    items = [_result(writer, source, storage, out, suffix) for source in usable]
    writer.write_index(out, (replace(item, masks={}) for item in items))
    return out, items


def _result(writer, source, storage, out, suffix):
    data = storage.read(source.key)
    extensions = EXTENSIONS[kind_of(data)]
    key = source.key
    if suffix:
        key = writer.key(key, suffix=suffix, extension=extensions[0], own_extensions=extensions)
    item = renamed(writer, source, storage, key)
    out.write(key, data)
    for name, content in writer.sidecars(item):
        out.write(name, content)
    return item


def renamed(writer, source: Source, storage, key) -> Item:
    """Return a source as a result with another key, masks and all."""
    masks = {}

    def moved(name):
        if name is None:
            return None
        new = writer.mask_key(name, source=source.key, output=key) if key != source.key else name
        masks[new] = decode_mask(storage.read(name))
        return new

    annotation, header = source.annotation, probe(storage.read(source.key))
    objects = tuple(one.changed(mask_file=moved(one.mask_file)) for one in annotation.objects)
    annotation = annotation.changed(objects=objects, mask_file=moved(annotation.mask_file))
    return Item(
        key=key,
        split=source.split,
        label=source.label,
        size=(header.height, header.width),
        annotation=annotation,
        masks=masks,
        source=source.key,
    )
