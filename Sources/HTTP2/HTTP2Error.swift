/// An error code of RFC 9113, section 7.
package struct HTTP2ErrorCode: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    package let rawValue: UInt32

    package init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    package static let noError = Self(rawValue: 0x0)
    package static let protocolError = Self(rawValue: 0x1)
    package static let internalError = Self(rawValue: 0x2)
    package static let flowControlError = Self(rawValue: 0x3)
    package static let settingsTimeout = Self(rawValue: 0x4)
    package static let streamClosed = Self(rawValue: 0x5)
    package static let frameSizeError = Self(rawValue: 0x6)
    package static let refusedStream = Self(rawValue: 0x7)
    package static let cancel = Self(rawValue: 0x8)
    package static let compressionError = Self(rawValue: 0x9)
    package static let connectError = Self(rawValue: 0xa)
    package static let enhanceYourCalm = Self(rawValue: 0xb)
    package static let inadequateSecurity = Self(rawValue: 0xc)
    package static let http11Required = Self(rawValue: 0xd)

    package var description: String {
        switch self {
        case .noError: "NO_ERROR"
        case .protocolError: "PROTOCOL_ERROR"
        case .internalError: "INTERNAL_ERROR"
        case .flowControlError: "FLOW_CONTROL_ERROR"
        case .settingsTimeout: "SETTINGS_TIMEOUT"
        case .streamClosed: "STREAM_CLOSED"
        case .frameSizeError: "FRAME_SIZE_ERROR"
        case .refusedStream: "REFUSED_STREAM"
        case .cancel: "CANCEL"
        case .compressionError: "COMPRESSION_ERROR"
        case .connectError: "CONNECT_ERROR"
        case .enhanceYourCalm: "ENHANCE_YOUR_CALM"
        case .inadequateSecurity: "INADEQUATE_SECURITY"
        case .http11Required: "HTTP_1_1_REQUIRED"
        default: "error \(rawValue)"
        }
    }
}

/// Why a stream ended.
package enum StreamEnd: Hashable, Sendable {
    /// Both sides finished, or one reset it with NO_ERROR.
    case finished
    /// The peer reset it with this code, or the connection's rules did.
    case reset(HTTP2ErrorCode)
    /// The connection went away; the text says why.
    case connectionLost(String)
    /// The peer said with GOAWAY or REFUSED_STREAM that it never looked at this stream, so it is
    /// safe to send again.
    case unprocessed
    /// A client's stream whose request never left: it waited for a free place on a connection that
    /// ended or drains. Safe to send again.
    case unsent
}

extension StreamEnd {
    /// Why a connection is closed whose peer is silent.
    static let keepaliveReason = "the peer did not answer a keepalive PING"

    private static let ourReasons = Set(
        EndingRule.allCases.map { $0.text.description } + [keepaliveReason]
    )

    /// We ended the connection, by a rule or because it was silent; that says little of the peer.
    package var isOurDoing: Bool {
        switch self {
        case .connectionLost(let reason): Self.ourReasons.contains(reason)
        case .finished, .reset, .unprocessed, .unsent: false
        }
    }
}
