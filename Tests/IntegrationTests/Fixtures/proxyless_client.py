"""Asks for reports over a channel of its own xDS, and prints what became of the calls.

    proxyless_client.py BOOTSTRAP REFLECTING TARGET

BOOTSTRAP is the file that gRPC finds its control plane in, TARGET such as xds:///reports. The messages are made from
the descriptors that the server REFLECTING gives out.

Some callers go on until the program is killed. About twenty times a second a line of JSON says how many calls each
region has served, and how many failed with which status.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections import Counter

_CALLERS = 4
_PAUSE_SECONDS = 0.01
_PRINT_SECONDS = 0.05
_TIMEOUT_SECONDS = 10.0


def main() -> None:
    bootstrap, reflecting, target = sys.argv[1:]
    os.environ["GRPC_XDS_BOOTSTRAP"] = bootstrap

    import grpc
    from grpcio_client import generate_report, message_classes

    request_class, response_class = message_classes(reflecting)
    lock = threading.Lock()
    served: Counter[str] = Counter()
    failures: Counter[str] = Counter()

    def call_on(channel: grpc.Channel, caller: int) -> None:
        generate = generate_report(channel, request_class, response_class)
        customer = caller
        while True:
            request = request_class(report="customer-statement", parameters={"customer": str(1 + customer % 20)})
            try:
                response = generate(request, timeout=_TIMEOUT_SECONDS)
                with lock:
                    served[response.served_by.locality.region] += 1
            except grpc.RpcError as error:
                with lock:
                    failures[f"{error.code().name}: {error.details()}"] += 1
            customer += _CALLERS
            time.sleep(_PAUSE_SECONDS)

    channel = grpc.insecure_channel(target)
    for caller in range(_CALLERS):
        threading.Thread(target=call_on, args=(channel, caller), daemon=True).start()
    while True:
        time.sleep(_PRINT_SECONDS)
        with lock:
            print(json.dumps({"served": served, "failures": failures}), flush=True)


if __name__ == "__main__":
    main()
