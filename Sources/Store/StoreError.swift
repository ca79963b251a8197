/// Why a store can't do what was asked.
package struct StoreError: Error, CustomStringConvertible {
    /// What the caller can decide by.
    package struct Code: Hashable, Sendable, CustomStringConvertible {
        private enum Name: String {
            case closed, compacted, corrupt, diskFull, failed, inUse, invalid, limitExceeded,
                newerSchema
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
        /// Another process has the file.
        package static let inUse = Code(.inUse)
        /// The request makes no sense; the same again will not either.
        package static let invalid = Code(.invalid)
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

    package init(
        _ code: Code,
        _ message: String,
        cause: (any Error)? = nil,
        oldestRevision: Revision? = nil
    ) {
        self.code = code
        self.message = message
        self.cause = cause
        self.oldestRevision = oldestRevision
    }

    package var description: String { "\(code): \(message)" }

    static func limitExceeded(_ message: String) -> Self {
        Self(.limitExceeded, message)
    }

    static func invalid(_ message: String) -> Self {
        Self(.invalid, message)
    }
}
