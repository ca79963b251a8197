/// The rule by which a connection was ended, other than by the peer or our own shutdown.
///
/// Each has a counter, `http2_connections_ended_<raw value>`, and is told to the peer in GOAWAY.
package enum EndingRule: String, CaseIterable, Sendable {
    // Floods.
    case resetFlood = "reset_flood"
    case pingFlood = "ping_flood"
    case settingsFlood = "settings_flood"
    case priorityFlood = "priority_flood"
    case windowUpdateFlood = "window_update_flood"
    case emptyFrameFlood = "empty_frame_flood"
    case otherFrameFlood = "other_frame_flood"
    case continuationFlood = "continuation_flood"
    case refusedStreamFlood = "refused_stream_flood"
    case streamErrorFlood = "stream_error_flood"
    // What would pile up.
    case headerBlock = "header_block"
    case acknowledgementBacklog = "acknowledgement_backlog"
    case frameBacklog = "frame_backlog"
    case queuedBytes = "queued_bytes"
    // Slowness.
    case prefaceTimeout = "preface_timeout"
    case headerTimeout = "header_timeout"
    case notReading = "not_reading"
    case stalled = "stalled"
    // An orderly end, begun by us.
    case idle = "idle"
    case age = "age"
    case ageGrace = "age_grace"
    case drainTimeout = "drain_timeout"

    /// The metric's name.
    package var counter: String { "http2_connections_ended_\(rawValue)" }

    /// What GOAWAY says (RFC 9113, section 7).
    package var code: HTTP2ErrorCode {
        switch self {
        case .resetFlood, .pingFlood, .settingsFlood, .priorityFlood, .windowUpdateFlood,
            .emptyFrameFlood, .otherFrameFlood, .continuationFlood, .refusedStreamFlood,
            .streamErrorFlood, .headerBlock, .acknowledgementBacklog, .frameBacklog, .queuedBytes,
            .headerTimeout, .notReading, .stalled:
            .enhanceYourCalm
        case .prefaceTimeout: .settingsTimeout
        case .idle, .age, .ageGrace, .drainTimeout: .noError
        }
    }

    /// GOAWAY's debug data, and the reason that the streams are given.
    package var text: StaticString {
        switch self {
        case .resetFlood: "too many streams reset"
        case .pingFlood: "too many PINGs"
        case .settingsFlood: "too many SETTINGS"
        case .priorityFlood: "too many PRIORITY frames"
        case .windowUpdateFlood: "too many WINDOW_UPDATEs for what was sent"
        case .emptyFrameFlood: "too many DATA frames without data"
        case .otherFrameFlood: "too many frames that ask for nothing"
        case .continuationFlood: "too many CONTINUATIONs in one header block"
        case .refusedStreamFlood: "too many streams over the limit"
        case .streamErrorFlood: "too many malformed streams"
        case .headerBlock: "a header block far over the limit"
        case .acknowledgementBacklog: "too many acknowledgements that are not read"
        case .frameBacklog: "too many frames that are not read"
        case .queuedBytes: "too many response bytes that are not read"
        case .prefaceTimeout: "no connection preface in time"
        case .headerTimeout: "a header block that does not end"
        case .notReading: "the socket is not read"
        case .stalled: "no response byte was taken for too long"
        case .idle: "no streams for too long"
        case .age: "the connection has reached its age"
        case .ageGrace: "the streams did not end after the connection had reached its age"
        case .drainTimeout: "the streams did not end in time"
        }
    }
}
