"""Which column of a table names the images, and which has their labels."""

import pytest
from import_helpers import labels, picture, reasons

from goodparts.command import InputError
from preprocessing.importing.layouts import read_source

EXPECTED = {"0.png": "good", "1.png": "hole", "2.png": "dent"}


@pytest.fixture
def parts(tmp_path):
    for stem in "012":
        picture(tmp_path / f"{stem}.png")
    return tmp_path


@pytest.mark.parametrize(
    "table",
    [
        ",file,label\n0,2.png,dent\n1,0.png,good\n2,1.png,hole\n",  # of pandas
        "id,file,label\n1,0.png,good\n2,1.png,hole\n0,2.png,dent\n",
        "nr,label,file\n2,good,0.png\n1,hole,1.png\n0,dent,2.png\n",
        "nr,label,x\n2,good,0.jpg\n1,hole,1.jpg\n0,dent,2.jpg\n",  # converted since
        "previous,file,label\n2.png,0.png,good\n0.png,1.png,hole\n1.png,2.png,dent\n",
        "nr,image name,label\n2,0,good\n1,1,hole\n0,2,dent\n",
        "id,label\n0,good\n1,hole\n2,dent\n",
    ],
)
def test_the_column_of_file_names(parts, table):
    (parts / "labels.csv").write_text(table)

    assert labels(read_source(parts)) == EXPECTED


@pytest.mark.parametrize(
    "table",
    [
        "a,b,label\n0.png,1.png,good\n1.png,2.png,hole\n",
        "id,nr,label\n0,2,good\n1,0,hole\n",
        "file,image,label\n0.png,1.png,good\n1.png,2.png,hole\n",
    ],
)
def test_two_columns_that_name_images_are_asked_about(parts, table):
    (parts / "labels.csv").write_text(table)

    with pytest.raises(
        InputError, match="several columns contain file names of images"
    ):
        read_source(parts)


def test_columns_of_0_and_1_are_no_label_each(parts):
    table = "file,good,defect,dent\n0.png,1,0,0\n1.png,0,1,0\n2.png,0,0,1\n"
    (parts / "labels.csv").write_text(table)

    with pytest.raises(InputError, match="good, defect, dent contain 0 and 1, and"):
        read_source(parts)


def test_one_column_of_0_and_1_is_a_label(parts):
    (parts / "labels.csv").write_text("file,defect\n0.png,0\n1.png,1\n2.png,1\n")

    assert labels(read_source(parts)) == {"0.png": "0", "1.png": "1", "2.png": "1"}


@pytest.mark.parametrize("value", ["nan", "NaN", "N/A", "null", "?"])
def test_a_value_that_stands_for_none_is_no_label(parts, value):
    table = f"file,label\n0.png,good\n1.png,hole\n2.png,{value}\n"
    (parts / "labels.csv").write_text(table)

    source = read_source(parts)

    assert labels(source) == {"0.png": "good", "1.png": "hole"}
    assert "has no label" in reasons(source)["2.png"]
