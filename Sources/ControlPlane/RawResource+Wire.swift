import Foundation
import GRPC
import MeridianAPI
import Primitives
import SwiftProtobuf
import Translation
import XDSCore

extension NodeSelector {
    /// Reads what a request selects.
    init(_ wire: Meridian_V1_NodeSelector, _ limits: RawLimits) throws(GRPCError) {
        let texts = [
            ("node_id", wire.nodeID), ("cluster", wire.cluster), ("region", wire.region),
            ("zone", wire.zone), ("role", wire.role),
        ]
        for (field, text) in texts where text.utf8.count > limits.maximumSelectorTextBytes {
            throw GRPCError(
                .invalidArgument,
                """
                nodes.\(field): \(text.utf8.count) bytes, expected at most \
                \(limits.maximumSelectorTextBytes)
                """
            )
        }
        func given(_ text: String) -> String? { text.isEmpty ? nil : text }
        self.init(
            nodeID: given(wire.nodeID),
            cluster: given(wire.cluster),
            region: given(wire.region),
            zone: given(wire.zone),
            role: given(wire.role)
        )
        guard wire.allNodes == (self == NodeSelector()) else {
            throw GRPCError(
                .invalidArgument,
                wire.allNodes
                    ? "nodes.all_nodes: expected nothing else beside it, got \(self)"
                    : "nodes: expected node_id, cluster, region, zone, role or all_nodes"
            )
        }
    }

    var wire: Meridian_V1_NodeSelector {
        .with {
            $0.nodeID = nodeID ?? ""
            $0.cluster = cluster ?? ""
            $0.region = region ?? ""
            $0.zone = zone ?? ""
            $0.role = role ?? ""
            $0.allNodes = self == NodeSelector()
        }
    }
}

/// A resource of a request that can't be taken; the field is one of the resource.
private struct InvalidField: Error {
    let field: String
    let message: String
}

extension EncodedResource {
    /// Reads a resource that an operator brings.
    ///
    /// - Parameter place: its place in the request, for errors.
    convenience init(
        _ wire: Meridian_V1_RawResource,
        at place: String,
        for selector: NodeSelector,
        _ limits: RawLimits
    ) throws(GRPCError) {
        do {
            try self.init(wire, selector, limits)
        } catch let error as InvalidField {
            throw GRPCError(.invalidArgument, "\(place).\(error.field): \(error.message)")
        } catch {
            throw GRPCError(.invalidArgument, "\(place): \(error)")
        }
    }

    private convenience init(
        _ wire: Meridian_V1_RawResource,
        _ selector: NodeSelector,
        _ limits: RawLimits
    ) throws {
        guard wire.hasResource != wire.hasEncoded else {
            throw InvalidField(
                field: "resource",
                message: "expected either this or encoded, got "
                    + (wire.hasResource ? "both" : "none of them")
            )
        }
        let field = wire.hasResource ? "resource" : "encoded"
        let text = wire.hasResource ? wire.resource.typeURL : wire.encoded.typeURL
        let bytes = Array(wire.hasResource ? wire.resource.value : wire.encoded.value)
        try Self.check("\(field).type_url", text, 1...limits.maximumTypeURLBytes)
        guard bytes.count <= limits.maximumResourceBytes else {
            throw InvalidField(
                field: "\(field).value",
                message: "\(bytes.count) bytes, expected at most \(limits.maximumResourceBytes)"
            )
        }
        let typeURL = TypeURL(text)
        let facts: ResourceFacts
        do {
            facts = try ResourceFacts(
                typeURL,
                name: wire.name.isEmpty ? nil : ResourceName(wire.name),
                bytes: bytes
            )
        } catch {
            throw InvalidField(field: "\(field).value", message: "\(error)")
        }
        let name = facts.reference.name
        try Self.check("name", name.rawValue, 1...limits.maximumNameBytes)
        if let own = facts.ownName, own != name.rawValue {
            throw InvalidField(
                field: "name",
                message: "\"\(name)\", but the resource calls itself \"\(own)\""
            )
        }
        guard name != .wildcard else {
            throw InvalidField(field: "name", message: "* stands for every name")
        }
        self.init(
            typeURL: typeURL,
            name: name,
            version: try Self.version(wire.version, of: bytes, limits),
            bytes: bytes,
            companions: facts.companions,
            timeToLive: try Self.timeToLive(wire, limits),
            origin: ResourceOrigin(
                objects: ["raw \(typeURL.shortName) \(name) for \(selector)"],
                revision: 0
            )
        )
    }

    private static func check(_ field: String, _ text: String, _ range: ClosedRange<Int>) throws {
        guard !range.contains(text.utf8.count) else { return }
        throw InvalidField(
            field: field,
            message: text.isEmpty
                ? "expected something, got nothing"
                : "\(text.utf8.count) bytes, expected at most \(range.upperBound)"
        )
    }

    private static func version(
        _ text: String,
        of bytes: [UInt8],
        _ limits: RawLimits
    ) throws -> XDSCore.Version {
        let own = XDSCore.Version(hashing: bytes)
        guard !text.isEmpty else { return own }
        try check("version", text, 1...limits.maximumVersionBytes)
        // Whoever dumps what Meridian made, changes it and puts it back with the version that it
        // had would have nobody get the change.
        let version = XDSCore.Version(text)
        guard !version.isHash || version == own else {
            throw InvalidField(
                field: "version",
                message:
                    "\"\(text)\" looks like a hash that Meridian makes, but not of this content"
            )
        }
        return version
    }

    private static func timeToLive(
        _ wire: Meridian_V1_RawResource,
        _ limits: RawLimits
    ) throws -> Duration? {
        guard wire.hasTtl else { return nil }
        let span = Duration.seconds(wire.ttl.seconds) + .nanoseconds(Int64(wire.ttl.nanos))
        guard limits.timesToLive.contains(span) else {
            throw InvalidField(
                field: "ttl",
                message: "\(span), expected \(limits.timesToLive.lowerBound) to "
                    + "\(limits.timesToLive.upperBound)"
            )
        }
        return span
    }

    /// The same resource, and when it was set.
    func set(at revision: UInt64) -> EncodedResource {
        EncodedResource(
            typeURL: typeURL,
            name: name,
            version: version,
            bytes: bytes,
            companions: companions,
            timeToLive: timeToLive,
            origin: origin.map { ResourceOrigin(objects: $0.objects, revision: revision) }
        )
    }
}

extension Meridian_V1_RawResource {
    /// - Parameter includesContent: false for the name, the version and the type only.
    init(_ resource: EncodedResource, includesContent: Bool = true) {
        self.init()
        name = resource.name.rawValue
        version = resource.version.rawValue
        if includesContent {
            self.resource = .with {
                $0.typeURL = resource.typeURL.rawValue
                $0.value = Data(resource.bytes)
            }
        } else {
            encoded = .with { $0.typeURL = resource.typeURL.rawValue }
        }
        if let span = resource.timeToLive {
            let (seconds, attoseconds) = span.components
            ttl = .with {
                $0.seconds = seconds
                $0.nanos = Int32(attoseconds / 1_000_000_000)
            }
        }
    }
}
