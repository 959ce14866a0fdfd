"""Servers on this machine that alerts are sent to, one of HTTP and one of mail, with what they were sent."""

import asyncio
import contextlib
from ipaddress import ip_network

LOOPBACK = [ip_network("127.0.0.0/8")]


@contextlib.asynccontextmanager
async def receiver(answer):
    """A server that takes one request a connection and answers with what ``answer`` writes; what it was sent."""
    received = []

    async def serve(reader, writer):
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            pairs = (line.split(": ", 1) for line in head.splitlines()[1:] if line)
            headers = {name.lower(): value for name, value in pairs}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            received.append((head.split()[1], headers, body))
            await answer(writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}/hook?x=1", received
    finally:
        server.close()


def replying(text):
    async def answer(writer):
        writer.write(text)

    return answer


OK = replying(b"HTTP/1.1 204 No Content\r\n\r\n")


@contextlib.asynccontextmanager
async def mailbox():
    """A server that takes mail from anybody; its port, and the text of each mail."""
    received = []

    async def serve(reader, writer):
        try:
            writer.write(b"220 here\r\n")
            while line := await reader.readline():
                command = line.split()[0].upper()
                if command == b"DATA":
                    writer.write(b"354 go on\r\n")
                    received.append((await reader.readuntil(b"\r\n.\r\n")).decode())
                writer.write(b"221 bye\r\n" if command == b"QUIT" else b"250 ok\r\n")
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], received
    finally:
        server.close()
