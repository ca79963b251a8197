"""Calls the test server at the address given as first argument with a traceparent, and says what came back.

One line for each call: the status, then the trailers "x-trace" and "x-refused" of the server's interceptors.
"""

import sys

import grpc
from google.protobuf.wrappers_pb2 import StringValue

channel = grpc.insecure_channel(sys.argv[1])
unary = channel.unary_unary("/test.Echo/Unary")


def call(metadata):
    call = unary.with_call
    try:
        _, done = call(StringValue(value="x").SerializeToString(), metadata=metadata, timeout=20)
    except grpc.RpcError as error:
        done = error
    trailers = dict(done.trailing_metadata())
    print(done.code().name, trailers.get("x-trace"), trailers.get("x-refused"), flush=True)


parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
call([("traceparent", parent), ("tracestate", "a=1,b=2")])
call([("traceparent", parent.upper())])
call([("traceparent", parent), ("x-banned", "yes")])
