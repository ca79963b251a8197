/// What SQLite refused, in its own words.
package struct SQLiteError: Error, Hashable, Sendable, CustomStringConvertible {
    /// SQLite's primary result code.
    package struct Code: Hashable, Sendable, CustomStringConvertible {
        package let rawValue: Int32

        package init(rawValue: Int32) {
            self.rawValue = rawValue
        }

        package static let error = Code(rawValue: 1)
        package static let busy = Code(rawValue: 5)
        package static let locked = Code(rawValue: 6)
        package static let readOnly = Code(rawValue: 8)
        /// `interrupt` or a progress check stopped the statement.
        package static let interrupted = Code(rawValue: 9)
        package static let inputOutput = Code(rawValue: 10)
        package static let corrupt = Code(rawValue: 11)
        package static let full = Code(rawValue: 13)
        package static let cannotOpen = Code(rawValue: 14)
        package static let tooBig = Code(rawValue: 18)
        package static let constraint = Code(rawValue: 19)
        package static let misuse = Code(rawValue: 21)
        package static let range = Code(rawValue: 25)
        package static let notADatabase = Code(rawValue: 26)

        package var description: String { "\(rawValue)" }
    }

    package let code: Code
    /// The code with its detail, such as 2067 for a unique constraint.
    package let extendedCode: Int32
    /// SQLite's message, and what we were doing.
    package let message: String

    package init(extendedCode: Int32, message: String) {
        self.code = Code(rawValue: extendedCode & 0xFF)
        self.extendedCode = extendedCode
        self.message = message
    }

    package var description: String {
        "SQLite error \(extendedCode): \(message)"
    }
}
