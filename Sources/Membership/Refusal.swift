/// Why a registration is not accepted: the field, the rule and what came.
package struct Refusal: Error, Hashable, Sendable, CustomStringConvertible {
    /// What the caller can do about it.
    package enum Kind: Hashable, Sendable {
        /// The registration itself is wrong.
        case invalid
        /// The registration is fine, but a limit of the control plane is reached.
        case exhausted
        /// Another live worker has what the registration claims; it may be free later.
        case taken
    }

    package let kind: Kind
    /// The path in `meridian.v1.RegisterRequest`, such as `registration.address.host`.
    package let field: String
    /// What was expected, and what came where that is short.
    package let reason: String

    init(_ field: String, _ reason: String, kind: Kind = .invalid) {
        self.kind = kind
        self.field = field
        self.reason = reason
    }

    package var description: String { "\(field): \(reason)" }
}
