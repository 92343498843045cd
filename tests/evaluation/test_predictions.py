import pytest

from evaluation.predictions import read_predictions
from goodparts.command import InputError

HEAD = "sample_id,label,split,group,defect_score,predicted,prob_good\n"
ROW = "a,good,test,g1,0.1,good,0.9\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xaa\xbb\xff", "is not a table"),
        ((HEAD + ROW + ROW[:12]).encode(), "is truncated in its last line"),
        (
            (HEAD + ROW.replace("0.9", "abc")).encode(),
            "has text in the column prob_good",
        ),
        (
            (HEAD + ROW + ROW.replace("0.1", "")).encode(),
            "has text in the column defect_score",
        ),
        (b"sample_id,label\na,good\n", "lacks the column"),
        (b"", "is not a table"),
    ],
)
def test_a_damaged_table_is_one_line(tmp_path, content, message):
    (tmp_path / "predictions.csv").write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        read_predictions(tmp_path)
    assert str(error.value).count("\n") == 0 and "train this run again" in str(
        error.value
    )
