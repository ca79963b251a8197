import NIOCore

/// How often something may happen: so many times at once, then so many each second.
package struct Rate: Hashable, Sendable {
    package var burst: Int
    package var perSecond: Int

    package init(burst: Int, perSecond: Int) {
        self.burst = burst
        self.perSecond = perSecond
    }
}

/// Counts what may happen at a `Rate`.
///
/// The clock is read only when the tokens have run out, so taking one costs a decrement. The price:
/// after a quiet time up to two bursts may pass at once, the one that was there and the one that the
/// quiet time is worth.
struct TokenBucket {
    private let rate: Rate
    private var tokens: Int
    private var refilledAt: NIODeadline

    init(_ rate: Rate, now: NIODeadline) {
        self.rate = rate
        self.tokens = rate.burst
        self.refilledAt = now
    }

    /// Takes a token; false when there is none.
    mutating func take(now: @autoclosure () -> NIODeadline) -> Bool {
        if tokens == 0 { refill(now: now()) }
        guard tokens > 0 else { return false }
        tokens -= 1
        return true
    }

    /// Tokens for something that we did ourselves, up to a full bucket.
    mutating func earn(_ count: Int) {
        tokens = min(tokens + count, rate.burst)
    }

    private mutating func refill(now: NIODeadline) {
        guard rate.perSecond > 0 else { return }
        let interval = max(1_000_000_000 / Int64(rate.perSecond), 1)
        let (earned, rest) = (now - refilledAt).nanoseconds.quotientAndRemainder(
            dividingBy: interval
        )
        guard earned > 0 else { return }
        tokens = Int(min(earned, Int64(rate.burst)))
        // What is left of the interval counts for the next token.
        refilledAt = now - .nanoseconds(rest)
    }
}
