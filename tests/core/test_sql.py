"""Many rows at once, and looking for many values at once."""

from datetime import UTC, date, datetime

import pytest
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from massar.core import sql

pytestmark = pytest.mark.django_db
TEXTS = st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
ODD = TEXTS | st.sampled_from(("", "\\N", "\\.", "a\tb", "a\r\nb", "\\", "\\x41", "None", "%s"))
DAYS = st.dates(date(1900, 1, 1), date(2100, 1, 1))
ROWS = st.tuples(st.integers(-5, 5), ODD, ODD | st.none(), st.binary(max_size=4), DAYS | st.none())


@given(st.lists(ROWS, max_size=4))
def test_rows_come_back_as_they_were_put(rows):
    """Whatever stands in them: by COPY on PostgreSQL, by parameters on SQLite."""
    sql.execute("CREATE TEMPORARY TABLE IF NOT EXISTS odd (n INTEGER, t TEXT, u TEXT, b BYTEA, d DATE)")
    sql.execute("DELETE FROM odd")
    sql.insert("odd", "n, t, u, b, d", [(*one[:4], one[4] and sql.day(one[4])) for one in rows])
    found = [
        (n, t, u, bytes(b), date.fromisoformat(str(d)) if d else None)
        for n, t, u, b, d in sql.rows("SELECT * FROM odd")
    ]
    assert found == rows


def test_moments_are_put_as_the_same_moment():
    sql.execute("CREATE TEMPORARY TABLE whenever (at TIMESTAMP WITH TIME ZONE)")
    moments = [datetime(2026, 11, 30, 8, 0, 0, micro, UTC) for micro in (0, 1, 999_999)]
    sql.insert("whenever", "at", [(sql.at(one),) for one in moments])
    assert [sql.moment(at) for (at,) in sql.rows("SELECT at FROM whenever")] == moments


@given(st.lists(ODD, max_size=4), st.lists(ODD, max_size=4))
def test_many_values_are_found_and_no_others(stored, wanted):
    sql.execute("CREATE TEMPORARY TABLE IF NOT EXISTS texts (t TEXT)")
    sql.execute("DELETE FROM texts")
    sql.insert("texts", "t", [(one,) for one in stored])
    found = [one for (one,) in sql.find("t", "texts", "t", set(wanted))]
    assert sorted(found) == sorted(one for one in stored if one in wanted)


def test_several_tables_get_their_rows_one_after_the_other():
    """One of them nothing; what is made while the one before is written may fail, and then nothing stays open."""
    for table in ("first", "second", "third"):
        sql.execute(f"CREATE TEMPORARY TABLE {table} (n INTEGER)")
    sql.insert_each(iter([("first", "n", [(1,), (2,)]), ("second", "n", []), ("third", "n", [(3,)])]))
    found = [sql.rows(f"SELECT n FROM {table} ORDER BY n") for table in ("first", "second", "third")]
    assert found == [[(1,), (2,)], [], [(3,)]]

    def broken():
        yield "first", "n", [(4,)]
        raise LookupError

    with pytest.raises(LookupError), transaction.atomic():
        sql.insert_each(broken())
    assert sql.rows("SELECT count(*) FROM first") == [(2,)]
