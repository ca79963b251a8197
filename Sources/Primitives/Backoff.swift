/// Exponential backoff with full jitter below a cap.
///
/// Each failure doubles the ceiling up to `maximum`; the delay is drawn between half of the ceiling
/// and the ceiling, so that peers that failed together do not come back together.
package struct Backoff: Sendable {
    package let base: Duration
    package let maximum: Duration
    private var failures = 0

    package init(base: Duration, maximum: Duration) {
        precondition(base > .zero && maximum >= base, "backoff needs 0 < base <= maximum")
        self.base = base
        self.maximum = maximum
    }

    /// The delay before the next attempt, after one more failure.
    package mutating func failed(using random: inout some RandomNumberGenerator) -> Duration {
        // 20 doublings of any base that makes sense are past any maximum; the bound keeps the shift
        // safe.
        let ceiling = min(maximum, base * (1 << min(failures, 20)))
        failures += 1
        return ceiling * Double.random(in: 0.5...1, using: &random)
    }

    /// The next delay starts from `base` again.
    package mutating func succeeded() {
        failures = 0
    }
}
