"""Asks a control plane by CSDS where its clients stand, and prints the answer as JSON.

    csds_client.py TARGET MATCHER

MATCHER is JSON in the form of envoy.service.status.v3.ClientStatusRequest. Messages and stub are xds-protos'.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import grpc
from envoy.service.status.v3 import csds_pb2, csds_pb2_grpc
from google.protobuf.json_format import Parse

_TIMEOUT_SECONDS = 20.0


def describe(client: csds_pb2.ClientConfig) -> dict[str, Any]:
    return {
        "node": client.node.id,
        "resources": [
            {
                "type": config.type_url.rsplit(".", 1)[-1],
                "name": config.name,
                "hasVersion": bool(config.version_info),
                "configStatus": csds_pb2.ConfigStatus.Name(config.config_status),
                "clientStatus": config.client_status,
                "content": config.xds_config.type_url == config.type_url and bool(config.xds_config.value),
                "error": config.error_state.details,
            }
            for config in client.generic_xds_configs
        ],
    }


def main() -> None:
    target, text = sys.argv[1:]
    request = Parse(text, csds_pb2.ClientStatusRequest())
    with grpc.insecure_channel(target) as channel:
        stub = csds_pb2_grpc.ClientStatusDiscoveryServiceStub(channel)
        try:
            response = stub.FetchClientStatus(request, timeout=_TIMEOUT_SECONDS)
            streamed = list(stub.StreamClientStatus(iter([request, request]), timeout=_TIMEOUT_SECONDS))
        except grpc.RpcError as error:
            print(json.dumps({"code": error.code().name, "details": error.details(), "clients": []}))
            return
    clients = [describe(client) for client in response.config]
    same = all([describe(client) for client in answer.config] == clients for answer in streamed)
    print(json.dumps({"code": "OK", "details": "", "clients": clients, "streamed": len(streamed) if same else -1}))


if __name__ == "__main__":
    main()
