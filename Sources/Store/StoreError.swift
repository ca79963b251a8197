/// Why a store can't do what was asked.
package struct StoreError: Error, CustomStringConvertible {
    /// What the caller can decide by.
    package struct Code: Hashable, Sendable, CustomStringConvertible {
        private enum Name: String {
            case closed, compacted, corrupt, diskFull, failed, futureRevision, inUse
            case inputOutput, invalid, leaseNotFound, limitExceeded, newerSchema
            case notAStore, readOnly, unavailable
        }

        private let name: Name

        private init(_ name: Name) {
            self.name = name
        }

        /// The store was closed by its owner.
        package static let closed = Code(.closed)
        /// The history that was asked for is gone: read the range again and watch from there.
        package static let compacted = Code(.compacted)
        /// What is on the disk is damaged.
        ///
        /// Only a backup helps.
        package static let corrupt = Code(.corrupt)
        /// There is no room for the change.
        ///
        /// Reads go on.
        package static let diskFull = Code(.diskFull)
        /// Anything else; the message says what.
        package static let failed = Code(.failed)
        /// The revision that was asked for is yet to come.
        package static let futureRevision = Code(.futureRevision)
        /// Another process has the file.
        package static let inUse = Code(.inUse)
        /// The disk failed, or its limits for this process are reached.
        ///
        /// Reads of what it still gives go on.
        package static let inputOutput = Code(.inputOutput)
        /// The request makes no sense; the same again will not either.
        package static let invalid = Code(.invalid)
        /// There is no such lease: it has run out, was revoked, or never was.
        package static let leaseNotFound = Code(.leaseNotFound)
        /// More than a limit allows; the message names it.
        package static let limitExceeded = Code(.limitExceeded)
        /// A newer program wrote this store.
        package static let newerSchema = Code(.newerSchema)
        /// The file is something else.
        package static let notAStore = Code(.notAStore)
        /// The store can't be written.
        ///
        /// Reads go on.
        package static let readOnly = Code(.readOnly)
        /// The store can't be reached now.
        package static let unavailable = Code(.unavailable)

        package var description: String { name.rawValue }
    }

    package let code: Code
    package let message: String
    package let cause: (any Error)?
    /// With `compacted`: the oldest revision that a watch can still start from.
    package let oldestRevision: Revision?
    /// Whether the change that was asked for may have been done all the same, or may yet be.
    ///
    /// Only a store that others run can leave that open: the answer was lost, not the request.
    package let isOutcomeUnknown: Bool

    package init(
        _ code: Code,
        _ message: String,
        cause: (any Error)? = nil,
        oldestRevision: Revision? = nil,
        isOutcomeUnknown: Bool = false
    ) {
        self.code = code
        self.message = message
        self.cause = cause
        self.oldestRevision = oldestRevision
        self.isOutcomeUnknown = isOutcomeUnknown
    }

    package var description: String { "\(code): \(message)" }

    package static func limitExceeded(_ message: String) -> Self {
        Self(.limitExceeded, message)
    }

    package static func invalid(_ message: String) -> Self {
        Self(.invalid, message)
    }

    package static func leaseNotFound(_ id: LeaseID) -> Self {
        Self(.leaseNotFound, "there is no lease \(id): it has run out or was revoked")
    }

    package static let closed = Self(.closed, "the store was closed")
}
