"""`massar siege`: what stands, and ordering it everywhere or at one account."""

from tests.cast import JAMAL


def test_a_siege_is_ordered_shown_and_taken_back(installed):
    added, before, everywhere, one, shown, *taken_back, after, told = installed.each(
        ("createperson", JAMAL.login, "--no-password"), ("siege", "show"), ("siege", "on", "--hours", "2"),
        ("siege", "off", JAMAL.login), ("siege", "show"), ("siege", "auto"), ("siege", "auto", JAMAL.login),
        ("siege", "show"), ("audit", "show", JAMAL.login),
    )  # fmt: skip
    assert added.returncode == 0 or "already" in added.stderr
    assert "Everywhere: off\n" in before.stdout
    assert "Siege everywhere: on until 2" in everywhere.stdout
    assert one.stdout.startswith(f"Siege {JAMAL.login}: off until 2")
    assert "Everywhere: on by command until 2" in shown.stdout
    assert f"{JAMAL.login}: off by command until 2" in shown.stdout
    assert "Failures of unknown browsers in the last 10 to 20 minutes: 0, usual 0\n" in shown.stdout
    assert len(taken_back) == 2 and all(done.stdout.endswith("auto.\n") for done in taken_back)
    assert "by command" not in after.stdout
    assert "siege_ordered" in told.stdout


def test_what_can_not_be_ordered_is_said(installed):
    missing, too_long = installed.each(("siege", "on", "nobody.at.all@taalim.ma"), ("siege", "on", "--hours", "9999"))
    assert missing.returncode == 1 and "There is no person" in missing.stderr
    assert "from 1 to 720" in too_long.stderr
