"""What is made one ahead: the same items in their order, its faults, and no thread that outlives it."""

import threading
from itertools import count

import pytest

from massar.core.ahead import one_ahead


def test_the_items_come_in_their_order_made_in_another_thread():
    made = list(one_ahead((n, threading.current_thread().name) for n in range(50)))
    assert [n for n, _ in made] == list(range(50)) and {name for _, name in made} == {"ahead_0"}
    assert list(one_ahead(iter([None, 0, []]))) == [None, 0, []]


def test_a_fault_comes_where_its_item_would_have():
    def broken():
        yield 1
        raise ValueError("2")

    got = one_ahead(broken())
    assert next(got) == 1
    with pytest.raises(ValueError, match="2"):
        next(got)


def test_who_stops_leaves_no_thread_and_has_made_one_at_most_in_vain():
    made = []
    got = one_ahead(made.append(n) or n for n in count())
    assert next(got) == 0
    got.close()
    assert made == [0, 1] and not [t for t in threading.enumerate() if t.name.startswith("ahead")]
