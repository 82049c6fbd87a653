"""`massar siege`: what stands, and ordering it everywhere or at one account."""

from tests.cast import JAMAL


def test_a_siege_is_ordered_shown_and_taken_back(installed):
    added = installed.massar("createperson", JAMAL.login, "--no-password")
    assert added.returncode == 0 or "already" in added.stderr
    assert "Everywhere: off\n" in installed.massar("siege", "show").stdout
    assert "Siege everywhere: on until 2" in installed.massar("siege", "on", "--hours", "2").stdout
    assert installed.massar("siege", "off", JAMAL.login).stdout.startswith(f"Siege {JAMAL.login}: off until 2")
    shown = installed.massar("siege", "show").stdout
    assert "Everywhere: on by command until 2" in shown and f"{JAMAL.login}: off by command until 2" in shown
    assert "Failures of unknown browsers in the last 10 to 20 minutes: 0, usual 0\n" in shown
    for who in ([], [JAMAL.login]):
        assert installed.massar("siege", "auto", *who).stdout.endswith("auto.\n")
    assert "by command" not in installed.massar("siege", "show").stdout
    assert "siege_ordered" in installed.massar("audit", "show", JAMAL.login).stdout


def test_what_can_not_be_ordered_is_said(installed):
    missing = installed.massar("siege", "on", "nobody.at.all@taalim.ma")
    assert missing.returncode == 1 and "There is no person" in missing.stderr
    assert "from 1 to 720" in installed.massar("siege", "on", "--hours", "9999").stderr
