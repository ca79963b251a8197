import NIOCore

/// Decides when a peer that does not take its responses is given up.
///
/// Two ways not to take them: the socket is not read, or the flow-control windows stay closed. Both
/// leave what was queued in our memory; the second is also what an application that pauses does, so
/// it is given more time.
struct ProgressWatch {
    enum OnLook: Equatable {
        /// Nothing waits any more.
        case rest
        case lookAgain(at: NIODeadline)
        case end(EndingRule)
    }

    private let notReadingTimeout: TimeAmount
    private let stalledTimeout: TimeAmount
    private let interval: TimeAmount
    private var bytesTaken: UInt64
    private var lastProgress: NIODeadline

    init(_ configuration: HTTP2Configuration, now: NIODeadline, bytesTaken: UInt64) {
        notReadingTimeout = configuration.notReadingTimeout
        stalledTimeout = configuration.stalledTimeout
        let shorter = min(notReadingTimeout, stalledTimeout)
        interval = .nanoseconds(max(shorter.nanoseconds / 4, 1))
        self.bytesTaken = bytesTaken
        lastProgress = now
    }

    func firstLook() -> NIODeadline { lastProgress + interval }

    /// - Parameter bytesTaken: of all DATA so far.
    mutating func looked(
        now: NIODeadline,
        queuedBytes: Int,
        isWritable: Bool,
        bytesTaken: UInt64
    ) -> OnLook {
        guard queuedBytes > 0 || !isWritable else { return .rest }
        if bytesTaken != self.bytesTaken {
            self.bytesTaken = bytesTaken
            lastProgress = now
        }
        let waited = now - lastProgress
        if !isWritable, waited >= notReadingTimeout { return .end(.notReading) }
        if waited >= stalledTimeout { return .end(.stalled) }
        return .lookAgain(at: now + interval)
    }
}
