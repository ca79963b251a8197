"""usage: grpcio_interop_client.py HOST:PORT CASE...

Runs cases of the gRPC interoperability tests with grpcio. One line for each: its name and "ok", or its name and what
was wrong.
"""

import sys
import threading

import grpc
import interop_messages as messages
from grpc._cython import cygrpc
from http2_tap import Tap

INITIAL = ("x-grpc-test-echo-initial", "test_initial_metadata_value")
TRAILING = ("x-grpc-test-echo-trailing-bin", b"\xab\xab\xab")
REQUEST_BYTES = 27182, 8, 1828, 45904
RESPONSE_BYTES = 31415, 9, 2653, 58979
LARGE_REQUEST, LARGE_RESPONSE = 271828, 314159

host, _, port = sys.argv[1].rpartition(":")
tap = Tap(host, int(port))
channel = grpc.insecure_channel(f"127.0.0.1:{tap.port}")


class SendMessageOperation(cygrpc.SendMessageOperation):
    """Leaves single requests out of a call's compression, for which grpcio has no interface."""

    leaves_out_next = False

    def __new__(cls, message, flags):
        if cls.leaves_out_next:
            cls.leaves_out_next = False
            flags |= cygrpc.WriteFlag.no_compress
        return super().__new__(cls, message, flags)

    def __init__(self, message, flags):
        pass


def method(name):
    request, response, takes_stream, gives_stream = messages.METHODS[name]
    sides = ["stream" if streams else "unary" for streams in (takes_stream, gives_stream)]
    return getattr(channel, "_".join(sides))(
        f"/{messages.SERVICE}/{name}",
        request_serializer=getattr(messages, request).SerializeToString,
        response_deserializer=getattr(messages, response).FromString,
    )


def zeros(count):
    return messages.Payload(body=bytes(count))


def flag(value):
    return messages.BoolValue(value=value)


def check(found, expected):
    if found != expected:
        raise AssertionError(f"found {found!r:.200}, expected {expected!r:.200}")


def check_payload(payload, count):
    check(len(payload.body), count)
    check(payload.body.count(0), count)


def check_status(call, code, details=None):
    try:
        call()
    except grpc.RpcError as error:
        check(error.code(), code)
        if details is not None:
            check(error.details(), details)
        return
    raise AssertionError(f"no error came, expected {code}")


def large_request(**fields):
    return messages.SimpleRequest(response_size=LARGE_RESPONSE, payload=zeros(LARGE_REQUEST), **fields)


def parameters(*sizes):
    return [messages.ResponseParameters(size=size) for size in sizes]


# MARK: The cases


def empty_unary():
    check(method("EmptyCall")(messages.Empty(), timeout=20), messages.Empty())


def large_unary():
    check_payload(method("UnaryCall")(large_request(), timeout=20).payload, LARGE_RESPONSE)


def client_streaming():
    requests = (messages.StreamingInputCallRequest(payload=zeros(count)) for count in REQUEST_BYTES)
    check(method("StreamingInputCall")(requests, timeout=20).aggregated_payload_size, 74922)


def server_streaming():
    request = messages.StreamingOutputCallRequest(response_parameters=parameters(*RESPONSE_BYTES))
    responses = list(method("StreamingOutputCall")(request, timeout=20))
    check(len(responses), 4)
    for response, count in zip(responses, RESPONSE_BYTES):
        check_payload(response.payload, count)


def ping_pong():
    responses = []

    def requests():
        for number, (sent, wanted) in enumerate(zip(REQUEST_BYTES, RESPONSE_BYTES)):
            yield messages.StreamingOutputCallRequest(
                response_parameters=parameters(wanted), payload=zeros(sent)
            )
            while len(responses) == number:
                answered.wait()
                answered.clear()

    answered = threading.Event()
    for response in method("FullDuplexCall")(requests(), timeout=20):
        responses.append(response)
        answered.set()
    check([len(response.payload.body) for response in responses], list(RESPONSE_BYTES))


def empty_stream():
    check(list(method("FullDuplexCall")(iter([]), timeout=20)), [])


def custom_metadata():
    response, call = method("UnaryCall").with_call(large_request(), timeout=20, metadata=[INITIAL, TRAILING])
    check_payload(response.payload, LARGE_RESPONSE)
    request = messages.StreamingOutputCallRequest(
        response_parameters=parameters(LARGE_RESPONSE), payload=zeros(LARGE_REQUEST)
    )
    duplex = method("FullDuplexCall")(iter([request]), timeout=20, metadata=[INITIAL, TRAILING])
    responses = list(duplex)
    check(len(responses), 1)
    check_payload(responses[0].payload, LARGE_RESPONSE)
    for ended in call, duplex:
        check([item for item in ended.initial_metadata() if item[0] == INITIAL[0]], [INITIAL])
        check([item for item in ended.trailing_metadata() if item[0] == TRAILING[0]], [TRAILING])


