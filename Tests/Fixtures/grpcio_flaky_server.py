"""A grpcio server for the tests of our client channel's retries.

Fails every call until a call is its third attempt, by `grpc-previous-rpc-attempts`, and asks for a delay before the
next one. Listens on a free port of the loopback interface and prints it. Ends when its standard input ends.
"""

import concurrent.futures
import sys

import grpc


def flaky(request, context):
    sent = dict(context.invocation_metadata())
    attempts = int(sent.get("grpc-previous-rpc-attempts", "0"))
    if attempts < 2:
        context.set_trailing_metadata([("grpc-retry-pushback-ms", "20")])
        context.abort(grpc.StatusCode.UNAVAILABLE, f"attempt {attempts}")
    return request


def never(request, context):
    context.set_trailing_metadata([("grpc-retry-pushback-ms", "-1")])
    context.abort(grpc.StatusCode.UNAVAILABLE, "not again")


server = grpc.server(concurrent.futures.ThreadPoolExecutor(max_workers=4))
handlers = {
    "Flaky": grpc.unary_unary_rpc_method_handler(flaky),
    "Never": grpc.unary_unary_rpc_method_handler(never),
}
server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("test.Who", handlers)])
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(port, flush=True)
sys.stdin.read()
server.stop(0)
