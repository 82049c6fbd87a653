"""The reader of what other programs write, which decides in tests what has arrived."""

from tests.support.written import entries


def test_half_a_line_is_none_yet(tmp_path):
    file = tmp_path / "log"
    assert entries(file) == []
    first, second = '{"text": "é"}\n'.encode(), '{"text": "après"}\n'.encode()
    for end in range(len(second)):
        file.write_bytes(b"listening\n" + first + second[:end])
        assert entries(file) == [{"text": "é"}]
    file.write_bytes(first + second)
    assert entries(file) == [{"text": "é"}, {"text": "après"}]
