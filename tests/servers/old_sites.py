"""Old sites behind FastCGI, uwsgi or SCGI: each answers with its parameters, as JSON. And one that upgrades."""

import json
import socketserver
import struct

BEGIN, END, PARAMS, STDIN, STDOUT = 1, 3, 4, 5, 6  # FastCGI §8: types of records


class FastCgi(socketserver.StreamRequestHandler):
    """One request for each connection (FastCGI 1.0 §3.3, §5)."""

    def handle(self) -> None:
        packed, ends = b"", 0
        while ends < 2:  # an empty record ends the parameters, another one the body
            head = self.rfile.read(8)
            if len(head) < 8:
                return
            _, kind, request, length, padding = struct.unpack(">BBHHBx", head)
            content = self.rfile.read(length + padding)[:length]
            packed += content if kind == PARAMS else b""
            ends += kind in (PARAMS, STDIN) and not length
        body = answer(dict(_pairs(packed)))
        for kind, content in ((STDOUT, body), (STDOUT, b""), (END, b"\0" * 8)):
            self.wfile.write(struct.pack(">BBHHBx", 1, kind, request, len(content), 0) + content)


def _pairs(packed: bytes):
    """Names and values with their lengths in front (FastCGI 1.0 §3.4)."""
    while packed:
        lengths = []
        for _ in range(2):
            wide = packed[0] >> 7
            lengths.append(int.from_bytes(packed[:4], "big") & 0x7FFFFFFF if wide else packed[0])
            packed = packed[4 if wide else 1 :]
        name, value = packed[: lengths[0]], packed[lengths[0] : sum(lengths)]
        packed = packed[sum(lengths) :]
        yield name.decode("latin-1"), value.decode("latin-1")


class Uwsgi(socketserver.StreamRequestHandler):
    """One request (the uwsgi protocol: a head of four bytes, then names and values with 16-bit lengths)."""

    def handle(self) -> None:
        _, size, _ = struct.unpack("<BHB", self.rfile.read(4))
        packed, words = self.rfile.read(size), []
        while packed:
            (length,) = struct.unpack("<H", packed[:2])
            words.append(packed[2 : 2 + length].decode("latin-1"))
            packed = packed[2 + length :]
        self.wfile.write(b"HTTP/1.0 200 OK\r\n" + answer(dict(zip(words[::2], words[1::2], strict=True))))


class Scgi(socketserver.StreamRequestHandler):
    """One request (SCGI: a netstring of names and values, each with a zero byte behind it)."""

    def handle(self) -> None:
        size = b""
        while (sign := self.rfile.read(1)) not in (b":", b""):
            size += sign
        words = self.rfile.read(int(size)).decode("latin-1").split("\0")[:-1]
        self.wfile.write(b"Status: 200 OK\r\n" + answer(dict(zip(words[::2], words[1::2], strict=True))))


class Upgraded(socketserver.StreamRequestHandler):
    """Takes an upgrade (RFC 6455 §4.2.2, without the proof of its key) and echoes what comes; the rest gets 400."""

    def handle(self) -> None:
        head = {}
        while line := self.rfile.readline().strip():
            name, _, value = line.decode("latin-1").partition(":")
            head[name.lower()] = value.strip()
        if head.get("upgrade") != "websocket" or head.get("connection") != "upgrade":
            self.wfile.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            return
        user = head.get("x-massar-user", "").encode()
        self.wfile.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n")
        self.wfile.write(b"X-Seen-User: " + user + b"\r\n\r\n")
        while data := self.connection.recv(100):
            self.connection.sendall(data)


def answer(params: dict[str, str]) -> bytes:
    return b"Content-Type: application/json\r\n\r\n" + json.dumps(params).encode()


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
