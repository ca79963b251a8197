/// The fencing number of one registration: a later registration has a larger one.
///
/// Epochs are counted over all workers of a store, not for each of them. So a number that was granted once stays
/// recognisable as an old one after its worker is forgotten, without a table of everyone who ever registered.
package struct Epoch: Hashable, Comparable, BitwiseCopyable, Sendable, CustomStringConvertible {
    package let rawValue: UInt64

    package init(_ rawValue: UInt64) {
        self.rawValue = rawValue
    }

    /// Smaller than every epoch that is granted.
    package static let none = Epoch(0)

    var next: Epoch { Epoch(rawValue + 1) }

    package var description: String { String(rawValue) }

    package static func < (lhs: Self, rhs: Self) -> Bool {
        lhs.rawValue < rhs.rawValue
    }
}

/// One registration stream of this process; the shell numbers them and uses no number twice.
package struct StreamID: Hashable, BitwiseCopyable, Sendable, CustomStringConvertible {
    package let rawValue: UInt64

    package init(_ rawValue: UInt64) {
        self.rawValue = rawValue
    }

    package var description: String { String(rawValue) }
}
