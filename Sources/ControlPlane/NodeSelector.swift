import EnvoyAPI
import Translation

/// Which nodes something is for: those that have all that is given here.
///
/// Empty, it selects every node.
struct NodeSelector: Hashable, Sendable {
    var nodeID: String?
    var cluster: String?
    var region: String?
    var zone: String?
    var role: String?

    func selects(_ node: NodeAttributes) -> Bool {
        Self.allows(nodeID, node.id) && Self.allows(cluster, node.cluster)
            && Self.allows(region, node.region) && Self.allows(zone, node.zone)
            && Self.allows(role, node.role)
    }

    /// Whether a node can be selected by both.
    func overlaps(_ other: NodeSelector) -> Bool {
        Self.agree(nodeID, other.nodeID) && Self.agree(cluster, other.cluster)
            && Self.agree(zone, other.zone) && Self.agree(region, other.region)
            && Self.agree(role, other.role)
    }

    private static func agree(_ left: String?, _ right: String?) -> Bool {
        left == nil || right == nil || left == right
    }

    private static func allows(_ expected: String?, _ text: String) -> Bool {
        expected == nil || expected == text
    }

    /// From what says most of a node to what says least.
    private var texts: [String?] { [nodeID, cluster, zone, region, role] }
}

extension NodeSelector: Comparable {
    /// The one that says more of a node comes later and so wins: one for a node's id over any
    /// other, then cluster, zone, region and role; among equals the order of their texts.
    static func < (left: Self, right: Self) -> Bool {
        let (left, right) = (left.texts, right.texts)
        for (left, right) in zip(left, right) where (left == nil) != (right == nil) {
            return left == nil
        }
        for case (let left?, let right?) in zip(left, right) where left != right {
            return left < right
        }
        return false
    }
}

extension NodeSelector: CustomStringConvertible {
    var description: String {
        let names = ["node", "cluster", "zone", "region", "role"]
        let parts = zip(names, texts).compactMap { name, text in text.map { "\(name)=\($0)" } }
        return parts.isEmpty ? "all nodes" : parts.joined(separator: " ")
    }
}

/// What selectors look at of a node.
struct NodeAttributes: Hashable, Sendable {
    var id: String
    var cluster: String
    var region: String
    var zone: String
    var role: String
}

extension NodeAttributes {
    init(_ node: Envoy_Config_Core_V3_Node, _ scope: Scope) {
        self.init(
            id: node.id,
            cluster: node.cluster,
            region: node.locality.region,
            zone: node.locality.zone,
            role: scope.role.rawValue
        )
    }
}
