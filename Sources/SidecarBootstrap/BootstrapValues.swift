package import Mesh
package import Primitives

/// What tells one sidecar's bootstrap from another's.
package struct BootstrapValues: Hashable, Sendable {
    package var nodeID: NodeID
    /// What kind of client the sidecar is for, such as `report-consumer`; Envoy's `node.cluster`.
    package var nodeCluster: String
    package var locality: Locality
    /// Where the client beside the sidecar sends its calls.
    package var listen: EndpointAddress
    package var admin: EndpointAddress
    /// The control planes of the sidecar's region; one at least.
    package var controlPlanes: [EndpointAddress]
    /// Those of other regions, for when none of its own can be reached.
    package var remoteControlPlanes: [EndpointAddress]

    package static let maximumControlPlanes = 64
    package static let maximumNodeNameBytes = 253

    package init(
        nodeID: NodeID,
        nodeCluster: String = "report-consumer",
        locality: Locality,
        listen: EndpointAddress = Mesh.defaultSidecarListenAddress,
        admin: EndpointAddress = EndpointAddress(host: "127.0.0.1", port: 15000),
        controlPlanes: [EndpointAddress],
        remoteControlPlanes: [EndpointAddress] = []
    ) {
        self.nodeID = nodeID
        self.nodeCluster = nodeCluster
        self.locality = locality
        self.listen = listen
        self.admin = admin
        self.controlPlanes = controlPlanes
        self.remoteControlPlanes = remoteControlPlanes
    }

    /// What is wrong with the values, by field; empty when they are fine.
    package var violations: [FieldViolation] {
        var violations: [FieldViolation] = []
        func check(_ isRight: Bool, _ field: String, _ message: String) {
            if !isRight { violations.append(FieldViolation(field: field, message: message)) }
        }
        let nodeName =
            "expected 1 to \(Self.maximumNodeNameBytes) visible ASCII characters without spaces"
        check(Self.isNodeName(nodeID.rawValue), "node", nodeName)
        check(Self.isNodeName(nodeCluster), "cluster", nodeName)
        let label = "expected \(NameRule.expectation)"
        check(NameRule.accepts(locality.region.rawValue), "region", label)
        let zone = locality.zone.rawValue
        check(zone.isEmpty || NameRule.accepts(zone), "zone", label)
        check(locality.subZone.isEmpty || NameRule.accepts(locality.subZone), "sub-zone", label)
        let address = "expected an IP address and a port from 1 to 65535, such as 127.0.0.1:15001"
        check(Self.isReachable(listen), "listen", "\"\(listen)\", \(address)")
        check(Self.isReachable(admin), "admin", "\"\(admin)\", \(address)")
        check(listen != admin, "admin", "\"\(admin)\" is the listen address too, expected another")
        let all = controlPlanes + remoteControlPlanes
        check(!controlPlanes.isEmpty, "control-plane", "none is given, expected one at least")
        check(
            all.count <= Self.maximumControlPlanes,
            "control-plane",
            "\(all.count) are given, expected at most \(Self.maximumControlPlanes)"
        )
        for controlPlane in all {
            check(
                Self.isReachable(controlPlane),
                "control-plane",
                "\"\(controlPlane)\", \(address)"
            )
        }
        // Envoy keeps an endpoint that is listed twice only in its first priority, without a word.
        check(
            Set(all).count == all.count,
            "control-plane",
            "one is given twice, expected each once"
        )
        return violations
    }

    private static func isNodeName(_ text: String) -> Bool {
        (1...maximumNodeNameBytes).contains(text.utf8.count)
            && text.utf8.allSatisfy { (0x21...0x7E).contains($0) }
    }

    private static func isReachable(_ address: EndpointAddress) -> Bool {
        address.hasLiteralHost && address.port > 0
    }
}
