package import GRPC
package import Primitives
package import Store

/// Where the members of an etcd cluster are, and the bounds of what we ask of them.
package struct EtcdConfiguration: Sendable {
    /// The client addresses of the members; one is used until it fails.
    package var endpoints: [EndpointAddress]
    package var limits = StoreLimits()
    /// From a request to its answer, with all attempts: after it the store is `unavailable`.
    package var requestTimeout: Duration = .seconds(5)
    /// One attempt at a member for what may be asked again of another.
    ///
    /// A change has no second attempt once it may have reached a member, so it waits to the end.
    package var attemptTimeout: Duration = .seconds(2)
    /// The pause after every member has failed, doubling up to the maximum.
    package var backoffBase: Duration = .milliseconds(50)
    package var backoffMaximum: Duration = .seconds(1)
    /// Entries that are asked for at a time; a range of more takes several requests.
    package var maximumPageEntries = 1_000
    /// Requests that wait for their answers.
    package var maximumCallsInFlight = 4_096
    /// Watches at one time.
    package var maximumWatches = 256
    /// What the connections are made with; timeouts and sizes are set here.
    package var connection = GRPCClientConfiguration()

    package init(endpoints: [EndpointAddress]) {
        self.endpoints = endpoints
        // etcd's own limit of a request is 1.5 MiB, and a part of a watch's response has little
        // more; a page of a range can be larger, and is asked for again in smaller ones.
        connection.maximumMessageBytes = 16 * 1_024 * 1_024
        connection.connectTimeout = .seconds(1)
        connection.backoffMaximum = .seconds(1)
        // etcd ends connections that are probed more often than every 5 seconds.
        connection.keepaliveInterval = .seconds(6)
        connection.keepaliveTimeout = .seconds(3)
        // What the store has begun ends by its own deadline.
        connection.inheritsDeadlines = false
    }

    /// Reads `etcd://host:port,host:port`.
    package init(url: String) throws(StoreError) {
        let scheme = "etcd://"
        guard url.hasPrefix(scheme) else {
            throw .invalid("the store \(url): expected \(scheme)host:port,host:port")
        }
        var endpoints: [EndpointAddress] = []
        let list = url.dropFirst(scheme.count).split(
            separator: ",",
            omittingEmptySubsequences: false
        )
        for text in list {
            guard let endpoint = EndpointAddress(String(text)) else {
                throw .invalid("the store \(url): \"\(text)\" is no host:port")
            }
            endpoints.append(endpoint)
        }
        self.init(endpoints: endpoints)
    }
}
