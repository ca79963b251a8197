/// What a subchannel or a channel can do for a call now (connectivity-semantics-and-api.md of gRPC).
package enum ConnectivityState: Hashable, Sendable {
    /// No connection and nothing that makes one.
    case idle
    case connecting
    case ready
    /// The last attempts failed; another follows after a delay.
    case transientFailure(ChannelFailure)
}

/// Why a call can't be sent: the status that it ends with.
package struct ChannelFailure: Hashable, Sendable {
    package let code: StatusCode
    package let message: String

    package init(_ code: StatusCode, _ message: String) {
        self.code = code
        self.message = message
    }

    /// A failure that may pass: UNAVAILABLE.
    package init(_ message: String) {
        self.init(.unavailable, message)
    }
}

/// One subchannel of one channel: one address and its connection.
///
/// The shell counts them up and keeps the same one for an address that stays in the list.
package struct SubchannelID: Hashable, Sendable, Comparable, CustomStringConvertible {
    package let rawValue: Int

    package init(_ rawValue: Int) {
        self.rawValue = rawValue
    }

    package static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }

    package var description: String { "subchannel \(rawValue)" }
}
