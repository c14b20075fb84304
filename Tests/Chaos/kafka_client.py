"""A small Kafka client over the system's librdkafka: enough to write a workload and to read a whole topic again."""
import ctypes
import ctypes.util
import time

QUEUE_FULL = -184
COPY_VALUE = 2


class Message(ctypes.Structure):
    _fields_ = [("err", ctypes.c_int), ("topic", ctypes.c_void_p), ("partition", ctypes.c_int32),
                ("payload", ctypes.c_void_p), ("len", ctypes.c_size_t), ("key", ctypes.c_void_p),
                ("key_len", ctypes.c_size_t), ("offset", ctypes.c_int64), ("private", ctypes.c_void_p)]


class MetadataBroker(ctypes.Structure):
    _fields_ = [("id", ctypes.c_int32), ("host", ctypes.c_char_p), ("port", ctypes.c_int)]


class Metadata(ctypes.Structure):
    _fields_ = [("broker_count", ctypes.c_int), ("brokers", ctypes.POINTER(MetadataBroker)), ("topic_count", ctypes.c_int),
                ("topics", ctypes.c_void_p), ("origin_id", ctypes.c_int32), ("origin_name", ctypes.c_char_p)]


def load():
    library = ctypes.CDLL(ctypes.util.find_library("rdkafka") or "librdkafka.so.1")
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    for name, result, arguments in [
        ("rd_kafka_conf_new", pointer, []),
        ("rd_kafka_conf_set", number, [pointer, text, text, text, ctypes.c_size_t]),
        ("rd_kafka_new", pointer, [number, pointer, text, ctypes.c_size_t]),
        ("rd_kafka_topic_new", pointer, [pointer, text, pointer]),
        ("rd_kafka_produce", number,
         [pointer, ctypes.c_int32, number, pointer, ctypes.c_size_t, text, ctypes.c_size_t, pointer]),
        ("rd_kafka_poll", number, [pointer, number]),
        ("rd_kafka_flush", number, [pointer, number]),
        ("rd_kafka_outq_len", number, [pointer]),
        ("rd_kafka_last_error", number, []),
        ("rd_kafka_err2str", text, [number]),
        ("rd_kafka_destroy", None, [pointer]),
        ("rd_kafka_topic_destroy", None, [pointer]),
        ("rd_kafka_metadata", number, [pointer, number, pointer, ctypes.POINTER(ctypes.POINTER(Metadata)), number]),
        ("rd_kafka_metadata_destroy", None, [ctypes.POINTER(Metadata)]),
        ("rd_kafka_query_watermark_offsets", number,
         [pointer, text, ctypes.c_int32, ctypes.POINTER(ctypes.c_int64), ctypes.POINTER(ctypes.c_int64), number]),
        ("rd_kafka_consume_start", number, [pointer, ctypes.c_int32, ctypes.c_int64]),
        ("rd_kafka_consume", ctypes.POINTER(Message), [pointer, ctypes.c_int32, number]),
        ("rd_kafka_consume_stop", number, [pointer, ctypes.c_int32]),
        ("rd_kafka_message_destroy", None, [ctypes.POINTER(Message)]),
        ("rd_kafka_NewTopic_new", pointer, [text, number, number, text, ctypes.c_size_t]),
        ("rd_kafka_CreateTopics", None, [pointer, ctypes.POINTER(pointer), ctypes.c_size_t, pointer, pointer]),
        ("rd_kafka_DeleteTopic_new", pointer, [text]),
        ("rd_kafka_DeleteTopics", None, [pointer, ctypes.POINTER(pointer), ctypes.c_size_t, pointer, pointer]),
        ("rd_kafka_queue_new", pointer, [pointer]),
        ("rd_kafka_queue_poll", pointer, [pointer, number]),
        ("rd_kafka_queue_destroy", None, [pointer]),
        ("rd_kafka_event_destroy", None, [pointer]),
        ("rd_kafka_event_error", number, [pointer]),
    ]:
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


LIBRARY = load()


class KafkaError(Exception):
    """What librdkafka said."""


def describe(code):
    return LIBRARY.rd_kafka_err2str(code).decode()


