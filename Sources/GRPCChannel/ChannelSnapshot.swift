import ChannelPolicy
import GRPC

/// A subchannel that can carry calls now.
struct Route: Sendable {
    let subchannel: Subchannel
    let connection: SubchannelConnection
    let breaker: Breaker?
}

/// All that a call needs of its channel, as a value: calls read it without a hop.
struct ChannelSnapshot: Sendable {
    /// Goes up with every change, so that a call can wait for the next.
    var version: UInt64 = 0
    var state = ConnectivityState.idle
    var picker = Picker.queueing
    var routes: [SubchannelID: Route] = [:]
    var serviceConfig: ServiceConfig
    var allowance: Allowance
    var breaker: Breaker?
    /// Whether ORCA reports are of use to anybody.
    var wantsLoad = false
    /// The name has never resolved: what calls fail with that don't wait.
    var resolutionFailure: GRPCError?
    var isClosed = false

    init(serviceConfig: ServiceConfig) {
        self.serviceConfig = serviceConfig
        self.allowance = Allowance(serviceConfig)
    }
}
