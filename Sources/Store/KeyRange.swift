/// The keys from one on, up to and without another.
package struct KeyRange: Hashable, Sendable, CustomStringConvertible {
    /// The first key; the empty one stands before all.
    package let start: StoreKey
    /// The first key that is no longer in it; nil when nothing ends it.
    package let end: StoreKey?

    package init(from start: StoreKey, to end: StoreKey?) {
        self.start = start
        self.end = end
    }

    package static let all = KeyRange(from: StoreKey(bytes: []), to: nil)

    /// One key.
    package static func key(_ key: StoreKey) -> Self {
        // No key lies between this one and itself with a zero byte behind it.
        KeyRange(from: key, to: StoreKey(bytes: key.bytes + [0]))
    }

    /// All that begin so; the empty prefix means all there are.
    package static func prefix(_ prefix: StoreKey) -> Self {
        KeyRange(from: prefix, to: prefix.endOfPrefix)
    }

    package func contains(_ key: StoreKey) -> Bool {
        guard let end else { return key >= start }
        return key >= start && key < end
    }

    /// Whether no key can be in it.
    package var isEmpty: Bool { end.map { $0 <= start } ?? false }

    package var description: String {
        "[\"\(start)\", \(end.map { "\"\($0)\"" } ?? "the end"))"
    }
}

/// What a range read asks for.
package struct RangeQuery: Hashable, Sendable {
    package var range: KeyRange
    /// As the store was then; nil for now.
    package var revision: Revision?
    /// Entries at most, the first of the range; nil for all of them.
    package var limit: Int?

    package init(_ range: KeyRange, at revision: Revision? = nil, limit: Int? = nil) {
        self.range = range
        self.revision = revision
        self.limit = limit
    }
}
