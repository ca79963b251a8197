/// What happens to one endpoint.
enum ChangeKind: String, CaseIterable {
    /// Its health flips to bad and back.
    case down
    case up
    /// It deregisters and registers again.
    case leave
    case join
}

/// An endpoint of the mesh.
struct EndpointIndex: Hashable {
    let cluster: Int
    let endpoint: Int
}

/// Where changes come from: the registry's own API, or a peer's control port.
protocol ChangeSource: AnyObject {
    /// Whether every endpoint is there.
    var isReady: Bool { get }
    /// Makes the change; the result is the time just before anything left for the server.
    func make(_ kind: ChangeKind, of index: EndpointIndex) -> UInt64
    /// Whether the server has answered the last change, where it does.
    var isSettled: Bool { get }
    /// Asks how many acknowledgements the server has counted; `acknowledged` has the answer.
    func askForAcknowledged()
    var acknowledged: UInt64? { get }
}

/// The mesh that a run works with.
struct MeshShape {
    let clusters: Int
    let endpoints: Int
    /// Region and zone of each scope; endpoints take them in turn.
    let scopes: [(region: String, zone: String)]

    func clusterName(_ cluster: Int) -> String { "service-\(cluster)" }

    var all: [EndpointIndex] {
        (0..<clusters).flatMap { cluster in
            (0..<endpoints).map { EndpointIndex(cluster: cluster, endpoint: $0) }
        }
    }
}
