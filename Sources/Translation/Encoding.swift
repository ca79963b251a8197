import SwiftProtobuf
import XDSCore

extension EncodedResource {
    /// Encodes a message so that equal content gives equal bytes, and so one version, on every
    /// replica.
    convenience init(
        _ message: some Message,
        typeURL: TypeURL,
        name: ResourceName,
        companions: [ResourceReference] = [],
        origin: ResourceOrigin
    ) {
        self.init(
            typeURL: typeURL,
            name: name,
            bytes: deterministicBytes(message),
            companions: companions,
            origin: origin
        )
    }
}

extension Google_Protobuf_Any {
    /// Packs a message, deterministically like the resource around it.
    init(packing message: some Message) {
        self.init()
        typeURL = "type.googleapis.com/\(type(of: message).protoMessageName)"
        value = deterministicBytes(message)
    }
}

extension Google_Protobuf_Duration {
    init(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        self.init(seconds: seconds, nanos: Int32(attoseconds / 1_000_000_000))
    }
}

func deterministicBytes<Bytes: SwiftProtobufContiguousBytes>(
    _ message: some Message
) -> Bytes {
    var options = BinaryEncodingOptions()
    options.useDeterministicOrdering = true
    do {
        return try message.serializedBytes(options: options)
    } catch {
        // proto3 has no required fields, so only a message of 2 GiB fails; our limits are far
        // below.
        preconditionFailure("a resource could not be encoded: \(error)")
    }
}