def status_code_and_message():
    status = messages.EchoStatus(code=2, message="test status message")
    unary = messages.SimpleRequest(response_status=status)
    check_status(
        lambda: method("UnaryCall")(unary, timeout=20), grpc.StatusCode.UNKNOWN, "test status message"
    )
    request = messages.StreamingOutputCallRequest(response_status=status)
    check_status(
        lambda: list(method("FullDuplexCall")(iter([request]), timeout=20)),
        grpc.StatusCode.UNKNOWN,
        "test status message",
    )


def special_status_message():
    message = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"
    request = messages.SimpleRequest(response_status=messages.EchoStatus(code=2, message=message))
    check_status(lambda: method("UnaryCall")(request, timeout=20), grpc.StatusCode.UNKNOWN, message)


def unimplemented_method():
    call = channel.unary_unary(f"/{messages.SERVICE}/UnimplementedCall")
    check_status(lambda: call(b"", timeout=20), grpc.StatusCode.UNIMPLEMENTED)


def unimplemented_service():
    call = channel.unary_unary("/grpc.testing.UnimplementedService/UnimplementedCall")
    check_status(lambda: call(b"", timeout=20), grpc.StatusCode.UNIMPLEMENTED)


def cancel_after_begin():
    # A stream that has ended could be answered before it is cancelled.
    held = threading.Event()

    def requests():
        held.wait(20)
        yield from ()

    call = method("StreamingInputCall").future(requests(), timeout=20)
    call.cancel()
    held.set()
    check(call.cancelled(), True)
    check(call.code(), grpc.StatusCode.CANCELLED)


def cancel_after_first_response():
    held = threading.Event()

    def requests():
        yield messages.StreamingOutputCallRequest(
            response_parameters=parameters(31415), payload=zeros(27182)
        )
        held.wait(20)

    call = method("FullDuplexCall")(requests(), timeout=20)
    check_payload(next(call).payload, 31415)
    call.cancel()
    held.set()
    check_status(lambda: next(call), grpc.StatusCode.CANCELLED)


def timeout_on_sleeping_server():
    # Without a connection the deadline would pass before the server hears of the call.
    empty_unary()
    held = threading.Event()

    def requests():
        yield messages.StreamingOutputCallRequest(payload=zeros(27182))
        held.wait(20)

    call = method("FullDuplexCall")(requests(), timeout=0.001)
    check_status(lambda: next(call), grpc.StatusCode.DEADLINE_EXCEEDED)
    held.set()


def client_compressed_unary():
    call = method("UnaryCall")
    check_status(
        lambda: call(large_request(expect_compressed=flag(True)), timeout=20), grpc.StatusCode.INVALID_ARGUMENT
    )
    compressed = call(
        large_request(expect_compressed=flag(True)), timeout=20, compression=grpc.Compression.Gzip
    )
    plain = call(large_request(expect_compressed=flag(False)), timeout=20)
    check_payload(compressed.payload, LARGE_RESPONSE)
    check_payload(plain.payload, LARGE_RESPONSE)


def server_compressed_unary():
    for wanted in True, False:
        response = method("UnaryCall")(large_request(response_compressed=flag(wanted)), timeout=20)
        check(tap.response_flags(), [wanted])
        check_payload(response.payload, LARGE_RESPONSE)


def client_compressed_streaming():
    def request(count, compressed):
        return messages.StreamingInputCallRequest(payload=zeros(count), expect_compressed=flag(compressed))

    def two_requests():
        yield request(27182, True)
        SendMessageOperation.leaves_out_next = True
        yield request(45904, False)

    call = method("StreamingInputCall")
    check_status(lambda: call(iter([request(27182, True)]), timeout=20), grpc.StatusCode.INVALID_ARGUMENT)
    cygrpc.SendMessageOperation, original = SendMessageOperation, cygrpc.SendMessageOperation
    try:
        answer = call(two_requests(), timeout=20, compression=grpc.Compression.Gzip)
    finally:
        cygrpc.SendMessageOperation = original
    check(answer.aggregated_payload_size, 73086)


def server_compressed_streaming():
    request = messages.StreamingOutputCallRequest(
        response_parameters=[
            messages.ResponseParameters(size=31415, compressed=flag(True)),
            messages.ResponseParameters(size=92653, compressed=flag(False)),
        ]
    )
    responses = list(method("StreamingOutputCall")(request, timeout=20))
    check(tap.response_flags(), [True, False])
    check(len(responses), 2)
    check_payload(responses[0].payload, 31415)
    check_payload(responses[1].payload, 92653)


for case in sys.argv[2:]:
    try:
        globals()[case]()
        print(case, "ok", flush=True)
    except Exception as error:
        print(case, type(error).__name__, str(error).replace("\n", " "), flush=True)
