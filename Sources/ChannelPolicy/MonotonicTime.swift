/// A point on the monotonic clock of the shell, as the time since an origin that the shell chooses.
///
/// All machines of one channel share one origin. A plain `Duration`, so that a test writes the
/// instants down and no machine can ask a clock.
package typealias MonotonicTime = Duration
