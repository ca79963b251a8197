import Synchronization

/// What the connections of one server or client have seen, counted from its start.
package final class ConnectionCounters: Sendable {
    private let accepted = Atomic<UInt64>(0)
    private let closed = Atomic<UInt64>(0)
    private let notHTTP2 = Atomic<UInt64>(0)
    private let protocolViolations = Atomic<UInt64>(0)
    private let keepaliveTimeouts = Atomic<UInt64>(0)
    private let headerListsTooLarge = Atomic<UInt64>(0)
    private let streamsOpened = Atomic<UInt64>(0)
    private let streamsReset = Atomic<UInt64>(0)
    private let streamsRefused = Atomic<UInt64>(0)
    private let connectionsRefused = Atomic<UInt64>(0)
    private let endedByRule = Mutex<[EndingRule: UInt64]>([:])

    package init() {}

    /// Values by metric name.
    package var values: [String: UInt64] {
        let ended = endedByRule.withLock { $0 }
        let byRule = EndingRule.allCases.map { ($0.counter, ended[$0] ?? 0) }
        return simpleValues.merging(byRule) { first, _ in first }
    }

    private var simpleValues: [String: UInt64] {
        [
            "http2_connections_accepted": accepted.load(ordering: .relaxed),
            "http2_connections_closed": closed.load(ordering: .relaxed),
            "http2_connections_not_http2": notHTTP2.load(ordering: .relaxed),
            "http2_protocol_violations": protocolViolations.load(ordering: .relaxed),
            "http2_keepalive_timeouts": keepaliveTimeouts.load(ordering: .relaxed),
            "http2_header_lists_too_large": headerListsTooLarge.load(ordering: .relaxed),
            "http2_streams_opened": streamsOpened.load(ordering: .relaxed),
            "http2_streams_reset": streamsReset.load(ordering: .relaxed),
            "http2_streams_refused": streamsRefused.load(ordering: .relaxed),
            "http2_connections_refused": connectionsRefused.load(ordering: .relaxed),
        ]
    }

    func connectionOpened() { accepted.wrappingAdd(1, ordering: .relaxed) }
    func connectionClosed() { closed.wrappingAdd(1, ordering: .relaxed) }
    func peerIsNotHTTP2() { notHTTP2.wrappingAdd(1, ordering: .relaxed) }
    func protocolViolated() { protocolViolations.wrappingAdd(1, ordering: .relaxed) }
    func keepaliveTimedOut() { keepaliveTimeouts.wrappingAdd(1, ordering: .relaxed) }
    func headerListTooLarge() { headerListsTooLarge.wrappingAdd(1, ordering: .relaxed) }
    func streamOpened() { streamsOpened.wrappingAdd(1, ordering: .relaxed) }
    func streamRefused() { streamsRefused.wrappingAdd(1, ordering: .relaxed) }
    func ended(by rule: EndingRule) { endedByRule.withLock { $0[rule, default: 0] += 1 } }
    /// A connection over the server's maximum was turned away.
    package func connectionRefused() { connectionsRefused.wrappingAdd(1, ordering: .relaxed) }
    func streamReset() { streamsReset.wrappingAdd(1, ordering: .relaxed) }
}
