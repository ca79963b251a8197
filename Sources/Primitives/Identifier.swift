/// A name that is a type of its own, so that a region can't be passed where a service is meant.
///
/// `Tag` only tells the kinds apart; it is never instantiated.
package struct Identifier<Tag>: Hashable, Sendable, Comparable, CustomStringConvertible {
    package let rawValue: String

    @inlinable
    package init(_ rawValue: String) {
        self.rawValue = rawValue
    }

    @inlinable package var description: String { rawValue }

    @inlinable
    package static func < (lhs: Self, rhs: Self) -> Bool {
        lhs.rawValue < rhs.rawValue
    }
}

extension Identifier: ExpressibleByStringLiteral {
    @inlinable
    package init(stringLiteral value: String) {
        self.init(value)
    }
}

package enum NodeTag {}
package enum RegionTag {}
package enum ZoneTag {}
package enum ServiceTag {}
package enum WorkerTag {}

/// The `node.id` of an xDS client (a sidecar, a gateway or a proxyless gRPC client).
package typealias NodeID = Identifier<NodeTag>
/// A region of the mesh, such as `eu`.
package typealias RegionName = Identifier<RegionTag>
/// A zone inside a region, such as `eu-a`.
package typealias ZoneName = Identifier<ZoneTag>
/// A service of the mesh, such as `reports`.
package typealias ServiceName = Identifier<ServiceTag>
/// The identity of one worker process, stable over its restarts.
package typealias WorkerID = Identifier<WorkerTag>
