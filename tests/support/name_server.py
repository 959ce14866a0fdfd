"""A name server with the answers of a test: like Docker's, it has one name stand for every container of a service."""

import contextlib
import socket
import socketserver
import struct
import threading
from collections.abc import Iterator

A, IN = 1, 1
# Flags of a reply without an error.
ANSWERED = 0x8180
_HEADER = struct.Struct("!HHHHHH")


class NameServer(socketserver.UDPServer):
    """Answers with ``addresses``, which may change at any time, whatever name it is asked for."""

    def __init__(self, *addresses: str) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.addresses = list(addresses)
        self.port = int(self.server_address[1])


class _Answer(socketserver.BaseRequestHandler):
    server: NameServer

    def handle(self) -> None:
        asked, reply_to = self.request
        number = _HEADER.unpack_from(asked)[0]
        question = asked[_HEADER.size : asked.index(b"\0", _HEADER.size) + 5]  # a name, its type and its class
        is_asked_for = question.endswith(struct.pack("!HH", A, IN))
        found = [socket.inet_aton(address) for address in self.server.addresses] if is_asked_for else []
        same_name = 0xC000 | _HEADER.size
        answers = [struct.pack("!HHHIH", same_name, A, IN, 0, len(address)) + address for address in found]
        reply = _HEADER.pack(number, ANSWERED, 1, len(answers), 0, 0) + question + b"".join(answers)
        reply_to.sendto(reply, self.client_address)


@contextlib.contextmanager
def name_server(*addresses: str) -> Iterator[NameServer]:
    """One that answers for as long as the block lasts."""
    with NameServer(*addresses) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()
