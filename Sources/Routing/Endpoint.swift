package import Primitives

/// One worker as a destination of calls.
package struct Endpoint: Hashable, Sendable {
    /// What is known about the worker's readiness.
    package enum Health: Hashable, Sendable {
        /// Takes calls.
        case serving
        /// Finishes its calls and takes no new ones.
        case draining
        /// Is there, but says that it can't serve.
        case notServing
    }

    package let workerID: WorkerID
    package let address: EndpointAddress
    package let locality: Locality
    /// How many requests the worker serves at once without queueing.
    package let capacity: Int
    package let health: Health
    /// The worker's software version.
    package let version: String

    package init(
        workerID: WorkerID,
        address: EndpointAddress,
        locality: Locality,
        capacity: Int,
        health: Health = .serving,
        version: String = ""
    ) {
        self.workerID = workerID
        self.address = address
        self.locality = locality
        self.capacity = capacity
        self.health = health
        self.version = version
    }
}
