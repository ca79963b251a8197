import EnvoyAPI
package import XDSCore

/// What a resource says of others, as far as a set of resources is checked for it.
///
/// Types and extensions that we have no message for say nothing, so they are never judged.
package struct ResourceFacts: Hashable, Sendable {
    /// Something that has to be in the set.
    struct Need: Hashable, Sendable {
        let resource: ResourceReference
        /// Where the resource says so, such as `virtual_hosts[shop].routes[0].route.cluster`.
        let place: String
        /// A client that asks for what is missing when it needs it; then it isn't needed from the
        /// start.
        var isOnDemand = false
    }

    package let reference: ResourceReference
    /// The name that the message has for itself; nil for a type that has none, or that we don't
    /// know.
    package let ownName: String?
    var needs: [Need] = []
    /// The routes of a listener whose clusters are asked for on demand.
    var onDemandRoutes: Set<ResourceName> = []
    /// Where the listener is bound, if nothing is unknown of it.
    var boundAddress: String?
    /// What is in the resource twice and must not be.
    var duplicates: [String] = []

    /// The resources that a client has to be given again whenever this one changes.
    ///
    /// See `EncodedResource.companions`.
    package var companions: [ResourceReference] {
        let type: TypeURL
        switch reference.typeURL {
        case .cluster: type = .clusterLoadAssignment
        case .listener: type = .routeConfiguration
        default: return []
        }
        return Set(needs.map(\.resource).filter { $0.typeURL == type }).sorted()
    }

    /// Reads the content of a resource.
    ///
    /// - Throws: `UnreadableResource` when the bytes are no message of a type that we know.
    package init(
        _ typeURL: TypeURL,
        name: ResourceName?,
        bytes: [UInt8]
    ) throws(UnreadableResource) {
        let content: KnownResource
        do {
            content = try KnownResource(typeURL, bytes)
        } catch {
            throw UnreadableResource(typeURL: typeURL, name: name)
        }
        ownName = content.ownName
        reference = ResourceReference(typeURL, name ?? ResourceName(content.ownName ?? ""))
        switch content {
        case .cluster(let cluster): read(cluster)
        case .listener(let listener): read(listener)
        case .routeConfiguration(let routes):
            read(routes, at: "", isOnDemand: false)
        case .virtualHost(let host): read(host, at: "", isOnDemand: false)
        case .scopedRouteConfiguration(let scoped):
            need(
                .routeConfiguration,
                scoped.routeConfigurationName,
                at: "route_configuration_name"
            )
        case .clusterLoadAssignment, .unknown: break
        }
    }

    /// Reads a resource that was read before, or that we made ourselves.
    package init(_ resource: EncodedResource) throws(UnreadableResource) {
        try self.init(resource.typeURL, name: resource.name, bytes: resource.bytes)
    }

    mutating func need(
        _ type: TypeURL,
        _ name: String,
        at place: String,
        isOnDemand: Bool = false
    ) {
        guard !name.isEmpty else { return }
        needs.append(
            Need(
                resource: ResourceReference(type, ResourceName(name)),
                place: place,
                isOnDemand: isOnDemand
            )
        )
    }
}

/// Bytes that are no message of the type that they are said to be.
package struct UnreadableResource: Error, Hashable, CustomStringConvertible {
    package let typeURL: TypeURL
    package let name: ResourceName?

    package var description: String {
        "the content of \(name.map { "\"\($0)\"" } ?? "the resource") is no \(typeURL)"
    }
}
