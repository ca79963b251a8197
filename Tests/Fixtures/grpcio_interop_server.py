"""The server of the gRPC interoperability tests, with grpcio.

Prints the port that it listens on, and ends when its standard input ends.
"""

import concurrent.futures
import sys
import time

import grpc
import interop_messages as messages
from http2_tap import Tap

INITIAL = "x-grpc-test-echo-initial"
TRAILING = "x-grpc-test-echo-trailing-bin"
CODES = {code.value[0]: code for code in grpc.StatusCode}


def echo_metadata(context):
    received = dict(context.invocation_metadata())
    if INITIAL in received:
        context.send_initial_metadata([(INITIAL, received[INITIAL])])
    if TRAILING in received:
        context.set_trailing_metadata([(TRAILING, received[TRAILING])])


def check_compression(request, was_compressed, context):
    if request.HasField("expect_compressed") and request.expect_compressed.value != was_compressed:
        context.abort(
            grpc.StatusCode.INVALID_ARGUMENT,
            f"expected compressed = {request.expect_compressed.value}, got {was_compressed}",
        )


def check_status(request, context):
    status = request.response_status
    if request.HasField("response_status") and status.code != 0:
        context.abort(CODES[status.code], status.message)


def zeros(count):
    return messages.Payload(body=bytes(count))


def empty_call(request, context):
    return messages.Empty()


def unary_call(request, context):
    flags = tap.request_flags()
    if request.response_compressed.value:
        context.set_compression(grpc.Compression.Gzip)
    echo_metadata(context)
    check_compression(request, flags[0], context)
    check_status(request, context)
    return messages.SimpleResponse(payload=zeros(request.response_size))


def streaming_input_call(requests, context):
    flags = tap.request_flags()
    total = 0
    for index, request in enumerate(requests):
        check_compression(request, flags[index], context)
        total += len(request.payload.body)
    return messages.StreamingInputCallResponse(aggregated_payload_size=total)


def answers(request, context):
    check_status(request, context)
    for parameters in request.response_parameters:
        time.sleep(parameters.interval_us / 1e6)
        if not parameters.compressed.value:
            context.disable_next_message_compression()
        yield messages.StreamingOutputCallResponse(payload=zeros(parameters.size))


def streaming_output_call(request, context):
    context.set_compression(grpc.Compression.Gzip)
    echo_metadata(context)
    yield from answers(request, context)


def full_duplex_call(requests, context):
    context.set_compression(grpc.Compression.Gzip)
    echo_metadata(context)
    for request in requests:
        yield from answers(request, context)


def half_duplex_call(requests, context):
    yield from full_duplex_call(iter(list(requests)), context)


HANDLERS = {
    "EmptyCall": empty_call,
    "UnaryCall": unary_call,
    "StreamingOutputCall": streaming_output_call,
    "StreamingInputCall": streaming_input_call,
    "FullDuplexCall": full_duplex_call,
    "HalfDuplexCall": half_duplex_call,
}


def method_handler(name):
    request, response, takes_stream, gives_stream = messages.METHODS[name]
    sides = ["stream" if streams else "unary" for streams in (takes_stream, gives_stream)]
    return getattr(grpc, "_".join(sides) + "_rpc_method_handler")(
        HANDLERS[name],
        request_deserializer=getattr(messages, request).FromString,
        response_serializer=getattr(messages, response).SerializeToString,
    )


server = grpc.server(concurrent.futures.ThreadPoolExecutor(16))
server.add_generic_rpc_handlers(
    [grpc.method_handlers_generic_handler(messages.SERVICE, {name: method_handler(name) for name in HANDLERS})]
)
tap = Tap("127.0.0.1", server.add_insecure_port("127.0.0.1:0"))
server.start()
print(tap.port, flush=True)
sys.stdin.read()
server.stop(None)
