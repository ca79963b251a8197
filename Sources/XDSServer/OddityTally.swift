import Synchronization

/// What was odd about the requests of all streams, counted from the start.
///
/// What a client does within the protocol, and what ends a stream by a bound, is in `DiscoveryTally`.
final class OddityTally: Sendable {
    /// What is wrong with a request that ends its stream, or that is ignored in part.
    enum Oddity {
        /// It is no protobuf.
        case malformed
        /// It has no node id, or a node that gets no view.
        case refusedNode
        /// Its type is one that nobody here knows; it is served like any other.
        case unknownType
        /// Its nonce answers nothing that is out.
        case ignoredNonce
        /// A wait for its stream was pushed out by newer ones.
        case droppedConfirmation
    }

    private let malformed = Atomic<UInt64>(0)
    private let refusedNodes = Atomic<UInt64>(0)
    private let unknownTypes = Atomic<UInt64>(0)
    private let ignoredNonces = Atomic<UInt64>(0)
    private let droppedConfirmations = Atomic<UInt64>(0)

    func count(_ oddity: Oddity) {
        switch oddity {
        case .malformed: malformed.wrappingAdd(1, ordering: .relaxed)
        case .refusedNode: refusedNodes.wrappingAdd(1, ordering: .relaxed)
        case .unknownType: unknownTypes.wrappingAdd(1, ordering: .relaxed)
        case .ignoredNonce: ignoredNonces.wrappingAdd(1, ordering: .relaxed)
        case .droppedConfirmation: droppedConfirmations.wrappingAdd(1, ordering: .relaxed)
        }
    }

    /// By metric name.
    var values: [String: UInt64] {
        [
            "xds_malformed_requests": malformed.load(ordering: .relaxed),
            "xds_refused_nodes": refusedNodes.load(ordering: .relaxed),
            "xds_unknown_type_requests": unknownTypes.load(ordering: .relaxed),
            "xds_ignored_nonces": ignoredNonces.load(ordering: .relaxed),
            "xds_confirmations_dropped": droppedConfirmations.load(ordering: .relaxed),
        ]
    }
}
