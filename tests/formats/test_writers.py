"""What every writer does, whatever its format."""

import json

import pytest

from variegate.annotations.annotation import Skeleton
from variegate.formats import writer_from_json, writer_to_json
from variegate.formats.writer import WRITERS, DatasetInfo

INFO = DatasetInfo(
    classes=("cat", "dog"),
    skeletons={"cat": Skeleton(("nose", "tail"), (), ((0, 1),))},
    splits=("train", "val"),
    extra={"images": 9, "mask_classes": ["sky", "road"], "coco": {"info": {"year": 2017}}},
)


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("info", [INFO, DatasetInfo()], ids=["all", "nothing"])
def test_a_writer_travels_as_json(name, info):
    writer = WRITERS[name].fresh(info)
    data = writer_to_json(writer)
    for travelled in (data, json.loads(json.dumps(data))):
        again = writer_from_json(travelled)
        assert again == writer
        assert type(again) is type(writer)
        assert json.dumps(writer_to_json(again)) == json.dumps(data)
    hash(again.classes)  # tuples again, not lists
