/// One line of snapshots, each made from the one before: what all nodes of one scope get.
///
/// Unique in the process. Two publishers must never share an id, because a cursor says which snapshot a
/// stream has seen by the id and a revision only.
package struct ViewID: Hashable, Sendable {
    package let rawValue: UInt64

    package init(_ rawValue: UInt64) {
        self.rawValue = rawValue
    }
}

/// The number of a view's change; the empty view is at 0.
package struct Revision: Hashable, Sendable, Comparable {
    package let rawValue: UInt64

    package init(_ rawValue: UInt64) {
        self.rawValue = rawValue
    }

    package static let zero = Self(0)

    package static func < (lhs: Self, rhs: Self) -> Bool {
        lhs.rawValue < rhs.rawValue
    }

    var next: Self { Self(rawValue + 1) }
}

/// A point in a journal: the view and the revision in which the journal changed last.
///
/// Journals of one type with equal cursors have equal contents.
package struct Cursor: Hashable, Sendable {
    package let view: ViewID
    package let revision: Revision

    package init(view: ViewID, revision: Revision) {
        self.view = view
        self.revision = revision
    }
}
