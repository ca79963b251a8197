import EnvoyAPI
package import Mesh
package import Primitives
package import Routing
package import XDSCore

/// Turns the mesh, the operators' shares and the registered endpoints into Envoy's resources.
///
/// Each resource is encoded once per change and kept: a change of one service's endpoints costs
/// that service's assignments, one for each consumer region, and nothing else. Equal content always
/// encodes to equal bytes, so what did not change keeps its version across changes, replicas and
/// restarts.
package struct Translator: Sendable {
    /// The name of the listener that carries a client's calls, and of its routes.
    package static let egressName = "egress"
    /// Listeners kept encoded, one for each listen address; beyond, they are encoded for each use.
    private static let maximumCachedListeners = 1_024

    package private(set) var mesh: Mesh
    package private(set) var shares: Shares
    /// The store's revision in which the mesh became what it is; 0 if there is none.
    private var revision: UInt64
    /// The same for each service.
    private var revisionByService: [ServiceName: UInt64]
    /// What each service contributes to the routes.
    private var routeParts: [ObjectPart]
    private var endpointsByService: [ServiceName: [Endpoint]]
    private var clusters: [EncodedResource]
    private var routes: EncodedResource
    private var listeners: [EndpointAddress: EncodedResource] = [:]
    private var assignments: [ServiceName: [Consumer: EncodedResource]] = [:]
    /// Made for the first client that asks: most meshes have none.
    private var proxyless: ProxylessResources?

    /// Whose assignments are equal.
    private struct Consumer: Hashable {
        let region: RegionName
        let role: Scope.Role
    }

    package init(
        mesh: Mesh,
        shares: Shares = Shares(),
        endpoints: [ServiceName: [Endpoint]] = [:],
        revision: UInt64 = 0,
        serviceRevisions: [ServiceName: UInt64] = [:]
    ) {
        self.mesh = mesh
        self.shares = shares
        self.revision = revision
        self.endpointsByService = endpoints
        let revisions = Dictionary(
            uniqueKeysWithValues: mesh.services.map {
                ($0.name, serviceRevisions[$0.name] ?? revision)
            }
        )
        self.revisionByService = revisions
        self.clusters = Self.encodedClusters(of: mesh, revisions)
        self.routeParts = Self.routeParts(of: mesh, revisions)
        self.routes = Self.encodedRoutes(of: routeParts, revision)
    }

    // MARK: What happened

    package mutating func meshChanged(to mesh: Mesh, revision: UInt64 = 0) {
        let unchanged = revisions(unchangedIn: mesh)
        revisionByService = Dictionary(
            uniqueKeysWithValues: mesh.services.map { ($0.name, unchanged[$0.name] ?? revision) }
        )
        self.mesh = mesh
        self.revision = revision
        clusters = Self.encodedClusters(of: mesh, revisionByService)
        routeParts = Self.routeParts(of: mesh, revisionByService)
        routes = Self.encodedRoutes(of: routeParts, revision)
        assignments = [:]
        proxyless = nil
    }

    /// Returns the services that the change matters to.
    @discardableResult
    package mutating func sharesChanged(to shares: Shares) -> Set<ServiceName> {
        let difference = Set(self.shares.entries).symmetricDifference(shares.entries)
        let services = Set(difference.map(\.service))
        self.shares = shares
        for service in services { assignments[service] = nil }
        return services
    }

    /// Takes the whole new list; a service without workers has none.
    package mutating func endpointsChanged(of service: ServiceName, to endpoints: [Endpoint]) {
        endpointsByService[service] = endpoints.isEmpty ? nil : endpoints
        assignments[service] = nil
    }

    /// The revisions of the services that are the same in another mesh.
    package func revisions(unchangedIn mesh: Mesh) -> [ServiceName: UInt64] {
        let next = Dictionary(uniqueKeysWithValues: mesh.services.map { ($0.name, $0) })
        let unchanged = self.mesh.services.filter { next[$0.name] == $0 }.map(\.name)
        return Dictionary(
            uniqueKeysWithValues: unchanged.map { ($0, revisionByService[$0] ?? revision) }
        )
    }

    // MARK: What to serve

    /// The resources that are made of several objects' parts, with those parts.
    package var aggregates: [ResourceReference: Composition] {
        guard let composition = routes.origin?.composition else { return [:] }
        return [Self.routesReference: composition]
    }

    /// An aggregate with other parts in place of some objects'; nil if there is no such aggregate.
    ///
    /// - Parameter standIns: by object; nil leaves the object out.
    package func aggregate(
        _ reference: ResourceReference,
        substituting standIns: [String: ObjectPart?]
    ) -> EncodedResource? {
        guard reference == Self.routesReference else { return nil }
        let parts = routeParts.compactMap { part in standIns[part.object] ?? part }
        return Self.encodedRoutes(of: parts, revision)
    }

    /// Everything that nodes of this scope get, sorted by type (in sending order) and name.
    package mutating func resources(for scope: Scope) -> [EncodedResource] {
        let assignments = mesh.services.map(\.name).sorted().map { assignment(of: $0, for: scope) }
        switch scope.role {
        case .sidecar:
            return clusters + assignments + [listener(at: scope.listen), routes]
        case .proxyless:
            let proxyless = self.proxyless ?? ProxylessResources(of: mesh, revision: revision)
            self.proxyless = proxyless
            return proxyless.clusters + assignments + proxyless.listeners + proxyless.routes
        }
    }

    /// One service's endpoints as they are for consumers of this scope.
    ///
    /// All that has to be replaced in a view after `endpointsChanged` and `sharesChanged`.
    package mutating func assignment(
        of service: ServiceName,
        for scope: Scope
    ) -> EncodedResource {
        let consumer = Consumer(region: scope.region, role: scope.role)
        if let cached = assignments[service]?[consumer] { return cached }
        let encoded = EncodedResource(
            Envoy_Config_Endpoint_V3_ClusterLoadAssignment(
                clusterName: service,
                plan: routePlan(of: service, for: scope)
            ),
            typeURL: .clusterLoadAssignment,
            name: ResourceName(service.rawValue),
            origin: ResourceOrigin(
                objects: ["service \(service)"],
                revision: revisionByService[service] ?? revision
            )
        )
        // Only regions of the mesh are kept, so that no node can fill the table with names of its
        // own.
        if mesh.region(named: scope.region) != nil, mesh.service(named: service) != nil {
            assignments[service, default: [:]][consumer] = encoded
        }
        return encoded
    }

    /// The plan behind an assignment, with the reasons for it.
    package func routePlan(of service: ServiceName, for scope: Scope) -> RoutePlan {
        let plan = mesh.routePlan(
            of: service,
            from: scope.region,
            shares: shares,
            endpoints: endpointsByService[service] ?? []
        )
        switch scope.role {
        case .sidecar: return plan
        case .proxyless: return plan.withoutOverprovisioning()
        }
    }

    // MARK: -

    private mutating func listener(at address: EndpointAddress) -> EncodedResource {
        if let cached = listeners[address] { return cached }
        let encoded = EncodedResource(
            Envoy_Config_Listener_V3_Listener(
                name: Self.egressName,
                address: address,
                routeConfigurationName: Self.egressName
            ),
            typeURL: .listener,
            name: ResourceName(Self.egressName),
            // A listener that is new warms until its routes have come.
            companions: [ResourceReference(.routeConfiguration, ResourceName(Self.egressName))],
            origin: ResourceOrigin(objects: ["mesh \(mesh.name)"], revision: revision)
        )
        if listeners.count < Self.maximumCachedListeners { listeners[address] = encoded }
        return encoded
    }

    private static let routesReference = ResourceReference(
        .routeConfiguration,
        ResourceName(egressName)
    )

    private static func encodedClusters(
        of mesh: Mesh,
        _ revisions: [ServiceName: UInt64]
    ) -> [EncodedResource] {
        mesh.services.sorted { $0.name < $1.name }.map { service in
            let name = ResourceName(service.name.rawValue)
            return EncodedResource(
                Envoy_Config_Cluster_V3_Cluster(service),
                typeURL: .cluster,
                name: name,
                companions: [ResourceReference(.clusterLoadAssignment, name)],
                origin: ResourceOrigin(
                    objects: [service.objectName],
                    revision: revisions[service.name] ?? 0
                )
            )
        }
    }

    private static func routeParts(
        of mesh: Mesh,
        _ revisions: [ServiceName: UInt64]
    ) -> [ObjectPart] {
        mesh.services.map { ObjectPart(routesOf: $0, revision: revisions[$0.name] ?? 0) }
    }

    private static func encodedRoutes(of parts: [ObjectPart], _ revision: UInt64) -> EncodedResource
    {
        EncodedResource(
            Envoy_Config_Route_V3_RouteConfiguration(name: egressName, parts: parts),
            typeURL: .routeConfiguration,
            name: routesReference.name,
            origin: ResourceOrigin(
                objects: parts.map(\.object),
                revision: revision,
                composition: Composition(parts)
            )
        )
    }
}
