import Primitives
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
        var fields = ProtobufFields(message)
        do {
            while let field = try fields.next() {
                guard let range = field.content else { return nil }
                let content = UnsafeRawBufferPointer(rebasing: message[range])
                switch field.number {
                case Self.node: break
                case Self.typeURL:
                    typeURL = TypeURL(standardUTF8: content)
                    if typeURL == nil { return nil }
                case Self.responseNonce:
                    nonce = Nonce(utf8: content)
                    if nonce == nil { return nil }
                default: return nil
                }
            }
        } catch {
            return nil
        }
        guard let typeURL, let nonce else { return nil }
        self.typeURL = typeURL
        self.nonce = nonce
    }

    // envoy/service/discovery/v3/discovery.proto
    private static let node: UInt64 = 1
    private static let typeURL: UInt64 = 2
    private static let responseNonce: UInt64 = 6
}
