import NIOCore

/// Decides when to PING a silent peer and when to give it up.
///
/// Any byte from the peer counts as life, not only the PING's acknowledgement: a peer that is busy
/// sending data is not dead because its acknowledgement is queued behind that data.
///
///     listening ── interval of silence ──▶ probing ── timeout of silence ──▶ dead
///         ▲                                   │
///         └────────────── any byte ───────────┘
struct Keepalive {
    private enum State {
        /// The peer was heard at `lastHeard`.
        case listening
        /// A PING is out since the given time and nothing has come back.
        case probing(since: NIODeadline)
    }

    enum OnTimer: Equatable {
        /// Look again at that time.
        case wait(until: NIODeadline)
        /// Send a PING and look again at that time.
        case ping(thenWaitUntil: NIODeadline)
        /// The peer is gone.
        case close
    }

    private let interval: TimeAmount
    private let timeout: TimeAmount
    private var lastHeard: NIODeadline
    private var state = State.listening

    init(interval: TimeAmount, timeout: TimeAmount, now: NIODeadline) {
        self.interval = interval
        self.timeout = timeout
        self.lastHeard = now
    }

    mutating func heard(now: NIODeadline) {
        lastHeard = now
        state = .listening
    }

    /// - Parameter mayPing: false leaves a silent peer alone for another interval.
    mutating func timerFired(now: NIODeadline, mayPing: Bool = true) -> OnTimer {
        switch state {
        case .listening:
            let due = lastHeard + interval
            if now < due { return .wait(until: due) }
            guard mayPing else { return .wait(until: now + interval) }
            state = .probing(since: now)
            return .ping(thenWaitUntil: now + timeout)
        case .probing(let since):
            let due = since + timeout
            return now < due ? .wait(until: due) : .close
        }
    }
}
