"""The messages of the gRPC interoperability tests, made from their official field numbers.

Written apart from xds/protos/grpc/testing, so that a wrong number there does not agree with itself.
"""

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

SERVICE = "grpc.testing.TestService"

MESSAGES = {
    "Empty": [],
    "BoolValue": [("value", 1, "bool")],
    "Payload": [("type", 1, "PayloadType"), ("body", 2, "bytes")],
    "EchoStatus": [("code", 1, "int32"), ("message", 2, "string")],
    "SimpleRequest": [
        ("response_type", 1, "PayloadType"),
        ("response_size", 2, "int32"),
        ("payload", 3, "Payload"),
        ("fill_username", 4, "bool"),
        ("fill_oauth_scope", 5, "bool"),
        ("response_compressed", 6, "BoolValue"),
        ("response_status", 7, "EchoStatus"),
        ("expect_compressed", 8, "BoolValue"),
    ],
    "SimpleResponse": [("payload", 1, "Payload"), ("username", 2, "string"), ("oauth_scope", 3, "string")],
    "StreamingInputCallRequest": [("payload", 1, "Payload"), ("expect_compressed", 2, "BoolValue")],
    "StreamingInputCallResponse": [("aggregated_payload_size", 1, "int32")],
    "ResponseParameters": [("size", 1, "int32"), ("interval_us", 2, "int32"), ("compressed", 3, "BoolValue")],
    "StreamingOutputCallRequest": [
        ("response_type", 1, "PayloadType"),
        ("response_parameters", 2, "repeated ResponseParameters"),
        ("payload", 3, "Payload"),
        ("response_status", 7, "EchoStatus"),
    ],
    "StreamingOutputCallResponse": [("payload", 1, "Payload")],
}

# The methods: what they take, what they give, and which sides stream.
METHODS = {
    "EmptyCall": ("Empty", "Empty", False, False),
    "UnaryCall": ("SimpleRequest", "SimpleResponse", False, False),
    "StreamingOutputCall": ("StreamingOutputCallRequest", "StreamingOutputCallResponse", False, True),
    "StreamingInputCall": ("StreamingInputCallRequest", "StreamingInputCallResponse", True, False),
    "FullDuplexCall": ("StreamingOutputCallRequest", "StreamingOutputCallResponse", True, True),
    "HalfDuplexCall": ("StreamingOutputCallRequest", "StreamingOutputCallResponse", True, True),
}

SCALARS = {
    "bool": descriptor_pb2.FieldDescriptorProto.TYPE_BOOL,
    "bytes": descriptor_pb2.FieldDescriptorProto.TYPE_BYTES,
    "int32": descriptor_pb2.FieldDescriptorProto.TYPE_INT32,
    "string": descriptor_pb2.FieldDescriptorProto.TYPE_STRING,
}


def file_descriptor():
    file = descriptor_pb2.FileDescriptorProto(name="interop.proto", package="grpc.testing", syntax="proto3")
    file.enum_type.add(name="PayloadType").value.add(name="COMPRESSABLE", number=0)
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for field_name, number, kind in fields:
            field = message.field.add(name=field_name, number=number)
            label, _, kind = kind.rpartition(" ")
            field.label = field.LABEL_REPEATED if label else field.LABEL_OPTIONAL
            if kind in SCALARS:
                field.type = SCALARS[kind]
            else:
                field.type = field.TYPE_ENUM if kind == "PayloadType" else field.TYPE_MESSAGE
                field.type_name = f".grpc.testing.{kind}"
    return file


pool = descriptor_pool.DescriptorPool()
pool.Add(file_descriptor())
for message_name in MESSAGES:
    globals()[message_name] = message_factory.GetMessageClass(
        pool.FindMessageTypeByName(f"grpc.testing.{message_name}")
    )
