/// What keys are attached to, to be deleted with it.
package struct LeaseID: Hashable, Comparable, BitwiseCopyable, Sendable, CustomStringConvertible {
    package let rawValue: Int64

    package init(_ rawValue: Int64) {
        self.rawValue = rawValue
    }

    package var description: String { String(rawValue, radix: 16) }

    package static func < (lhs: Self, rhs: Self) -> Bool {
        lhs.rawValue < rhs.rawValue
    }
}

/// A lease that the store granted.
package struct Lease: Hashable, Sendable {
    package let id: LeaseID
    /// From each grant and keep-alive; never less than what was asked for, and whole seconds.
    package let timeToLive: Duration

    package init(id: LeaseID, timeToLive: Duration) {
        self.id = id
        self.timeToLive = timeToLive
    }
}

/// How a lease stands.
package struct LeaseStatus: Hashable, Sendable {
    package let lease: Lease
    /// Zero when it has run out and its keys are about to go.
    package let remaining: Duration
    /// The keys that are attached to it, ordered.
    package let keys: [StoreKey]

    package init(lease: Lease, remaining: Duration, keys: [StoreKey]) {
        self.lease = lease
        self.remaining = remaining
        self.keys = keys
    }
}
