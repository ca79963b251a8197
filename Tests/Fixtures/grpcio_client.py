"""Calls the test server at the address given as first argument with grpcio and says how each scenario went.

One line for each scenario: its name and "ok", or its name and what was wrong. The methods are those of
EchoMethods.swift and InteropTests.swift.
"""

import concurrent.futures
import queue
import sys

import grpc
from google.protobuf.wrappers_pb2 import StringValue

channel = grpc.insecure_channel(
    sys.argv[1],
    options=[("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)],
)


def text(value):
    return StringValue(value=value).SerializeToString()


def value(message):
    return StringValue.FromString(message).value


def unary(method):
    return channel.unary_unary("/test.Echo/" + method)


def failure(call):
    """The error that `call` raises."""
    try:
        call()
    except grpc.RpcError as error:
        return error
    raise AssertionError("no error came")


def check(found, expected):
    if found != expected:
        raise AssertionError(f"found {found!r:.200}, expected {expected!r:.200}")


class Turns:
    """A request stream whose messages are handed over one by one."""

    def __init__(self):
        self.messages = queue.Queue()

    def __iter__(self):
        return iter(self.messages.get, None)


def a_unary_call():
    check(value(unary("Unary")(text("hi"), timeout=20)), "echo hi")
    check(value(unary("Inline")(text("hi"), timeout=20)), "inline hi")


def streams_one_way():
    collect = channel.stream_unary("/test.Echo/Collect")
    check(value(collect(iter([text("a"), text("b")]), timeout=20)), "a,b")
    expand = channel.unary_stream("/test.Echo/Expand")
    check([value(m) for m in expand(text("a,b,c"), timeout=20)], ["a", "b", "c"])


def a_bidirectional_call():
    turns = Turns()
    answers = channel.stream_stream("/test.Echo/Chat")(iter(turns), timeout=20)
    for number in range(100):
        turns.messages.put(text(str(number)))
        check(value(next(answers)), f"echo {number}")
    turns.messages.put(None)
    check(list(answers), [])


def large_messages():
    for size in (0, 1, 16384, 1_000_000, 4 * 1024 * 1024):
        payload = bytes(i % 251 for i in range(1000)) * (size // 1000) + b"x" * (size % 1000)
        check(unary("UnaryBytes")(payload, timeout=20), payload)


def a_message_over_the_limit():
    error = failure(lambda: unary("UnaryBytes")(b"x" * (4 * 1024 * 1024 + 1), timeout=20))
    check(error.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)


def metadata():
    sent = (("x-text", "hello"), ("x-text", "again"), ("x-data-bin", b"\x01\x02\x00"))
    _, call = unary("Metadata").with_call(text("x"), metadata=sent, timeout=20)
    initial = [(k, v) for k, v in call.initial_metadata() if k.startswith("x-")]
    trailing = [(k, v) for k, v in call.trailing_metadata() if k.startswith("x-")]
    check(
        sorted(initial),
        [("x-initial", "again"), ("x-initial", "hello"), ("x-initial-bin", b"\x01\x02\x00")],
    )
    check(sorted(trailing), [("x-trailing", "the end"), ("x-trailing-bin", b"\x00\x02\x01")])


def a_status():
    message = "für 5 € gibt es 100 % nichts"
    error = failure(lambda: unary("Fail")(text(message), timeout=20))
    check(error.code(), grpc.StatusCode.FAILED_PRECONDITION)
    check(error.details(), message)
    check(dict(error.trailing_metadata())["x-reason"], "asked for")
    check(dict(error.trailing_metadata())["x-detail-bin"], b"\x00\x01\xff")
    late = channel.unary_stream("/test.Echo/FailLate")(text("x"), timeout=20)
    check(value(next(late)), "x")
    check(failure(lambda: next(late)).code(), grpc.StatusCode.DATA_LOSS)


def an_unknown_method():
    error = failure(lambda: unary("Nothing")(b"", timeout=20))
    check(error.code(), grpc.StatusCode.UNIMPLEMENTED)


def a_compressed_request():
    for compression in grpc.Compression.Gzip, grpc.Compression.Deflate:
        answer = unary("Unary")(text("x" * 10000), timeout=20, compression=compression)
        check(value(answer), "echo " + "x" * 10000)


def a_deadline():
    error = failure(lambda: unary("Wait")(b"", timeout=0.2))
    check(error.code(), grpc.StatusCode.DEADLINE_EXCEEDED)


def a_cancellation():
    call = channel.unary_stream("/test.Echo/WaitAfterMessage")(b"x", timeout=20)
    check(next(call), b"x")
    call.cancel()
    check(failure(lambda: next(call)).code(), grpc.StatusCode.CANCELLED)


def an_end_before_the_client_has_finished():
    turns = Turns()
    call = channel.stream_stream("/test.Echo/Early")(iter(turns), timeout=20)
    turns.messages.put(b"first")
    check(failure(lambda: list(call)).code(), grpc.StatusCode.OUT_OF_RANGE)
    turns.messages.put(None)


def many_calls_at_once():
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = pool.map(lambda n: value(unary("Unary")(text(str(n)), timeout=20)), range(300))
        check(list(answers), [f"echo {n}" for n in range(300)])


scenarios = [
    a_unary_call,
    streams_one_way,
    a_bidirectional_call,
    large_messages,
    a_message_over_the_limit,
    metadata,
    a_status,
    an_unknown_method,
    a_compressed_request,
    a_deadline,
    a_cancellation,
    an_end_before_the_client_has_finished,
    many_calls_at_once,
]
for scenario in scenarios:
    try:
        scenario()
        print(scenario.__name__, "ok", flush=True)
    except Exception as error:
        print(scenario.__name__, type(error).__name__, str(error).replace("\n", " "), flush=True)
