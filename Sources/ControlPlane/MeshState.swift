import EnvoyAPI
import Membership
import Mesh
import Primitives
import Routing
import Synchronization
import Translation
import XDSCore
import XDSServer

/// The mesh, the operators' shares and the endpoints, and the views that follow from them.
///
/// One view for each scope that a node has asked for. A change is decided and translated under one
/// lock, so changes happen one after the other; the views tell their streams after it is released.
final class MeshState: Sendable {
    /// Scopes with a view; a node with a new one is refused beyond it.
    ///
    /// A scope is a region, a zone and a listen address, so a mesh has a few; more are a
    /// misconfigured fleet.
    private static let maximumScopes = 10_000

    fileprivate struct State {
        var translator: Translator
        var views: [Scope: PublishedView] = [:]
        var lastView: UInt64 = 0
    }

    private let state: Mutex<State>

    init(mesh: Mesh, shares: Shares, revision: UInt64) {
        state = Mutex(
            State(translator: Translator(mesh: mesh, shares: shares, revision: revision))
        )
    }

    var mesh: Mesh { state.withLock { $0.translator.mesh } }
    var shares: Shares { state.withLock { $0.translator.shares } }

    /// What registrations are checked against.
    var directory: MeshDirectory {
        let mesh = mesh
        return MeshDirectory(
            regions: Dictionary(
                uniqueKeysWithValues: mesh.regions.map { ($0.name, Set($0.zones)) }
            ),
            services: Dictionary(uniqueKeysWithValues: mesh.services.map { ($0.name, $0.lease) }),
            massExpiry: mesh.massExpiryRules,
            probes: mesh.probePolicies
        )
    }

    // MARK: - Changes

    /// Replaces the mesh, and the shares by what is left of them in it.
    func meshChanged(to mesh: Mesh, shares: Shares, revision: UInt64) {
        publish { state in
            state.translator.meshChanged(to: mesh, revision: revision)
            state.translator.sharesChanged(to: shares)
            return state.replaceViews()
        }
    }

    func sharesChanged(to shares: Shares) {
        publish { state in
            let services = state.translator.sharesChanged(to: shares)
            return state.applyAssignments(of: services)
        }
    }

    private func publish(_ change: (inout State) -> [PublishedView]) {
        let published = state.withLock { change(&$0) }
        for view in published { view.notifyStreams() }
    }

    // MARK: - Reading

    /// The view of the node's scope, made when it is the first one.
    ///
    /// Throws when the node's own words make no scope.
    func view(of node: Envoy_Config_Core_V3_Node) throws(RefusedNode) -> PublishedView {
        let outcome: Result<PublishedView, RefusedNode> = state.withLock { state in
            do throws(InvalidNode) {
                let scope = try Scope(node: node, mesh: state.translator.mesh)
                if let view = state.views[scope] { return .success(view) }
                guard state.views.count < Self.maximumScopes else {
                    return .failure(.exhausted("\(Self.maximumScopes) scopes have a view already"))
                }
                state.lastView += 1
                let view = PublishedView(id: ViewID(state.lastView))
                _ = view.replace(with: state.translator.resources(for: scope))
                state.views[scope] = view
                return .success(view)
            } catch {
                return .failure(.invalid("\(error)"))
            }
        }
        return try outcome.get()
    }
}

extension MeshState {
    /// Whole new lists of endpoints, by service.
    func endpointsChanged(_ endpoints: [ServiceName: [MemberEndpoint]]) {
        publish { state in
            for (service, members) in endpoints {
                state.translator.endpointsChanged(of: service, to: members.map { Endpoint($0) })
            }
            return state.applyAssignments(of: Set(endpoints.keys))
        }
    }
}

extension MeshState.State {
    /// Gives each view its whole new content; returns those that changed.
    fileprivate mutating func replaceViews() -> [PublishedView] {
        views.compactMap { scope, view in
            // A scope whose region has left the mesh keeps its last configuration: its sidecars
            // go on as they are.
            guard translator.mesh.region(named: scope.region) != nil else { return nil }
            return view.replace(with: translator.resources(for: scope)) ? view : nil
        }
    }

    /// Gives each view the services' new endpoints, in O(services); returns those that changed.
    fileprivate mutating func applyAssignments(of services: Set<ServiceName>) -> [PublishedView] {
        let known = services.filter { translator.mesh.service(named: $0) != nil }.sorted()
        guard !known.isEmpty else { return [] }
        return views.compactMap { scope, view in
            guard translator.mesh.region(named: scope.region) != nil else { return nil }
            let changes = known.map {
                ResourceChange.put(translator.assignment(of: $0, for: scope))
            }
            return view.apply(changes) ? view : nil
        }
    }
}

extension Endpoint {
    fileprivate init(_ member: MemberEndpoint) {
        self.init(
            workerID: member.workerID,
            address: member.address,
            locality: member.locality,
            capacity: member.capacity,
            health: Health(member.health),
            version: member.version
        )
    }
}

extension Endpoint.Health {
    fileprivate init(_ health: MemberHealth) {
        switch health {
        case .serving: self = .serving
        case .notServing: self = .notServing
        case .draining: self = .draining
        }
    }
}
