"""Texts in old encodings: told where they can be, and asked for where not."""

import pytest

from variegate import Hints
from variegate.errors import InputError
from variegate.formats import detect
from variegate.formats.encodings import UnknownEncodingError, decode_text, encoding_of
from variegate.storage import open_storage


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("cat\ndog", "ascii"),
        ("Bär\nKäfer", "utf-8"),
        ("Bär\nKäfer", "utf-8-sig"),
        ("Bär\nKäfer", "utf-16"),
        ("Bär\nKäfer", "cp1252"),
        ("Größe\nÄpfel\nwheel", "cp1252"),
        ("piéton\nvélo", "latin-1"),
        ("安全帽\n反光衣", "gbk"),
        ("person\n自行车\nT恤", "gbk"),
        ("腳踏車\n行人", "big5"),
        ("ヘルメット\n人", "cp932"),
        ("Каска\nЖилет", "cp1251"),
    ],
)
def test_what_can_be_told_is_read_rightly(text, encoding):
    assert decode_text(text.encode(encoding), "classes.txt").removeprefix("\ufeff") == text


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Señal", "cp1252"),
        ("人\n车", "gbk"),
        ("안전모", "cp949"),
        ("каска", "koi8_r"),
        ("°", "cp1252"),
        # As letters of GBK they are all common, too.
        ("自動車\n歩行者", "euc_jp"),
        ("犬\n猫", "euc_jp"),
    ],
)
def test_what_cannot_be_told_is_asked_for(text, encoding):
    data = text.encode(encoding)
    with pytest.raises(InputError, match=r"^classes\.txt: not in UTF-8.*--encoding gbk"):
        decode_text(data, "classes.txt")
    assert decode_text(data, "classes.txt", encoding) == text


def test_a_character_that_is_cut_is_no_other_encoding():
    data = "ä".encode()[:1]
    assert encoding_of(data, cut=True) == "utf-8"
    with pytest.raises(UnknownEncodingError):
        encoding_of(data)


def test_an_encoding_that_does_not_fit_is_told_with_the_line():
    with pytest.raises(InputError, match=r"a\.txt:2: not in ascii; check --encoding"):
        decode_text(b"cat\nB\xe4r\n", "a.txt", "ascii")


@pytest.mark.parametrize(
    ("folder", "classes"),
    [("classes-txt-gbk", ("安全帽", "反光衣")), ("classes-txt-cp1252", ("Bär", "Käfer"))],
)
def test_lists_of_classes_in_old_encodings(data_dir, folder, classes):
    found = detect(open_storage(data_dir / "field_cases" / folder))
    assert found.classes == classes
    assert "by its letters" in found.notes[0]


@pytest.fixture
def table(tmp_path):
    def make(text, encoding, keys=("1.jpg", "2.jpg")):
        (tmp_path / "labels.csv").write_bytes(text.encode(encoding))
        for key in keys:
            (tmp_path / key).touch()
        return open_storage(tmp_path)

    return make


@pytest.mark.parametrize(
    ("label", "encoding", "said"),
    [("Bär", "cp1252", None), ("自行车", "gbk", None), ("Señal", "cp1252", "cp1252")],
)
def test_tables_in_old_encodings(table, label, encoding, said):
    storage = table(f"file,label\n1.jpg,{label}\n2.jpg,x\n", encoding)
    found = detect(storage, hints=Hints(encoding=said))
    assert found.classes == tuple(sorted((label, "x")))
    assert bool(found.notes) == (said is None)


def test_a_table_of_boxes_in_an_old_encoding(table):
    rows = "filename,class,xmin,ymin,xmax,ymax\n1.jpg,自行车,1,1,9,9\n2.jpg,行人,1,1,9,9\n"
    assert set(detect(table(rows, "gbk")).classes) == {"自行车", "行人"}
