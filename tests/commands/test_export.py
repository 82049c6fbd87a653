"""`massar export` as an operator runs it: what it writes comes back by `massar import`, and nothing is overwritten."""

import pytest

REASON = ("--reason", "audit 2026")


@pytest.fixture(scope="module")
def school(installed):
    """Two people of a school; one has a contact that starts with +."""
    person = ("createperson", "--school", "90002Y", "ثانوية", "Lycée", "--no-password")
    made = installed.each(
        ("units", "add", "establishment", "90002Y", "ثانوية", "Lycée"),
        (*person, "leaves.one@taalim.ma", "--name", "Amal", "Berrada", "--phone", "0661000931", "--payroll", "0012345"),
        (*person, "x130000091@taalim.ma", "--role", "pupil"),
    )  # fmt: skip
    assert [one.returncode for one in made] == [0] * 3, made
    return installed


def test_what_was_written_comes_back_by_import(school, tmp_path):
    masked, whole, units = (tmp_path / name for name in ("masked.xlsx", "whole.csv", "units.xlsx"))
    done = school.each(
        ("export", "90002Y", str(masked), *REASON), ("export", "90002Y", str(whole), "--contacts", *REASON),
        ("export", "90002Y", str(units), "--units"),
    )  # fmt: skip
    assert [one.returncode for one in done] == [0] * 3, done
    assert "2 people, contacts masked." in done[0].stdout and "2 people, contacts whole." in done[1].stdout
    assert "100%" in done[0].stderr and masked.stat().st_mode & 0o777 == 0o600
    assert "'+212661000931" in whole.read_text("utf-8-sig") and not list(tmp_path.glob("*.part"))
    again = school.each(("import", str(masked)), ("import", str(whole)), ("import", str(units), "--units"))
    told = [one.stdout.rpartition("It would be: ")[2] for one in again]
    assert [one.partition(" (")[0] for one in told] == [
        *["0 new, 0 changed, 2 unchanged, 0 refused"] * 2, "0 new, 0 changed, 1 unchanged, 0 refused"
    ]  # fmt: skip


def test_what_can_not_be_written_is_said(school, tmp_path):
    there = tmp_path / "there.csv"
    there.touch()
    done = school.each(
        ("export", "nowhere", str(tmp_path / "a.csv"), *REASON), ("export", "90002Y", str(there), *REASON),
        ("export", "90002Y", str(tmp_path / "a.ods"), *REASON), ("export", "90002Y", str(tmp_path / "a.csv")),
    )  # fmt: skip
    said = ("there is no such unit", "is there already", "end it with .xlsx or .csv", "Say why with --reason")
    assert all(one.returncode == 1 and words in one.stderr for one, words in zip(done, said, strict=True)), done
    assert list(tmp_path.iterdir()) == [there]
