import ChannelPolicy
import GRPC

/// One attempt of a call whose messages are read and written one by one.
// SAFETY (@unchecked Sendable): `owner` is touched on the connection's event loop only, after the
// init.
final class StreamAttempt: ClientCallObserver, @unchecked Sendable {
    let picked: ChannelCore.Picked
    private let core: ChannelCore
    private let wantsLoad: Bool
    /// Let go of at the end, which breaks the cycle.
    private var owner: ChannelCall?

    init(_ picked: ChannelCore.Picked, _ owner: ChannelCall, _ core: ChannelCore, wantsLoad: Bool) {
        self.picked = picked
        self.owner = owner
        self.core = core
        self.wantsLoad = wantsLoad
    }

    /// Nil when the connection takes no call.
    func open(_ settings: CallSettings, previousAttempts: Int) async -> ClientCall? {
        let connection = picked.route.connection
        return await withTaskExecutorPreference(connection.executor) {
            let call = connection.open(
                settings,
                previousAttempts: previousAttempts,
                observer: self
            )
            if call == nil { self.owner = nil }
            return call
        }
    }

    func responseBegan(_ call: ClientCall) {
        owner?.responseBegan(self)
    }

    func callEnded(_ call: ClientCall, _ end: ClientCallEnd) {
        picked.route.connection.callEnded()
        core.attemptEnded(
            picked,
            StatusCode(end.status.code),
            isGivenUp: end.isGivenUp,
            load: wantsLoad ? ServerLoad(trailers: end.trailers) : nil
        )
        owner?.attemptEnded(self, AttemptFailure(end.error, end))
        owner = nil
    }
}
