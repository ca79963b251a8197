import EnvoyAPI
import XDSCore

/// One client, and where it stands with each resource on whatever stream.
struct ClientStatus: Sendable {
    let node: Envoy_Config_Core_V3_Node
    /// By type and name.
    let resources: [ResourceStatus]

    /// Puts the streams of each node together, ordered by node id.
    ///
    /// A resource is on one stream only. Two processes that share a node id by mistake have it twice, and the one
    /// that stands worse is shown.
    static func merged(_ streams: [ClientStatus]) -> [ClientStatus] {
        Dictionary(grouping: streams, by: \.node.id).sorted { $0.key < $1.key }
            .compactMap { _, streams in
                guard let first = streams.first else { return nil }
                guard streams.count > 1 else { return first }
                var worst: [ResourceReference: ResourceStatus] = [:]
                for resource in streams.flatMap(\.resources) {
                    let reference = ResourceReference(resource.typeURL, resource.name)
                    guard let other = worst[reference], other.state.rank >= resource.state.rank
                    else {
                        worst[reference] = resource
                        continue
                    }
                }
                let sorted = worst.sorted { $0.key < $1.key }.map(\.value)
                return ClientStatus(node: first.node, resources: sorted)
            }
    }
}

extension ResourceStatus.State {
    /// How bad it is.
    fileprivate var rank: Int {
        switch self {
        case .synced: 0
        case .absent: 1
        case .sent: 2
        case .notSent: 3
        case .nacked: 4
        }
    }
}