class Client:
    """A producer (kind 0) or consumer (kind 1)."""

    def __init__(self, kind, brokers, **properties):
        self.configuration = LIBRARY.rd_kafka_conf_new()
        problem = ctypes.create_string_buffer(512)
        for name, value in {"bootstrap.servers": brokers, "log_level": "0", **properties}.items():
            name = name.replace("_", ".")
            if name == "log.level":
                name = "log_level"
            if LIBRARY.rd_kafka_conf_set(self.configuration, name.encode(), str(value).encode(), problem, 512) != 0:
                raise KafkaError(problem.value.decode())
        self.handle = LIBRARY.rd_kafka_new(kind, self.configuration, problem, 512)
        if not self.handle:
            raise KafkaError(problem.value.decode())
        self.topics = {}

    def topic(self, name):
        if name not in self.topics:
            self.topics[name] = LIBRARY.rd_kafka_topic_new(self.handle, name.encode(), None)
        return self.topics[name]

    def advertised(self):
        """The brokers' addresses, as they tell them: [(host, port)]."""
        found = ctypes.POINTER(Metadata)()
        code = LIBRARY.rd_kafka_metadata(self.handle, 0, None, ctypes.byref(found), 10_000)
        if code != 0:
            raise KafkaError(f"no metadata: {describe(code)}")
        brokers = [(found.contents.brokers[i].host.decode(), found.contents.brokers[i].port)
                   for i in range(found.contents.broker_count)]
        LIBRARY.rd_kafka_metadata_destroy(found)
        return brokers

    def make_topic(self, name, partitions):
        problem = ctypes.create_string_buffer(512)
        topic = LIBRARY.rd_kafka_NewTopic_new(name.encode(), partitions, 1, problem, 512)
        self.administer(LIBRARY.rd_kafka_CreateTopics, topic, f"topic {name} cannot be made")
        # What went wrong with this one topic is seen by asking for its partitions.
        deadline = time.monotonic() + 30
        while True:
            try:
                return [self.bounds(name, partition) for partition in range(partitions)]
            except KafkaError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def remove_topic(self, name):
        self.administer(LIBRARY.rd_kafka_DeleteTopics, LIBRARY.rd_kafka_DeleteTopic_new(name.encode()),
                        f"topic {name} cannot be removed")

    def administer(self, request, subject, problem):
        queue = LIBRARY.rd_kafka_queue_new(self.handle)
        request(self.handle, (ctypes.c_void_p * 1)(subject), 1, None, queue)
        event = LIBRARY.rd_kafka_queue_poll(queue, 30_000)
        code = LIBRARY.rd_kafka_event_error(event) if event else -185
        if event:
            LIBRARY.rd_kafka_event_destroy(event)
        LIBRARY.rd_kafka_queue_destroy(queue)
        if code != 0:
            raise KafkaError(f"{problem}: {describe(code)}")

    def produce(self, topic, partition, key, value):
        """Queues a record, and waits while the queue is full. A value of None is a tombstone."""
        buffer = ctypes.cast(ctypes.c_char_p(value), ctypes.c_void_p) if value is not None else None
        while LIBRARY.rd_kafka_produce(self.topic(topic), partition, COPY_VALUE, buffer, len(value or b""), key, len(key), None):
            code = LIBRARY.rd_kafka_last_error()
            if code != QUEUE_FULL:
                raise KafkaError(f"a record cannot be written: {describe(code)}")
            LIBRARY.rd_kafka_poll(self.handle, 100)

    def poll(self):
        LIBRARY.rd_kafka_poll(self.handle, 0)

    def flush(self, seconds):
        if LIBRARY.rd_kafka_flush(self.handle, int(seconds * 1000)) != 0:
            raise KafkaError(f"{LIBRARY.rd_kafka_outq_len(self.handle)} records could not be written in {seconds} s")

    def bounds(self, topic, partition):
        low, high = ctypes.c_int64(), ctypes.c_int64()
        code = LIBRARY.rd_kafka_query_watermark_offsets(
            self.handle, topic.encode(), partition, ctypes.byref(low), ctypes.byref(high), 20_000)
        if code != 0:
            raise KafkaError(f"{topic}/{partition}: {describe(code)}")
        return low.value, high.value

    def read(self, topic, partition):
        """Every record of a partition, from offset 0 to its end now: (offset, value)."""
        low, high = self.bounds(topic, partition)
        if low != 0:
            raise KafkaError(f"{topic}/{partition} begins at offset {low}: the broker has dropped what the check "
                             "needs; the development broker keeps 5 MiB a partition: write fewer records")
        LIBRARY.rd_kafka_consume_start(self.topic(topic), partition, 0)
        quiet = 0
        position = 0
        try:
            while position < high:
                message = LIBRARY.rd_kafka_consume(self.topic(topic), partition, 1000)
                if not message:
                    quiet += 1
                    if quiet > 60:
                        raise KafkaError(f"{topic}/{partition} cannot be read beyond offset {position} of {high}")
                    continue
                found = message.contents
                code, offset = found.err, found.offset
                value = ctypes.string_at(found.payload, found.len) if found.payload else None
                LIBRARY.rd_kafka_message_destroy(message)
                if code == 0:
                    quiet, position = 0, offset + 1
                    yield offset, value
        finally:
            LIBRARY.rd_kafka_consume_stop(self.topic(topic), partition)


def producer(brokers):
    return Client(0, brokers, enable_idempotence="true", message_timeout_ms=0, linger_ms=20, compression_type="zstd",
                  queue_buffering_max_messages=100_000)


def consumer(brokers):
    return Client(1, brokers, fetch_wait_max_ms=50, fetch_error_backoff_ms=50)
