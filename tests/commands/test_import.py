"""`massar import` as an operator runs it: what it says, what it writes, how it ends."""

import pytest

ROWS = "login;prenom;Tel2\nlist.one@taalim.ma;One;0661000911\nnobody;x;\n"


@pytest.fixture
def listed(installed, tmp_path):
    """`massar import` of a list, with more words."""
    path = tmp_path / "list.csv"
    path.write_text(ROWS, encoding="utf-8")
    return lambda *words: installed.massar("import", str(path), *words)


def test_a_list_is_compared_then_written_then_the_same(listed, tmp_path):
    report = tmp_path / "wrong.xlsx"
    told = listed("--report", str(report), "--column", "Tel2=phone")
    assert (
        "Column 'Tel2': phone" in told.stdout and "It would be: 1 new, 0 changed, 0 unchanged, 1 refused" in told.stdout
    )
    assert "Nothing was written." in told.stdout and told.returncode == 1 and report.exists()
    assert "Imported: 1 new, 0 changed, 0 unchanged, 1 refused" in listed("--write").stdout
    assert "It would be: 0 new, 0 changed, 1 unchanged, 1 refused" in listed().stdout


@pytest.mark.parametrize(("words", "told"), [
    (("--column", "Tel2"), "write TITLE=FIELD"),
    (("--column", "Tel2=telephone"), "a field is one of login, code"),
    (("--column", "Tel3=phone"), "There is no column 'Tel3'."),
    (("--report", "nowhere/wrong.xlsx"), "in a folder that is there"),
])  # fmt: skip
def test_an_option_that_does_not_fit_is_told_before_anything_is_written(listed, installed, words, told):
    done = listed("--write", *words)
    assert done.returncode == 1 and told in done.stderr and not done.stdout and "Traceback" not in done.stderr


def test_the_report_never_takes_the_place_of_the_list(listed, tmp_path):
    assert "name another file" in listed("--report", str(tmp_path / "list.csv")).stderr
    assert (tmp_path / "list.csv").read_text("utf-8") == ROWS


def test_a_list_that_is_not_there_is_named(installed):
    done = installed.massar("import", "nowhere.csv")
    assert done.returncode == 1 and "nowhere.csv" in done.stderr and "Traceback" not in done.stderr


def test_a_list_of_units_is_taken_whole_or_not_at_all(installed, tmp_path):
    path = tmp_path / "units.csv"
    path.write_text("code;type;parent;nom\nLU2;école;LU1;Annexe\nLU1;école;;École\nLU3;classe;;x\n", encoding="utf-8")
    done = installed.massar("import", str(path), "--units", "--write", "--report", str(tmp_path / "wrong.xlsx"))
    assert "A list of units is taken whole or not at all" in done.stdout and done.returncode == 1
    assert "LU1" not in installed.massar("units", "show").stdout and (tmp_path / "wrong.xlsx").exists()
    path.write_text(path.read_text("utf-8").replace("LU3;classe;", "LU3;classe;LU2"), encoding="utf-8")
    assert "Imported: 3 new, 0 changed" in installed.massar("import", str(path), "--units", "--write").stdout
    assert "It would be: 0 new, 0 changed, 3 unchanged" in installed.massar("import", str(path), "--units").stdout
