/// A status code of gRPC (doc/statuscodes.md of the gRPC project).
///
/// The same numbers as the runtime's own code type, which this target can't see.
package struct StatusCode: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    package let rawValue: Int

    package init(rawValue: Int) {
        self.rawValue = rawValue
    }

    /// Reads a name as `UNAVAILABLE`, in any case (gRFC A6).
    package init?(name: String) {
        let upper = name.uppercased()
        guard let index = Self.names.firstIndex(of: upper) else { return nil }
        self.init(rawValue: index)
    }

    package static let ok = Self(rawValue: 0)
    package static let cancelled = Self(rawValue: 1)
    package static let unknown = Self(rawValue: 2)
    package static let invalidArgument = Self(rawValue: 3)
    package static let deadlineExceeded = Self(rawValue: 4)
    package static let notFound = Self(rawValue: 5)
    package static let alreadyExists = Self(rawValue: 6)
    package static let permissionDenied = Self(rawValue: 7)
    package static let resourceExhausted = Self(rawValue: 8)
    package static let failedPrecondition = Self(rawValue: 9)
    package static let aborted = Self(rawValue: 10)
    package static let outOfRange = Self(rawValue: 11)
    package static let unimplemented = Self(rawValue: 12)
    package static let `internal` = Self(rawValue: 13)
    package static let unavailable = Self(rawValue: 14)
    package static let dataLoss = Self(rawValue: 15)
    package static let unauthenticated = Self(rawValue: 16)

    /// The codes that exist.
    package static let known = 0...16

    private static let names = [
        "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND",
        "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
        "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS",
        "UNAUTHENTICATED",
    ]

    package var description: String {
        Self.names.indices.contains(rawValue) ? Self.names[rawValue] : "code \(rawValue)"
    }
}

/// Some of the status codes that exist; asking it costs one mask.
package struct StatusCodeSet: Hashable, Sendable, ExpressibleByArrayLiteral {
    private var bits: UInt32 = 0

    package init(_ codes: some Sequence<StatusCode>) {
        for code in codes { insert(code) }
    }

    package init(arrayLiteral codes: StatusCode...) {
        self.init(codes)
    }

    package var isEmpty: Bool { bits == 0 }

    /// Whether the code is one of them; a code that does not exist never is.
    package func contains(_ code: StatusCode) -> Bool {
        StatusCode.known.contains(code.rawValue) && bits & (1 << UInt32(code.rawValue)) != 0
    }

    private mutating func insert(_ code: StatusCode) {
        guard StatusCode.known.contains(code.rawValue) else { return }
        bits |= 1 << UInt32(code.rawValue)
    }
}
