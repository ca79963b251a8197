"""Calls our servers with grpcio, and prints what came as JSON.

    grpcio_client.py report TARGET REFLECTING NAME CUSTOMER
    grpcio_client.py describe TARGET

The messages of `report` are made at run time from the descriptors that the server REFLECTING gives out.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

_TIMEOUT_SECONDS = 10.0


def message_classes(reflecting: str) -> tuple[Any, Any]:
    """The request and the response of GenerateReport."""
    with grpc.insecure_channel(reflecting) as channel:
        pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
        service = pool.FindServiceByName("meridian.v1.ReportService")
        method = service.FindMethodByName("GenerateReport")
        return GetMessageClass(method.input_type), GetMessageClass(method.output_type)


def generate_report(channel: grpc.Channel, request_class: Any, response_class: Any) -> grpc.UnaryUnaryMultiCallable:
    return channel.unary_unary(
        "/meridian.v1.ReportService/GenerateReport",
        request_serializer=request_class.SerializeToString,
        response_deserializer=response_class.FromString,
    )


def report(target: str, reflecting: str, name: str, customer: str) -> dict[str, Any]:
    request_class, response_class = message_classes(reflecting)
    with grpc.insecure_channel(target) as channel:
        call = generate_report(channel, request_class, response_class)
        request = request_class(report=name, parameters={"customer": customer})
        try:
            response = call(request, timeout=_TIMEOUT_SECONDS)
        except grpc.RpcError as error:
            return {"code": error.code().name, "details": error.details()}
    return {
        "code": "OK",
        "worker": response.served_by.worker_id,
        "rows": response.rows,
        "content": response.content.decode(),
    }


def describe(target: str) -> dict[str, Any]:
    with grpc.insecure_channel(target) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        whole = health.Check(health_pb2.HealthCheckRequest(), timeout=_TIMEOUT_SECONDS)
        try:
            health.Check(health_pb2.HealthCheckRequest(service="no.such.Service"), timeout=_TIMEOUT_SECONDS)
            unknown = "OK"
        except grpc.RpcError as error:
            unknown = error.code().name
        database = ProtoReflectionDescriptorDatabase(channel)
        pool = DescriptorPool(database)
        services = list(database.get_services())
        methods = {}
        for service in services:
            try:
                methods[service] = [method.name for method in pool.FindServiceByName(service).methods]
            except KeyError:
                # Listed without a description.
                continue
    return {
        "health": health_pb2.HealthCheckResponse.ServingStatus.Name(whole.status),
        "unknown": unknown,
        "services": services,
        "methods": methods,
    }


def main() -> None:
    command, *arguments = sys.argv[1:]
    print(json.dumps({"report": report, "describe": describe}[command](*arguments)))


if __name__ == "__main__":
    main()
