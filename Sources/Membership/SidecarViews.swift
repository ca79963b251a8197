package import Primitives

/// When sidecars' ejections count.
package struct EjectionQuorum: Hashable, Sendable {
    /// Sidecars that must have ejected a worker, however few see it.
    package var sidecars: Int
    /// The share of those that see it, in percent, which must be exceeded.
    package var percent: Int

    package init(sidecars: Int = 2, percent: Int = 50) {
        self.sidecars = sidecars
        self.percent = percent
    }
}

/// Which endpoints each sidecar has ejected, and what follows for an endpoint.
///
/// A sidecar that has ejected everyone it sees says more of itself than of them: it is the one that
/// is cut off, so it neither accuses nor defends anybody. One that sees a single endpoint can't be
/// told from a cut-off one, and is left out when it has ejected that one.
package struct SidecarViews: Sendable {
    /// What one load report says.
    private struct View {
        let ejected: Set<EndpointAddress>
        let seen: Set<EndpointAddress>

        var isPartitioned: Bool { !ejected.isEmpty && seen.isSubset(of: ejected) }
    }

    /// So many of so many sidecars have ejected an endpoint.
    package struct Count: Hashable, BitwiseCopyable, Sendable {
        package let ejectedBy: Int
        package let of: Int

        package init(ejectedBy: Int = 0, of: Int = 0) {
            self.ejectedBy = ejectedBy
            self.of = of
        }

        /// True when the worker is unhealthy for all.
        func reaches(_ quorum: EjectionQuorum) -> Bool {
            ejectedBy >= max(quorum.sidecars, 1) && ejectedBy * 100 > quorum.percent * of
        }
    }

    private let maximumSidecars: Int
    private var views: [NodeID: View] = [:]
    /// The views that count, added up; an endpoint that nobody sees is not in it.
    private var counts: [EndpointAddress: Count] = [:]

    /// - Parameter maximumSidecars: reports of more are not counted.
    package init(maximumSidecars: Int = 20_000) {
        self.maximumSidecars = maximumSidecars
    }

    /// A sidecar's load report arrived; it replaces the one before.
    ///
    /// Returns the endpoints whose counts have changed, in O(what the sidecar sees).
    package mutating func reported(
        _ sidecar: NodeID,
        ejected: Set<EndpointAddress>,
        of seen: Set<EndpointAddress>
    ) -> [EndpointAddress: Count] {
        guard views[sidecar] != nil || views.count < maximumSidecars else { return [:] }
        let view = View(ejected: ejected, seen: seen.union(ejected))
        let before = views.updateValue(view, forKey: sidecar)
        return replace(before, by: view)
    }

    /// A sidecar is gone; what it had ejected, it no longer has.
    package mutating func left(_ sidecar: NodeID) -> [EndpointAddress: Count] {
        guard let view = views.removeValue(forKey: sidecar) else { return [:] }
        return replace(view, by: nil)
    }

    /// What all sidecars together say of an endpoint.
    package func count(of endpoint: EndpointAddress) -> Count { counts[endpoint] ?? Count() }

    private mutating func replace(_ old: View?, by new: View?) -> [EndpointAddress: Count] {
        let endpoints = (old?.seen ?? []).union(new?.seen ?? [])
        var changed: [EndpointAddress: Count] = [:]
        for endpoint in endpoints {
            let before = count(of: endpoint)
            let (oldEjected, oldSeen) = Self.vote(of: old, on: endpoint)
            let (newEjected, newSeen) = Self.vote(of: new, on: endpoint)
            let after = Count(
                ejectedBy: before.ejectedBy - oldEjected + newEjected,
                of: before.of - oldSeen + newSeen
            )
            guard after != before else { continue }
            counts[endpoint] = after.of == 0 ? nil : after
            changed[endpoint] = after
        }
        return changed
    }

    private static func vote(of view: View?, on endpoint: EndpointAddress) -> (Int, Int) {
        guard let view, !view.isPartitioned, view.seen.contains(endpoint) else { return (0, 0) }
        return (view.ejected.contains(endpoint) ? 1 : 0, 1)
    }
}
