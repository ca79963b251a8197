/// A point in the life of a store: every transaction that changes something makes the next one.
///
/// Zero stands for "never": it is the modification revision of a key that doesn't exist.
package struct Revision: Hashable, Comparable, BitwiseCopyable, Sendable, CustomStringConvertible {
    package let rawValue: Int64

    package init(_ rawValue: Int64) {
        self.rawValue = rawValue
    }

    package static let zero = Revision(0)

    /// Where a watch has to start that follows a read at this revision.
    package var next: Revision { Revision(rawValue + 1) }

    /// What a read has to ask for that looks at the store as it was before this one.
    package var previous: Revision { Revision(rawValue - 1) }

    package var description: String { String(rawValue) }

    package static func < (lhs: Self, rhs: Self) -> Bool {
        lhs.rawValue < rhs.rawValue
    }
}
