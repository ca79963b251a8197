/// Something that an operator gave can't work, and the same again would not either.
package struct OperatorError: Error, Hashable, CustomStringConvertible {
    /// What kind of failure it is.
    package struct Code: Hashable, Sendable {
        private enum Kind {
            case invalidArgument
            case unusableFile
            case unreachableTarget
        }

        private let kind: Kind

        package static let invalidArgument = Self(kind: .invalidArgument)
        package static let unusableFile = Self(kind: .unusableFile)
        package static let unreachableTarget = Self(kind: .unreachableTarget)
    }

    package let code: Code
    package let message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }
}
