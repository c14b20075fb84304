"""An HTTP proxy that fails some requests on purpose, the same ones for the same seed and order of requests.

    fault_proxy.py --upstream 127.0.0.1:5000 --faults unavailable,reset-before,reset-after,slow,truncated [--share 0.1]
                   [--seed N]

More faults: skewed (a clock that is wrong), denied (an unknown key), silent (never an answer), none.

First it prints `port=N`, then a line for each request that changes something and for each fault. It ends with its parent.
"""

import argparse
import asyncio
import os
import random
import socket
import struct
import sys



def refusal(status, code, message):
    body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return (f"HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n"
            f"Connection: close\r\n\r\n{body}").encode()


CANNED = {
    "unavailable": refusal("503 Slow Down", "SlowDown", "Please reduce your request rate."),
    "skewed": refusal("403 Forbidden", "RequestTimeTooSkewed",
                      "The difference between the request time and the current time is too large."),
    "denied": refusal("403 Forbidden", "InvalidAccessKeyId",
                      "The AWS Access Key Id you provided does not exist in our records."),
}


def say(text):
    print(text, flush=True)


async def read_message(reader):
    """The head and the body of a request, and whether there was one."""
    head = await reader.readuntil(b"\r\n\r\n")
    headers = {}
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        headers[name.strip().lower()] = value.strip()
    if headers.get(b"transfer-encoding", b"").lower() == b"chunked":
        body = b""
        while True:
            size = await reader.readuntil(b"\r\n")
            body += size + await reader.readexactly(int(size.split(b";")[0], 16) + 2)
            if int(size.split(b";")[0], 16) == 0:
                return head, body
    return head, await reader.readexactly(int(headers.get(b"content-length", b"0")))


class Proxy:
    def __init__(self, options):
        self.host, _, port = options.upstream.rpartition(":")
        self.port = int(port)
        self.faults = options.faults.split(",")
        self.share = options.share
        self.random = random.Random(options.seed)
        self.waiting = []

    def draw(self):
        """Each fault once before any comes again: few requests meet all of them."""
        if not self.waiting:
            self.waiting = self.random.sample(self.faults, len(self.faults))
        return self.waiting.pop()

    async def ask(self, head, body):
        """The upstream's whole answer; it closes the connection after it."""
        lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
        lines.insert(1, b"Connection: close")
        reader, writer = await asyncio.open_connection(self.host, self.port)
        writer.write(b"\r\n".join(lines) + body)
        await writer.drain()
        answer = await reader.read()
        writer.close()
        return answer

    async def serve(self, reader, writer):
        try:
            await self.answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, OSError):
            pass
        finally:
            writer.close()

    async def answer(self, reader, writer):
        head, body = await read_message(reader)
        line = head.split(b"\r\n")[0].decode("latin-1")
        if line.split(" ")[0] not in ("GET", "HEAD"):
            say(f"request {line}")
        fault = self.draw() if self.random.random() < self.share else None
        if fault:
            say(f"fault {fault} {line}")
        if fault in CANNED:
            writer.write(CANNED[fault])
            return await writer.drain()
        if fault == "reset-before":
            return self.reset(writer)
        if fault == "silent":
            return await reader.read()
        pause = self.random.uniform(0.2, 1.0)
        answer = await self.ask(head, body)
        if fault == "reset-after":
            return self.reset(writer)
        if fault == "slow":
            await asyncio.sleep(pause)
        if fault == "truncated":
            end = answer.find(b"\r\n\r\n") + 4
            answer = answer[:end + (len(answer) - end) // 2] if end < len(answer) else answer[:end // 2]
        writer.write(answer)
        await writer.drain()

    @staticmethod
    def reset(writer):
        """Ends the connection in the middle, and not in order."""
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()


async def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--upstream", required=True)
    parser.add_argument("--faults", required=True)
    parser.add_argument("--share", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    parent = os.getppid()
    server = await asyncio.start_server(Proxy(options).serve, "127.0.0.1", 0, limit=1 << 20)
    say(f"port={server.sockets[0].getsockname()[1]}")
    while os.getppid() == parent:
        await asyncio.sleep(0.5)


try:
    asyncio.run(main())
except KeyboardInterrupt:
    sys.exit(0)
