/// How often something may happen: so many times at once, then so many each second.
package struct RegistrationRateLimit: Hashable, Sendable, CustomStringConvertible {
    package var burst: Int
    package var perSecond: Int

    package init(burst: Int, perSecond: Int) {
        self.burst = burst
        self.perSecond = perSecond
    }

    package var description: String { "\(burst) at once and \(perSecond) a second" }
}

/// Counts registrations by what they have in common: their worker, or their connection.
///
/// One instant for each key: the time until which what it did so far has used up its rate (the
/// "theoretical arrival time" of the generic cell rate algorithm). A key whose instant has passed is
/// as good as one that was never seen, and is forgotten when the room is needed.
package struct RegistrationRate<Key: Hashable & Sendable>: Sendable {
    private let limit: RegistrationRateLimit
    private let maximumKeys: Int
    private var usedUntil: [Key: MonotonicInstant] = [:]

    package init(_ limit: RegistrationRateLimit, maximumKeys: Int) {
        self.limit = limit
        self.maximumKeys = maximumKeys
    }

    package var count: Int { usedUntil.count }

    /// False when the key has been here too often, or when there are too many busy keys to tell.
    package mutating func allows(_ key: Key, now: MonotonicInstant) -> Bool {
        let interval = 1_000_000_000 / Int64(max(limit.perSecond, 1))
        let used = max(usedUntil[key] ?? now, now)
        let ahead = used.nanoseconds - now.nanoseconds
        guard ahead <= interval * Int64(max(limit.burst, 1) - 1) else { return false }
        if usedUntil[key] == nil, usedUntil.count >= maximumKeys {
            usedUntil = usedUntil.filter { $0.value > now }
            guard usedUntil.count < maximumKeys else { return false }
        }
        usedUntil[key] = used.advanced(byNanoseconds: interval)
        return true
    }
}
