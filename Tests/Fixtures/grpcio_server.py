"""A grpcio server for the tests of our client.

Listens on a free port of the loopback interface, prints the port, then a line for each event that a test waits for.
Ends when its standard input ends.
"""

import concurrent.futures
import sys
import threading

import grpc

announcements = threading.Lock()


def announce(line):
    with announcements:
        print(line, flush=True)


def echo(request, context):
    return request


def chat(requests, context):
    yield from requests


def count(requests, context):
    return str(sum(len(request) for request in requests)).encode()


def flood(request, context):
    for _ in range(int(request)):
        yield b"x" * 100_000


def metadata(request, context):
    received = [(k, v) for k, v in context.invocation_metadata() if k.startswith("x-")]
    context.send_initial_metadata(received)
    context.set_trailing_metadata([("x-end", "yes"), ("x-end-bin", b"\x00\xff")])
    return request


def fail(request, context):
    context.set_trailing_metadata([("x-reason", "asked for")])
    context.abort(grpc.StatusCode.ABORTED, request.decode())


def early(requests, context):
    next(requests)
    context.abort(grpc.StatusCode.OUT_OF_RANGE, "enough")


def wait(request, context):
    ended = threading.Event()
    context.add_callback(ended.set)
    announce("waiting")
    yield b"first"
    ended.wait(30)
    announce("ended")


class Methods(grpc.GenericRpcHandler):
    handlers = {
        "/test.Echo/Echo": grpc.unary_unary_rpc_method_handler(echo),
        "/test.Echo/Chat": grpc.stream_stream_rpc_method_handler(chat),
        "/test.Echo/Count": grpc.stream_unary_rpc_method_handler(count),
        "/test.Echo/Flood": grpc.unary_stream_rpc_method_handler(flood),
        "/test.Echo/Metadata": grpc.unary_unary_rpc_method_handler(metadata),
        "/test.Echo/Fail": grpc.unary_unary_rpc_method_handler(fail),
        "/test.Echo/Early": grpc.stream_unary_rpc_method_handler(early),
        "/test.Echo/Wait": grpc.unary_stream_rpc_method_handler(wait),
    }

    def service(self, details):
        return self.handlers.get(details.method)


server = grpc.server(
    concurrent.futures.ThreadPoolExecutor(16),
    handlers=[Methods()],
    options=[("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)],
)
port = server.add_insecure_port("127.0.0.1:0")
server.start()
announce(port)
sys.stdin.read()
server.stop(None)
