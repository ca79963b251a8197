/// One sidecar: a connection, an aggregated stream on it, and what Envoy would do with what comes.
///
/// As Envoy does: clusters first; their endpoints are asked for when they have come, and the
/// clusters are acknowledged only when all of these are there; then listeners, then their routes. A
/// stream that ends is opened again after a jittered delay, with everything that is held.
final class Sidecar {
    let number: Int
    let scope: Int
    private unowned let fleet: SidecarFleet
    private(set) var connection: WireConnection?
    private var stream: UInt32 = 0
    private var backoff: UInt64 = 0

    private(set) var held: [HeldResources]
    /// Asked for on this stream.
    private var isSubscribed = [Bool](repeating: false, count: ResourceType.allCases.count)
    private var hasSentNode = false
    /// The state of the world's version and nonce, by type.
    private var lastVersions: [[UInt8]]
    private var lastNonces: [[UInt8]]

    /// Endpoints that were asked for and have not come on this stream.
    private var awaitedEndpoints: Set<Int32> = []
    /// Acknowledgements of clusters that wait for the endpoints.
    private var heldAcknowledgements: [[UInt8]] = []
    private var routes: [Int32] = []
    private(set) var isSynced = false
    var lastChange = 0
    var isStopped = false

    init(number: Int, scope: Int, fleet: SidecarFleet) {
        self.number = number
        self.scope = scope
        self.fleet = fleet
        let types = ResourceType.allCases.count
        held = [HeldResources](repeating: HeldResources(), count: types)
        lastVersions = [[UInt8]](repeating: [], count: types)
        lastNonces = lastVersions
    }

    private var variant: Variant { fleet.options.variant }

    // MARK: - Connecting

    func connect() {
        connection = WireConnection(
            to: .loopback(fleet.options.port),
            from: fleet.source(of: number),
            poller: fleet.poller,
            buffer: fleet.buffer,
            owner: self
        )
    }

    func setStopped(_ isStopped: Bool) {
        self.isStopped = isStopped
        connection?.setReading(!isStopped)
    }

    private func lost(_ reason: String) {
        connection = nil
        fleet.lost(self, reason)
        isSynced = false
        hasSentNode = false
        heldAcknowledgements = []
        awaitedEndpoints = []
        for type in ResourceType.allCases {
            isSubscribed[type.rawValue] = false
            lastNonces[type.rawValue] = []
        }
        // Envoy's jittered exponential backoff: anything from nothing to the interval.
        backoff =
            backoff == 0
            ? fleet.options.backoffBase : min(backoff * 2, fleet.options.backoffMaximum)
        let delay = UInt64.random(in: 0..<backoff, using: &fleet.random)
        fleet.poller.schedule(after: delay) { self.connect() }
    }

    /// Everything that was subscribed to is asked for again at once.
    private func resume() {
        request(.cluster)
        guard held[ResourceType.cluster.rawValue].count > 0 else { return }
        let clusters = held[ResourceType.cluster.rawValue].names
        awaitedEndpoints = Set(clusters)
        request(.endpoints, subscribe: clusters)
        guard held[ResourceType.listener.rawValue].count > 0 else { return }
        request(.listener)
        if !routes.isEmpty { request(.route, subscribe: routes) }
    }

    // MARK: - Requests

    /// Asks for a type for the first time on this stream, or for more names of it.
    private func request(_ type: ResourceType, subscribe: [Int32] = [], unsubscribe: [Int32] = []) {
        let isFirst = !isSubscribed[type.rawValue]
        isSubscribed[type.rawValue] = true
        switch variant {
        case .delta:
            var message: [UInt8] = []
            appendNode(to: &message)
            message.appendField(2, type.url)
            for name in subscribe { message.appendField(3, fleet.scanner.names.text(name)) }
            for name in unsubscribe { message.appendField(4, fleet.scanner.names.text(name)) }
            if isFirst { appendInitialVersions(type, to: &message) }
            connection?.send(message, on: stream)
        case .sotw: sendState(type)
        }
    }

    private func appendNode(to message: inout [UInt8]) {
        guard !hasSentNode else { return }
        hasSentNode = true
        message.appendField(variant == .delta ? 1 : 2, fleet.node(of: self))
    }

    private func appendInitialVersions(_ type: ResourceType, to message: inout [UInt8]) {
        let held = held[type.rawValue]
        for name in held.names {
            guard let version = held[name] else { continue }
            var entry: [UInt8] = []
            entry.appendField(1, fleet.scanner.names.text(name))
            entry.appendField(2, fleet.scanner.versions.text(version))
            message.appendField(5, entry)
        }
    }

