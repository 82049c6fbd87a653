"""`massar slips` as an operator runs it: a file that nobody else may read, a list without codes, a withdrawal."""

import re

import pytest

from tests.support.paper import text_of

LOGINS = [f"x13000000{n}@taalim.ma" for n in range(3)]
REASON = ("--reason", "rentrée 2026")


@pytest.fixture(scope="module")
def school(installed):
    """A class of three; one of them has a password."""
    person = ("createperson", "--role", "pupil", "--name", "Reem", "Amrani")
    made = installed.each(
        ("units", "add", "establishment", "90001X", "ثانوية", "Lycée"),
        *((*person, login, "--school", "90001X", "ثانوية", "Lycée", "--no-password") for login in LOGINS[:2]),
        (*person, LOGINS[2], "--school", "90001X", "ثانوية", "Lycée", "--password-stdin"),
        stdin="Tamarin&6048-oued\n",
    )  # fmt: skip
    assert [one.returncode for one in made] == [0] * 4, made
    return installed


def test_slips_of_a_school_are_printed_listed_and_withdrawn(school, tmp_path):
    file = tmp_path / "slips.pdf"
    done = school.massar("slips", "print", str(file), "--unit", "90001X", *REASON)
    assert done.returncode == 0, done.stderr
    assert "1 have a password already" in done.stdout and "2 slips serve until" in done.stdout
    assert "100%" in done.stderr and file.stat().st_mode & 0o777 == 0o600
    assert not file.with_name("slips.pdf.part").exists()
    codes = re.findall(r"\b[a-z]{5}-[2-9]{5}\b", text_of(file.read_bytes()))
    assert len(codes) == 2 and not any(code in done.stdout + done.stderr for code in codes)
    batch = re.search(r"batch (\d+)", done.stdout)[1]
    listed, void, again, every = school.each(
        ("slips", "list", batch), ("slips", "void", f"{batch}-02", *REASON), ("slips", "list", batch), ("slips", "list")
    )
    assert re.findall(r"(\S+) +(\w+) +(\S+)\n", listed.stdout) == [
        (f"{batch}-0{n}", "waits", login) for n, login in enumerate(LOGINS[:2], 1)
    ]
    assert f"{batch}-02 ({LOGINS[1]}) was withdrawn." in void.stdout and "voided" in again.stdout
    assert "2 slips: 1 wait, 0 were used" in every.stdout
    assert not any(code in one.stdout + one.stderr for one in (listed, void, again) for code in codes)


def test_why_nothing_was_printed(school, tmp_path):
    """One process for all: starting one costs most."""
    file, tried = tmp_path / "slips.pdf", {
        ("--unit", "nowhere"): "there is no such unit",
        ("--unit", "90001X", "--as", "staff"): "nobody to print",
        ("--person", "nobody@taalim.ma"): "there is no such account",
        ("--person", LOGINS[2]): "--recovery prints a slip that does",
    }  # fmt: skip
    done = school.each(
        *(("slips", "print", str(file), *words, *REASON) for words in tried), ("slips", "void", "12-3-4", *REASON)
    )
    for one, told in zip(done, [*tried.values(), "12-3-4: give the number"], strict=True):
        assert one.returncode == 1 and told in one.stderr and "Traceback" not in one.stderr
    assert not list(tmp_path.iterdir())


def test_nothing_is_written_over(school, tmp_path):
    """A file that stands there, and one that a printing has left which died; and a slip that recovers is asked for."""
    whole, part, new = (tmp_path / name for name in ("a.pdf", "b.pdf.part", "c.pdf"))
    whole.write_text("kept")
    part.write_text("kept")
    slip = ("slips", "print")
    done = school.each(
        (*slip, str(whole), "--person", LOGINS[0], *REASON),
        (*slip, str(part.with_suffix("")), "--person", LOGINS[0], *REASON),
        (*slip, str(new), "--person", LOGINS[2], "--recovery", *REASON),
    )
    assert [one.returncode for one in done] == [1, 1, 0]
    assert "a.pdf is there already" in done[0].stderr and "b.pdf.part is there already" in done[1].stderr
    assert "1 slips serve" in done[2].stdout and whole.read_text() == part.read_text() == "kept"
