import XDSCore

/// A delta request that only accepts a response: a type, a nonce and nothing else.
///
/// Nearly every request is one, as each response brings one from each stream. So it is read in place, where
/// decoding a `DeltaDiscoveryRequest` would allocate its strings to throw them away.
struct DeltaAcknowledgement {
    let typeURL: TypeURL
    let nonce: Nonce

    /// Nil for a request that says more, and for one that is malformed: decode it.
    ///
    /// A node is passed over: it counts in the first request of a stream only, which has no nonce of ours.
    init?(_ message: UnsafeRawBufferPointer) {
        var typeURL: TypeURL?
        var nonce: Nonce?
        var rest = message[...]
        while !rest.isEmpty {
            // The fields' numbers are below 16, so a tag is one byte; all of these have a length.
            let tag = rest.removeFirst()
            guard let length = rest.removeLength() else { return nil }
            let field = UnsafeRawBufferPointer(rebasing: rest.prefix(length))
            rest = rest.dropFirst(length)
            switch tag {
            case Self.node: break
            case Self.typeURL:
                typeURL = TypeURL(standardUTF8: field)
                if typeURL == nil { return nil }
            case Self.responseNonce:
                nonce = Nonce(utf8: field)
                if nonce == nil { return nil }
            default: return nil
            }
        }
        guard let typeURL, let nonce else { return nil }
        self.typeURL = typeURL
        self.nonce = nonce
    }

    // `field number << 3 | 2`, from envoy/service/discovery/v3/discovery.proto.
    private static let node: UInt8 = 1 << 3 | 2
    private static let typeURL: UInt8 = 2 << 3 | 2
    private static let responseNonce: UInt8 = 6 << 3 | 2
}

extension Slice<UnsafeRawBufferPointer> {
    /// Takes a varint off that is no more than what follows it.
    fileprivate mutating func removeLength() -> Int? {
        var length = 0
        var shift = 0
        while shift < 32, let byte = popFirst() {
            length |= Int(byte & 0x7F) << shift
            if byte < 0x80 { return length <= count ? length : nil }
            shift += 7
        }
        return nil
    }
}