    /// The state of the world has one request for all: what is wanted, and what was accepted.
    private func sendState(_ type: ResourceType) {
        var message: [UInt8] = []
        let version = lastVersions[type.rawValue]
        if !version.isEmpty { message.appendField(1, version) }
        appendNode(to: &message)
        let names: [Int32] =
            switch type {
            case .endpoints: held[ResourceType.cluster.rawValue].names
            case .route: routes
            case .cluster, .listener: []
            }
        for name in names { message.appendField(3, fleet.scanner.names.text(name)) }
        message.appendField(4, type.url)
        let nonce = lastNonces[type.rawValue]
        if !nonce.isEmpty { message.appendField(5, nonce) }
        connection?.send(message, on: stream)
    }

    private func acknowledge(_ type: ResourceType, _ nonce: [UInt8]) {
        fleet.acknowledged(self)
        switch variant {
        case .delta:
            var message: [UInt8] = []
            message.reserveCapacity(128)
            message.appendField(2, type.url)
            message.appendField(6, nonce)
            connection?.send(message, on: stream)
        case .sotw: sendState(type)
        }
    }

    // MARK: - Responses

    private func received(_ response: ScannedResponse, bytes: Int, at time: UInt64) {
        let type = response.type
        fleet.received(response, bytes: bytes, by: self, at: time)
        if variant == .sotw {
            lastVersions[type.rawValue] = Array(response.version)
            lastNonces[type.rawValue] = Array(response.nonce)
        }
        switch type {
        case .cluster: receivedClusters(response)
        case .endpoints: receivedEndpoints(response)
        case .listener: receivedListeners(response)
        case .route:
            store(response)
            acknowledge(.route, Array(response.nonce))
        }
        lookWhetherSynced()
    }

    private func store(_ response: ScannedResponse) {
        for resource in response.resources {
            held[response.type.rawValue][resource.name] = resource.version
        }
        for name in response.removed { held[response.type.rawValue][name] = nil }
    }

    private func receivedClusters(_ response: ScannedResponse) {
        let before = held[ResourceType.cluster.rawValue]
        var new: [Int32] = []
        for resource in response.resources where before[resource.name] != resource.version {
            // A changed cluster warms until its endpoints have come again.
            awaitedEndpoints.insert(resource.name)
            if before[resource.name] == nil { new.append(resource.name) }
        }
        var gone = response.removed
        if variant == .sotw {
            let present = Set(response.resources.map(\.name))
            gone = before.names.filter { !present.contains($0) }
        }
        store(response)
        for name in gone {
            held[ResourceType.cluster.rawValue][name] = nil
            held[ResourceType.endpoints.rawValue][name] = nil
            awaitedEndpoints.remove(name)
        }
        if !new.isEmpty || !gone.isEmpty {
            request(.endpoints, subscribe: new, unsubscribe: gone)
        }
        heldAcknowledgements.append(Array(response.nonce))
        acknowledgeWarmClusters()
    }

    private func receivedEndpoints(_ response: ScannedResponse) {
        store(response)
        if !awaitedEndpoints.isEmpty {
            for resource in response.resources { awaitedEndpoints.remove(resource.name) }
            for name in response.removed { awaitedEndpoints.remove(name) }
        }
        acknowledge(.endpoints, Array(response.nonce))
        acknowledgeWarmClusters()
    }

    private func acknowledgeWarmClusters() {
        guard awaitedEndpoints.isEmpty else { return }
        awaitedEndpoints = []
        for nonce in heldAcknowledgements { acknowledge(.cluster, nonce) }
        heldAcknowledgements = []
        if held[ResourceType.cluster.rawValue].count > 0,
            !isSubscribed[ResourceType.listener.rawValue]
        {
            request(.listener)
        }
    }

    private func receivedListeners(_ response: ScannedResponse) {
        store(response)
        var new: [Int32] = []
        for resource in response.resources {
            for route in fleet.routes(of: resource) where !routes.contains(route) {
                routes.append(route)
                new.append(route)
            }
        }
        if !new.isEmpty { request(.route, subscribe: new) }
        acknowledge(.listener, Array(response.nonce))
    }

    private func lookWhetherSynced() {
        guard !isSynced, awaitedEndpoints.isEmpty, !routes.isEmpty,
            held[ResourceType.route.rawValue].count == routes.count
        else { return }
        isSynced = true
        backoff = 0
        fleet.synced(self)
    }
}

extension Sidecar: WireConnectionOwner {
    func connected(_ connection: WireConnection) {
        stream = connection.open(variant.path)
        resume()
    }

    func received(
        _ message: UnsafeRawBufferPointer,
        stream: UInt32,
        on connection: WireConnection
    ) {
        guard let response = fleet.scanner.scan(message, variant) else {
            return fleet.unexpected("a response of a type that was not asked for")
        }
        received(response, bytes: message.count, at: connection.readTime)
    }

    func streamEnded(_ stream: UInt32, _ reason: String, on connection: WireConnection) {
        connection.close(reason)
    }

    func closed(_ connection: WireConnection, _ reason: String) {
        guard connection === self.connection else { return }
        lost(reason)
    }
}
