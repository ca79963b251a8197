package import EnvoyAPI
package import Mesh
import Primitives
import SwiftProtobuf

extension Scope {
    /// Reads the scope from what a node says of itself: its locality and `metadata.meridian`.
    ///
    /// A region that the mesh does not have is refused, as nothing could be near; the node tries
    /// again, and may succeed after the next mesh. An unknown zone is only dropped: zones decide
    /// nothing about routing yet, and so no node can make up views by making up zones.
    ///
    /// A node that names no role is a gRPC client if it says that it does not over-provision, as all
    /// of gRPC's implementations do; so a bootstrap without our metadata is enough for them.
    package init(node: Envoy_Config_Core_V3_Node, mesh: Mesh) throws(InvalidNode) {
        var violations: [FieldViolation] = []
        let name = RegionName(node.locality.region)
        let region = mesh.region(named: name)
        if region == nil {
            let expected = mesh.regions.map(\.name.rawValue).sorted().joined(separator: ", ")
            violations.append(
                FieldViolation(
                    field: "node.locality.region",
                    message: "unknown region \"\(Self.shortened(name.rawValue))\", "
                        + "expected one of \(expected)"
                )
            )
        }
        let metadata = node.metadata.fields["meridian"]?.structValue.fields ?? [:]
        var role = node.spillsNothing ? Role.proxyless : .sidecar
        if let value = metadata["role"] {
            if let known = Role(rawValue: value.stringValue) {
                role = known
            } else {
                let expected = Role.allCases.map(\.rawValue).joined(separator: ", ")
                violations.append(
                    FieldViolation(
                        field: "node.metadata.meridian.role",
                        message: "unknown role \"\(Self.shortened(value.stringValue))\", "
                            + "expected one of \(expected)"
                    )
                )
            }
        }
        var listen = mesh.sidecarListenAddress
        if let value = metadata["listen"] {
            if let address = EndpointAddress(value.stringValue), address.hasLiteralHost {
                listen = address
            } else {
                violations.append(
                    FieldViolation(
                        field: "node.metadata.meridian.listen",
                        message: "\"\(Self.shortened(value.stringValue))\" is no listen address, "
                            + "expected an IP address and a port, such as 127.0.0.1:15001"
                    )
                )
            }
        }
        guard violations.isEmpty else { throw InvalidNode(violations: violations) }
        let zone = ZoneName(node.locality.zone)
        let isKnownZone = region?.zones.contains(zone) ?? false
        self.init(region: name, zone: isKnownZone ? zone : "", role: role, listen: listen)
    }

    /// A node's own words for a message, which must not grow with what the node sends.
    private static func shortened(_ text: String) -> String {
        text.count > 64 ? text.prefix(64) + "…" : text
    }
}

extension Envoy_Config_Core_V3_Node {
    /// The client gives a priority all its traffic until nobody there can be reached.
    ///
    /// Envoy moves a part of it on as soon as a part of the endpoints is unhealthy. Who doesn't says
    /// so with this feature (gRFC A27), and needs weights that are shifted for it.
    fileprivate var spillsNothing: Bool {
        clientFeatures.contains("envoy.lb.does_not_support_overprovisioning")
    }
}

/// A node that says something of itself that no view can be made from.
package struct InvalidNode: Error, Hashable, CustomStringConvertible {
    package let violations: [FieldViolation]

    package var description: String { violations.map(\.description).joined(separator: "\n") }
}
