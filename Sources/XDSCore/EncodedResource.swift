import Primitives

/// One resource as it goes on the wire: encoded once per change, shared by every view and stream.
///
/// Two resources are equal when type, name, version, time to live and companions are: the version stands for
/// the bytes, so comparing never walks them.
///
/// A class, because a change hands it through every stream's bookkeeping: a reference is counted once where
/// a structure's fields would each be.
package final class EncodedResource: Sendable {
    package let typeURL: TypeURL
    package let name: ResourceName
    package let version: Version
    /// The serialized message, as it stands in `Any.value`.
    package let bytes: [UInt8]
    /// The resources that a client has to be given again whenever this one changes.
    ///
    /// For a cluster: its ClusterLoadAssignment under its EDS service name. Envoy puts a changed cluster
    /// back into warming until its endpoints arrive *again*, even at the same version; in delta it
    /// doesn't ask for them. The bytes are opaque here, so whoever encodes the resource says it.
    package let companions: [ResourceReference]
    /// After it the client drops the resource unless it hears of it again ("TTL" of the xDS protocol).
    package let timeToLive: Duration?
    /// What the resource was made from; for people, and no part of the content.
    package let origin: ResourceOrigin?

    /// A resource whose version is the hash of its bytes.
    package convenience init(
        typeURL: TypeURL,
        name: ResourceName,
        bytes: [UInt8],
        companions: [ResourceReference] = [],
        timeToLive: Duration? = nil,
        origin: ResourceOrigin? = nil
    ) {
        self.init(
            typeURL: typeURL,
            name: name,
            version: Version(hashing: bytes),
            bytes: bytes,
            companions: companions,
            timeToLive: timeToLive,
            origin: origin
        )
    }

    /// A resource with a version text that the operator brought; it is given out verbatim.
    package init(
        typeURL: TypeURL,
        name: ResourceName,
        version: Version,
        bytes: [UInt8],
        companions: [ResourceReference] = [],
        timeToLive: Duration? = nil,
        origin: ResourceOrigin? = nil
    ) {
        self.typeURL = typeURL
        self.name = name
        self.version = version
        self.bytes = bytes
        self.companions = companions
        self.timeToLive = timeToLive
        self.origin = origin
    }

    package var reference: ResourceReference { ResourceReference(typeURL, name) }

    /// Whether a client that has one of two resources with the same name needs to be sent the other.
    func isSame(as other: EncodedResource) -> Bool {
        self === other || version == other.version && timeToLive == other.timeToLive
    }
}

extension EncodedResource: Hashable {
    package static func == (lhs: EncodedResource, rhs: EncodedResource) -> Bool {
        lhs === rhs
            || lhs.isSame(as: rhs) && lhs.name == rhs.name && lhs.typeURL == rhs.typeURL
                && lhs.companions == rhs.companions
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(typeURL)
        hasher.combine(name)
        hasher.combine(version)
    }
}
