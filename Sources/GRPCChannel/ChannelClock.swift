import ChannelPolicy
import NIOCore

/// The monotonic clock of one channel, as its machines read it.
struct ChannelClock: Sendable {
    private let origin = NIODeadline.now()

    var now: MonotonicTime { Duration(NIODeadline.now() - origin) }
}
