package import ChannelPolicy
package import GRPC

/// What a name stands for now.
package struct Resolution: Hashable, Sendable {
    /// In the order in which `pick_first` tries them.
    package var addresses: [TransportAddress]
    /// The settings that the service asks for; nil leaves the channel's own.
    package var serviceConfig: ServiceConfig?

    package init(addresses: [TransportAddress], serviceConfig: ServiceConfig? = nil) {
        self.addresses = addresses
        self.serviceConfig = serviceConfig
    }
}

/// Finds the addresses of a channel, and says when they change.
///
/// A channel starts it once, and stops it when it closes. Results may come from any thread.
package protocol NameResolver: Sendable {
    /// Every result goes to `report`: the first soon, others when something changed.
    ///
    /// An error leaves a channel that has addresses with those.
    func start(_ report: @escaping @Sendable (Result<Resolution, GRPCError>) -> Void)
    /// The addresses may be out of date: a connection failed.
    ///
    /// Called often; the resolver limits how often it looks.
    func refresh()
    /// Nothing is reported any more.
    func stop()
}

/// Addresses that don't change.
package struct StaticResolver: NameResolver {
    private let resolution: Resolution

    package init(_ addresses: [TransportAddress]) {
        self.resolution = Resolution(addresses: addresses)
    }

    package func start(_ report: @escaping @Sendable (Result<Resolution, GRPCError>) -> Void) {
        report(.success(resolution))
    }

    package func refresh() {}
    package func stop() {}
}
