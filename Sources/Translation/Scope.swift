import Mesh
package import Primitives

/// What decides which resources a node gets.
///
/// Nodes of equal scope share one view. A node's id is not part of it: 10,000 sidecars in 6 zones
/// are 6 scopes, unless they listen elsewhere.
package struct Scope: Hashable, Sendable {
    /// What a node is for.
    package enum Role: String, Hashable, Sendable, CaseIterable {
        /// Carries the calls of the client beside it.
        case sidecar
        /// Is a gRPC client itself, which reads its routes and endpoints without an Envoy beside it.
        case proxyless
    }

    package let region: RegionName
    /// A zone of the region, or empty when the node names none or one that the mesh does not know.
    package let zone: ZoneName
    package let role: Role
    /// Where the node's `egress` listener is bound.
    ///
    /// A proxyless client binds nothing. It has the default address here, so that no address makes
    /// a scope of its own.
    package let listen: EndpointAddress

    package init(
        region: RegionName,
        zone: ZoneName = "",
        role: Role = .sidecar,
        listen: EndpointAddress = Mesh.defaultSidecarListenAddress
    ) {
        self.region = region
        self.zone = zone
        self.role = role
        switch role {
        case .sidecar: self.listen = listen
        case .proxyless: self.listen = Mesh.defaultSidecarListenAddress
        }
    }
}
