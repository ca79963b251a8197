/// Credentials or a configuration that can't be used.
package struct TLSError: Error, Hashable, Sendable, CustomStringConvertible {
    package struct Code: Hashable, Sendable {
        private enum Kind {
            case unreadable
            case notPEM
            case keyMismatch
            case notValidNow
            case refused
            case misconfigured
        }

        private let kind: Kind

        /// A file is missing, unreadable or too large.
        package static let unreadable = Self(kind: .unreadable)
        /// There is no certificate, or no key that can be used, in the text.
        package static let notPEM = Self(kind: .notPEM)
        /// The private key belongs to another certificate.
        package static let keyMismatch = Self(kind: .keyMismatch)
        /// The certificate has expired or is not valid yet.
        package static let notValidNow = Self(kind: .notValidNow)
        /// OpenSSL does not take it: a key that is too short, a weak digest.
        package static let refused = Self(kind: .refused)
        /// Two settings don't go together.
        package static let misconfigured = Self(kind: .misconfigured)
    }

    package let code: Code
    /// One line that names the source and what is wrong with it; never contents.
    package let message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }
}
