"""TCP proxies that misbehave on demand: delays, resets, silence, and a cut at the very moment of a commit."""
import asyncio
import socket
import struct
import threading


class Loop:
    """One event loop, in a thread of its own, for all proxies."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, name="proxies", daemon=True).start()

    def call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)


class Proxy:
    """Passes bytes between clients and one server.

    `delay`    seconds that every piece waits, in both directions
    `silent`   half-open: connections stand, bytes are swallowed; they are reset when the silence ends
    `refuses`  new connections are reset at once
    """

    def __init__(self, loop, name, target):
        self.loop, self.name, self.target = loop, name, target
        self.delay, self.silent, self.refuses = 0.0, False, False
        self.pattern, self.action, self.passes = None, None, True
        self.connections, self.dead, self.cuts = set(), set(), 0
        self.server = loop.call(asyncio.start_server(self.accept, "127.0.0.1", 0))
        self.port = self.server.sockets[0].getsockname()[1]

    # What faults do, from the main thread.

    def cut(self):
        """Resets every connection; returns how many there were."""
        return self.loop.call(self._cut())

    def set(self, delay=0.0, silent=False, refuses=False):
        ends_silence = self.silent and not silent
        self.delay, self.silent, self.refuses = delay, silent, refuses
        if ends_silence or refuses:
            self.cut()

    def arm(self, pattern, action=None, passes=True):
        """When a client next sends `pattern`: calls `action`, or else resets the connection, so that the answer is lost
        (`passes`: after the server was given the request; otherwise before)."""
        self.pattern, self.action, self.passes = pattern, action, passes

    def disarm(self):
        """Returns whether the pattern was never seen."""
        missed, self.pattern = self.pattern is not None, None
        return missed

    def deaden(self):
        """Every connection is half-open for good: it stands, and nothing passes any more. New ones are sound."""
        self.dead |= self.connections
        return len(self.dead)

    # Inside the loop.

    async def _cut(self):
        found = list(self.connections)
        for connection in found:
            self.abort(connection)
        return len(found)

    def abort(self, connection):
        for writer in connection:
            sock = writer.get_extra_info("socket")
            if sock is not None and sock.fileno() >= 0:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    async def accept(self, reader, writer):
        if self.refuses:
            return self.abort((writer,))
        try:
            upstream, server = await asyncio.open_connection(*self.target)
        except OSError:
            return self.abort((writer,))
        connection = (writer, server)
        self.connections.add(connection)
        shared = {}
        try:
            await asyncio.gather(self.pump(reader, server, connection, True, shared),
                                 self.pump(upstream, writer, connection, False, shared))
        except (OSError, asyncio.IncompleteReadError):
            self.abort(connection)
        finally:
            self.connections.discard(connection)
            self.dead.discard(connection)
            for side in connection:
                side.close()

    async def pump(self, reader, writer, connection, from_client, shared):
        while data := await reader.read(65536):
            if self.delay:
                await asyncio.sleep(self.delay)
            if self.silent or connection in self.dead:
                continue
            if from_client and self.pattern is not None and self.pattern in data:
                return await self.strike(data, writer, connection, shared)
            if "struck" in shared:
                # The answer that nobody gets: the server is done, and its side can go.
                break
            writer.write(self.translate(data, from_client, shared))
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()

    async def strike(self, data, writer, connection, shared):
        """What was armed happens; the client never sees an answer."""
        self.pattern, action = None, self.action
        self.cuts += 1
        if action is not None:
            action()
        if not self.passes:
            return self.abort(connection)
        # The client first, so that no answer can reach it; then the server is given what it was sent.
        shared["struck"] = True
        self.abort(connection[:1])
        writer.write(data)
        await writer.drain()

    def translate(self, data, from_client, shared):
        return data


class KafkaProxy(Proxy):
    """A proxy of one Kafka broker whose answers name proxies instead of brokers, so that clients stay on this path.

    Only addresses of nine characters (127.0.0.1, localhost) can be exchanged in place: `ports` maps the brokers' ports.
    """

    METADATA, COORDINATOR = 3, 10

    def __init__(self, loop, target):
        self.ports = {}
        super().__init__(loop, "kafka", target)

    @staticmethod
    def frames(buffer):
        while len(buffer) >= 4 and len(buffer) >= 4 + (size := struct.unpack_from(">i", buffer)[0]):
            yield bytes(buffer[4:4 + size])
            del buffer[:4 + size]

    def translate(self, data, from_client, shared):
        buffer = shared.setdefault(from_client, bytearray())
        questions = shared.setdefault("questions", set())
        buffer += data
        passed = bytearray()
        for frame in self.frames(buffer):
            if from_client:
                kind, _, correlation = struct.unpack_from(">hhi", frame)
                if kind in (self.METADATA, self.COORDINATOR):
                    questions.add(correlation)
            elif (correlation := struct.unpack_from(">i", frame)[0]) in questions:
                questions.discard(correlation)
                frame = self.exchange(frame)
            passed += struct.pack(">i", len(frame)) + frame
        return bytes(passed)

    def exchange(self, frame):
        for real, ours in self.ports.items():
            for host in (b"127.0.0.1", b"localhost"):
                frame = frame.replace(host + struct.pack(">i", real), b"127.0.0.1" + struct.pack(">i", ours))
        return frame
