package import ChannelPolicy
package import GRPC

/// The bounds of one channel, and what it does when its service says nothing.
package struct ClientChannelConfiguration: Sendable {
    /// What each connection is made with: message size, keepalive, TLS.
    ///
    /// Its connect timeout, waiting calls and backoff are not used: a channel has its own.
    package var connection = GRPCClientConfiguration()
    /// `:authority`, when it is not the target's.
    package var authority: String?
    /// What holds while the resolver brings no service config.
    package var serviceConfig = ServiceConfig()
    /// Whether the resolver's service config is taken at all.
    package var usesResolverServiceConfig = true
    /// How subchannels wait between attempts, and how long one attempt has.
    package var subchannel = SubchannelMachine.Configuration()
    package var dns = DNSResolver.Configuration()
    /// Addresses that are used; more of a resolution are left out.
    package var maximumSubchannels = 256
    /// Calls that may wait for a subchannel, all together.
    package var maximumWaitingCalls = 10_000
    /// Tasks that may wait for another state.
    package var maximumStateWatchers = 100
    /// Bytes that one call may keep to send them again; past them it is not retried.
    package var retryBufferBytesPerCall = 256 * 1024
    /// Bytes that all calls of the channel may keep.
    package var retryBufferBytesPerChannel = 16 * 1024 * 1024

    package init() {}
}
