import Membership
import Primitives
import Registry
import Synchronization
import XDSServer

/// Carries the registry's endpoints into the views, and the proxies' confirmations back.
struct EndpointPublisher: EndpointObserver {
    let state: MeshState
    let discovery: DiscoveryService

    func endpointsChanged(_ endpoints: [ServiceName: [MemberEndpoint]]) async {
        state.endpointsChanged(endpoints)
    }

    func confirmations(cap: Duration) async -> Confirmations {
        let result = await discovery.waitUntilConfirmed(cap: cap)
        return Confirmations(confirmed: result.confirmed, subscribed: result.subscribed)
    }
}

/// Where the counters of `GetCounters` come from; sources are added while the control plane is put
/// together.
final class CounterSources: Sendable {
    private let sources = Mutex<[@Sendable () -> [String: UInt64]]>([])

    func add(_ source: @escaping @Sendable () -> [String: UInt64]) {
        sources.withLock { $0.append(source) }
    }

    var values: [String: UInt64] {
        let sources = sources.withLock { $0 }
        return sources.reduce(into: [:]) { values, source in
            values.merge(source()) { first, _ in first }
        }
    }
}

/// What this process is called by operators, who may have several; known when it serves.
final class ReplicaName: Sendable {
    private let name = Mutex("")

    var text: String { name.withLock { $0 } }

    func becameKnown(_ text: String) {
        name.withLock { $0 = text }
    }
}
