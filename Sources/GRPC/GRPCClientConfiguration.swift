package import TLS

/// The bounds of one client.
package struct GRPCClientConfiguration: Sendable {
    package var connectTimeout: Duration = .seconds(2)
    /// The delay after a failed connection attempt, doubling up to the maximum.
    package var backoffBase: Duration = .milliseconds(100)
    package var backoffMaximum: Duration = .seconds(5)
    /// Bytes of one message.
    package var maximumMessageBytes = 4 * 1024 * 1024
    /// Calls that may wait for the connection.
    package var maximumWaitingCalls = 1024
    /// Silence after which the connection is probed, and silence after the probe that ends it.
    package var keepaliveInterval: Duration = .seconds(10)
    package var keepaliveTimeout: Duration = .seconds(5)
    /// Told of every call, in this order.
    package var interceptors: [any ClientInterceptor] = []
    /// A call that is made while another is served ends by that one's deadline at the latest.
    package var inheritsDeadlines = true
    /// What the calls have as `:authority`; nil stands for the first address.
    package var authority: String?
    /// Nil speaks plaintext.
    package var tls: TLSClientConfiguration?

    package init() {}
}
