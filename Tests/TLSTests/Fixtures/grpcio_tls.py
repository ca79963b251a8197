"""grpcio with TLS: `client ADDRESS DIRECTORY [CERTIFICATE]` or `server DIRECTORY`.

The directory has ca.pem, and NAME.pem and NAME.key of each identity. The client prints what test.Echo/Who and
test.Echo/Echo answered, or the status of the failure; the server prints its port and then who called.
"""

import sys
from concurrent import futures
from pathlib import Path

import grpc


def identity(directory, name):
    return [(directory / (name + suffix)).read_bytes() for suffix in (".key", ".pem")]


def client(address, directory, name=None):
    key, chain = identity(directory, name) if name else (None, None)
    credentials = grpc.ssl_channel_credentials((directory / "ca.pem").read_bytes(), key, chain)
    # A second channel of its own pool has to resume or repeat the handshake.
    for number in range(2):
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1)]
        with grpc.secure_channel(address, credentials, options) as channel:
            try:
                print(channel.unary_unary("/test.Echo/Who")(b"", timeout=30).decode())
                body = bytes(range(256)) * 8000
                print(channel.unary_unary("/test.Echo/Echo")(body, timeout=30) == body)
                turns = channel.stream_stream("/test.Echo/Chat")(iter([b"a", b"b", b"c"]), timeout=30)
                print(b"".join(turns).decode())
            except grpc.RpcError as error:
                print(error.code().name)


def caller(_, context):
    properties = context.auth_context()
    names = properties.get("x509_subject_alternative_name", [b"nobody"])
    print("called by " + names[0].decode(), flush=True)
    return names[0]


def server(directory):
    handlers = {
        "Echo": grpc.unary_unary_rpc_method_handler(lambda request, _: request),
        "Who": grpc.unary_unary_rpc_method_handler(caller),
    }
    server = grpc.server(futures.ThreadPoolExecutor(4), options=[("grpc.max_receive_message_length", -1)])
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("test.Echo", handlers)])
    key_and_chain = tuple(identity(directory, "server"))
    credentials = grpc.ssl_server_credentials(
        [key_and_chain], (directory / "ca.pem").read_bytes(), require_client_auth=True
    )
    print("port", server.add_secure_port("127.0.0.1:0", credentials), flush=True)
    server.start()
    sys.stdin.read()
    server.stop(0)


if sys.argv[1] == "client":
    client(sys.argv[2], Path(sys.argv[3]), *sys.argv[4:])
else:
    server(Path(sys.argv[2]))
