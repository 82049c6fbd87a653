"""The file between the receiver and the page."""

import threading

from massar.interfaces.demo.store import Store

SMS = {"kind": "sms", "key": "k", "sender": "MASSAR", "recipient": "+212661000222", "subject": "", "text": "one"}


def test_newest_first_and_only_what_is_newer(tmp_path, clock):
    store = Store(tmp_path / "inbox.sqlite3")
    assert store.after(0) == [] and store.one(1) is None
    assert list(tmp_path.iterdir()) == [], "before anything arrived there is no file"
    store.prepare()
    numbers = [store.add(**SMS | {"text": word}) for word in ("one", "two", "three")]
    assert [message.text for message in store.after(0)] == ["three", "two", "one"]
    assert [message.text for message in store.after(numbers[0])] == ["three", "two"]
    assert [message.text for message in store.after(0, most=1)] == ["three"]
    assert store.after(numbers[-1]) == []
    assert store.one(numbers[1]).text == "two" and store.one(99) is None
    assert store.one(numbers[1]).at == clock.moment


def test_many_writers_lose_nothing(tmp_path):
    store = Store(tmp_path / "inbox.sqlite3")
    store.prepare()
    threads = [threading.Thread(target=store.add, kwargs=SMS) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(store.after(0)) == 20
