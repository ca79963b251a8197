import NIOCore

/// Decides when a server's connection has waited, idled or lived too long.
///
/// One timer serves all of it. Nothing is noted when streams come and go: at each look the number of
/// streams so far tells whether there were any since the last one, so a connection ends between the
/// idle time and a quarter more.
struct ConnectionLifetime {
    enum OnTimer: Equatable {
        /// Look again at that time.
        case wait(until: NIODeadline)
        /// Close the connection.
        case end(EndingRule)
        /// Let the streams end, then close.
        case drain(EndingRule, within: TimeAmount)
        /// Nothing can happen any more.
        case rest
    }

    private let idle: TimeAmount?
    private let drainTimeout: TimeAmount
    private let ageGrace: TimeAmount
    private var prefaceDue: NIODeadline?
    private let ageDue: NIODeadline?
    private var quietSince: NIODeadline
    private var streamsSeen: UInt64 = 0

    /// The age is spread, so that connections that began together don't all come again together.
    init(
        _ configuration: HTTP2Configuration,
        now: NIODeadline,
        using random: inout some RandomNumberGenerator
    ) {
        idle = configuration.maximumConnectionIdle
        drainTimeout = configuration.drainTimeout
        ageGrace = configuration.connectionAgeGrace
        prefaceDue = now + configuration.prefaceTimeout
        quietSince = now
        let jitter = configuration.connectionAgeJitter
        let factor = 1 + Double.random(in: -jitter...jitter, using: &random)
        ageDue = configuration.maximumConnectionAge.map { age in
            now + .nanoseconds(Int64(Double(age.nanoseconds) * factor))
        }
    }

    /// The peer's preface and SETTINGS are in.
    mutating func settingsReceived() {
        prefaceDue = nil
    }

    mutating func timerFired(
        now: NIODeadline,
        openStreams: Int,
        streamsSoFar: UInt64
    ) -> OnTimer {
        if let prefaceDue, now >= prefaceDue { return .end(.prefaceTimeout) }
        if let ageDue, now >= ageDue { return .drain(.age, within: ageGrace) }
        if openStreams > 0 || streamsSoFar != streamsSeen {
            streamsSeen = streamsSoFar
            quietSince = now
        }
        if let idle, now - quietSince >= idle { return .drain(.idle, within: drainTimeout) }
        guard let next = nextLook(after: now) else { return .rest }
        return .wait(until: next)
    }

    /// When the timer has to fire; nil when there is nothing to watch.
    func nextLook(after now: NIODeadline) -> NIODeadline? {
        var next = prefaceDue
        if let ageDue { next = min(ageDue, next ?? ageDue) }
        if let idle {
            let look = min(quietSince + idle, now + idle / 4 + .nanoseconds(1))
            next = min(look, next ?? look)
        }
        return next
    }
}

private func / (amount: TimeAmount, divisor: Int64) -> TimeAmount {
    .nanoseconds(amount.nanoseconds / divisor)
}
