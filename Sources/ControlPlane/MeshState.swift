import EnvoyAPI
import Membership
import Mesh
import Primitives
import Quarantine
import Routing
import Synchronization
import Translation
import XDSCore
import XDSServer

/// The mesh, the operators' shares and the endpoints, and the views that follow from them.
///
/// One view for each key that a node has asked for: its scope, and what holds for the node beside.
/// A change is decided and translated under one lock, so changes happen one after the other; the
/// views tell their streams after it is released.
final class MeshState: Sendable {
    struct State {
        var translator: Translator
        var raw = RawResources()
        /// What is kept from nodes that refused it.
        var quarantine: QuarantineLedger
        var views: ViewTable
    }

    let state: Mutex<State>
    /// Spares nearly every answer of a proxy the lock.
    let hasQuarantine = Atomic<Bool>(false)

    init(
        mesh: Mesh,
        shares: Shares,
        revision: UInt64,
        serviceRevisions: [ServiceName: UInt64] = [:],
        raw: RawResources = RawResources(),
        views: ViewTable = ViewTable(),
        quarantine limits: QuarantineLimits = QuarantineLimits()
    ) {
        var initial = State(
            translator: Translator(
                mesh: mesh,
                shares: shares,
                revision: revision,
                serviceRevisions: serviceRevisions
            ),
            raw: raw,
            quarantine: QuarantineLedger(limits: limits),
            views: views
        )
        _ = initial.retryChangedObjects()
        state = Mutex(initial)
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
    ///
    /// - Parameter moving: called with the nodes whose view is another now, before any stream hears of the
    ///   change; have `DiscoveryService` move them.
    func meshChanged(
        to mesh: Mesh,
        shares: Shares,
        revision: UInt64,
        moving: (Set<String>) -> Void = { _ in }
    ) {
        let (moved, published) = state.withLock { state in
            state.translator.meshChanged(to: mesh, revision: revision)
            state.translator.sharesChanged(to: shares)
            let moved = state.retryChangedObjects()
            return (moved, state.replaceViews())
        }
        // A stream that is about to leave its view needs nothing of what that has become.
        if !moved.isEmpty { moving(moved) }
        for view in published { view.notifyStreams() }
    }

    func sharesChanged(to shares: Shares) {
        publish { state in
            let services = state.translator.sharesChanged(to: shares)
            return state.applyAssignments(of: services)
        }
    }

    /// Makes a change under the lock, and tells the streams of the views that it returns.
    func publish(_ change: (inout State) -> [PublishedView]) {
        let published = state.withLock { change(&$0) }
        for view in published { view.notifyStreams() }
    }

    // MARK: - Reading

    /// The view that the node gets, made when it is the first with its key.
    ///
    /// Throws when the node's own words make no scope.
    func view(of node: Envoy_Config_Core_V3_Node) throws(RefusedNode) -> PublishedView {
        let outcome: Result<PublishedView, RefusedNode> = state.withLock { state in
            do throws(InvalidNode) {
                let key = try state.key(of: node)
                if let view = state.views[key] { return .success(view) }
                guard let view = state.views.add(key) else {
                    let limit = state.views.maximumViews
                    return .failure(.exhausted("there are \(limit) views already"))
                }
                _ = view.replace(with: state.resources(for: key))
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
    /// What decides the view of the node.
    func key(of node: Envoy_Config_Core_V3_Node) throws(InvalidNode) -> ViewKey {
        let scope = try Scope(node: node, mesh: translator.mesh)
        if raw.isEmpty, quarantine.nodeCount == 0 { return ViewKey(scope) }
        return ViewKey(
            scope,
            ViewOverlay(
                raw: raw.selectors(of: NodeAttributes(node, scope)),
                quarantined: quarantine.substitutions(for: NodeID(node.id))
            )
        )
    }

    /// All that nodes with this key get; of several with one type and name the last one.
    mutating func resources(for key: ViewKey) -> [EncodedResource] {
        var translated = translator.resources(for: key.scope)
        for (aggregate, substitutions) in key.overlay.quarantined {
            // Of several with one type and name the last one counts.
            if let rebuilt = rebuilt(aggregate, substitutions) { translated.append(rebuilt) }
        }
        if key.overlay.raw.isEmpty { return translated }
        return translated + raw.resources(of: key.overlay.raw).values
    }

    /// Gives each view its whole new content; returns those that changed.
    mutating func replaceViews(
        where isIncluded: (ViewKey) -> Bool = { _ in true }
    ) -> [PublishedView] {
        views.forgetUnused()
        return views.all.compactMap { key, view in
            // A scope whose region has left the mesh keeps its last configuration: its sidecars
            // go on as they are.
            guard isIncluded(key), translator.mesh.region(named: key.scope.region) != nil else {
                return nil
            }
            return view.replace(with: resources(for: key)) ? view : nil
        }
    }

    /// Gives each view the services' new endpoints, in O(services); returns those that changed.
    fileprivate mutating func applyAssignments(of services: Set<ServiceName>) -> [PublishedView] {
        let known = services.filter { translator.mesh.service(named: $0) != nil }.sorted()
        guard !known.isEmpty else { return [] }
        return views.all.compactMap { key, view in
            guard translator.mesh.region(named: key.scope.region) != nil else { return nil }
            let changes = known.map {
                ResourceChange.put(assignment(of: $0, for: key))
            }
            return view.apply(changes) ? view : nil
        }
    }

    /// The service's endpoints as nodes with this key get them.
    private mutating func assignment(of service: ServiceName, for key: ViewKey) -> EncodedResource {
        let translated = translator.assignment(of: service, for: key.scope)
        for selector in key.overlay.raw.reversed() {
            if let raw = raw[selector][translated.reference] { return raw }
        }
        return translated
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
