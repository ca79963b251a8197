import Primitives

extension BootstrapValues {
    /// The values by the names that the template has for them.
    var jsonByPlace: [String: String] {
        [
            "node_id": jsonString(nodeID.rawValue),
            "node_cluster": jsonString(nodeCluster),
            "region": jsonString(locality.region.rawValue),
            "zone": jsonString(locality.zone.rawValue),
            "sub_zone": jsonString(locality.subZone),
            "listen": jsonString(listen.description),
            "admin_host": jsonString(admin.host),
            "admin_port": String(admin.port),
            "control_plane_endpoints": controlPlaneEndpoints,
        ]
    }

    /// One `LocalityLbEndpoints` for each priority.
    private var controlPlaneEndpoints: String {
        let priorities = [controlPlanes, remoteControlPlanes].filter { !$0.isEmpty }
        let groups = priorities.enumerated().map { priority, addresses in
            let endpoints = addresses.map { address in
                #"{"endpoint": {"address": {"socket_address": "#
                    + #"{"address": \#(jsonString(address.host)), "port_value": \#(address.port)}}}}"#
            }
            return #"{"priority": \#(priority), "lb_endpoints": ["#
                + endpoints.joined(separator: ", ") + "]}"
        }
        return "[" + groups.joined(separator: ", ") + "]"
    }
}

/// A JSON string; everything but visible ASCII is escaped, as YAML has ideas of its own about some
/// of the rest.
func jsonString(_ text: String) -> String {
    var result = "\""
    for unit in text.utf16 {
        switch unit {
        case 0x22: result += "\\\""
        case 0x5C: result += "\\\\"
        case 0x20...0x7E: result.unicodeScalars.append(Unicode.Scalar(UInt8(unit)))
        default:
            let digits = String(unit, radix: 16)
            result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        }
    }
    return result + "\""
}
