package import Primitives

/// The bootstrap of a gRPC client that reaches services as `xds:///NAME`, without a sidecar.
///
/// gRPC reads it as JSON from the file that `GRPC_XDS_BOOTSTRAP` names, or from the text of
/// `GRPC_XDS_BOOTSTRAP_CONFIG` (gRFC A27).
package struct GRPCBootstrap: Hashable, Sendable {
    private let values: BootstrapValues

    /// Throws all that is wrong, by field.
    ///
    /// - Parameter remoteControlPlanes: those of other regions, for when none of its own can be
    ///   reached.
    package init(
        nodeID: NodeID,
        nodeCluster: String = "report-consumer",
        locality: Locality,
        controlPlanes: [EndpointAddress],
        remoteControlPlanes: [EndpointAddress] = []
    ) throws(BootstrapError) {
        // A sidecar's addresses have no place here; its defaults are right in themselves.
        values = BootstrapValues(
            nodeID: nodeID,
            nodeCluster: nodeCluster,
            locality: locality,
            controlPlanes: controlPlanes,
            remoteControlPlanes: remoteControlPlanes
        )
        let violations = values.violations
        guard violations.isEmpty else { throw BootstrapError(violations: violations) }
    }

    package var json: String {
        let servers = [values.controlPlanes, values.remoteControlPlanes].flatMap(Self.targets)
        // A resource that the control plane takes back stays in use, as it does in a sidecar.
        return """
            {
              "xds_servers": [
            \(servers.map(Self.server).joined(separator: ",\n"))
              ],
              "node": {
                "id": \(jsonString(values.nodeID.rawValue)),
                "cluster": \(jsonString(values.nodeCluster)),
                "locality": {
                  "region": \(jsonString(values.locality.region.rawValue)),
                  "zone": \(jsonString(values.locality.zone.rawValue)),
                  "sub_zone": \(jsonString(values.locality.subZone))
                },
                "metadata": {"meridian": {"role": "proxyless"}}
              }
            }

            """
    }

    private static func server(_ target: String) -> String {
        """
            {
              "server_uri": \(jsonString(target)),
              "channel_creds": [{"type": "insecure"}],
              "server_features": ["xds_v3", "ignore_resource_deletion"]
            }
        """
    }

    /// One target for all replicas of an address family.
    ///
    /// gRPC goes to a later entry of `xds_servers` only while it lacks a resource (gRFC A71): a client
    /// that has all it needs would wait for the first one for ever. Several addresses of one target
    /// are tried in turn. A single one needs no scheme, which not every language has.
    private static func targets(of addresses: [EndpointAddress]) -> [String] {
        let isIPv6 = { (address: EndpointAddress) in address.host.contains(":") }
        let families = [
            ("ipv4", addresses.filter { !isIPv6($0) }), ("ipv6", addresses.filter(isIPv6)),
        ]
        return families.compactMap { scheme, members in
            switch members.count {
            case 0: nil
            case 1: members.first?.description
            default: "\(scheme):" + members.map(\.description).joined(separator: ",")
            }
        }
    }
}
