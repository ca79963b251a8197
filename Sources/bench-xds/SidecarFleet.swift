import EnvoyAPI
import SwiftProtobuf

/// What a fleet of sidecars is like.
struct SidecarOptions {
    var port: UInt16
    var count: Int
    var variant: Variant
    /// What everyone must have in the end.
    var clusters: Int
    /// Region and zone of each scope; sidecars take them in turn.
    var scopes: [(region: String, zone: String)]
    /// Extensions that each node names; Envoy 1.40 names 516, which are 61 kB.
    var extensions: Int
    var backoffBase: UInt64 = .milliseconds(250)
    var backoffMaximum: UInt64 = .seconds(3)
}

/// All sidecars of one run, and what has come to them.
final class SidecarFleet {
    let options: SidecarOptions
    let poller: Poller
    let buffer: ReadBuffer
    var scanner = ResponseScanner()
    var random = SystemRandomNumberGenerator()
    private(set) var sidecars: [Sidecar] = []
    private(set) var syncedCount = 0
    private(set) var traffic = Traffic()
    /// The change that everyone waits for.
    private(set) var change: AwaitedChange?
    private var changeNumber = 0
    private(set) var failures: [String: Int] = [:]
    private var routesByListener: [Int32: [Int32]] = [:]
    private let nodeExtensions: [UInt8]

    /// What has come since it was last set back.
    struct Traffic {
        var responses = 0
        var acknowledgements = 0
        var bytesByType = [Int](repeating: 0, count: ResourceType.allCases.count)
        var resourcesByType = [Int](repeating: 0, count: ResourceType.allCases.count)
        /// Resources that their receiver had in the same version.
        var unchangedByType = [Int](repeating: 0, count: ResourceType.allCases.count)
        var losses = 0
        var lastSync: UInt64 = 0
        var lastResponse: UInt64 = 0
        var firstLoss: UInt64 = 0
    }

    /// One change on its way to all sidecars that read.
    struct AwaitedChange {
        let number: Int
        let cluster: Int32
        let start: UInt64
        var missing: Int
        /// Nanoseconds from the start, one for each stream.
        var latencies: [UInt32] = []
        /// Responses beyond one for each stream.
        var extra = 0
    }

    init(_ options: SidecarOptions, poller: Poller, buffer: ReadBuffer) {
        self.options = options
        self.poller = poller
        self.buffer = buffer
        self.nodeExtensions = Self.extensions(options.extensions)
        sidecars = (0..<options.count).map {
            Sidecar(number: $0, scope: $0 % options.scopes.count, fleet: self)
        }
    }

    // MARK: - Connections

    /// Each source address has some 28,000 ports, and a new run finds many of them in TIME_WAIT.
    func source(of number: Int) -> IPv4Endpoint {
        IPv4Endpoint(address: 0x7f01_0001 + UInt32(number % 8), port: 0)
    }

    func connectAll() {
        for sidecar in sidecars { sidecar.connect() }
    }

    var areAllSynced: Bool { syncedCount == sidecars.count }

    func synced(_ sidecar: Sidecar) {
        syncedCount += 1
        traffic.lastSync = Clock.now()
    }

    func lost(_ sidecar: Sidecar, _ reason: String) {
        if sidecar.isSynced { syncedCount -= 1 }
        if traffic.losses == 0 { traffic.firstLoss = Clock.now() }
        traffic.losses += 1
        failures[reason, default: 0] += 1
    }

    func unexpected(_ what: String) { failures[what, default: 0] += 1 }

    func resetTraffic() {
        traffic = Traffic()
        failures = [:]
    }

    var bytesReceived: UInt64 { sidecars.reduce(0) { $0 + ($1.connection?.bytesReceived ?? 0) } }
    var bytesSent: UInt64 { sidecars.reduce(0) { $0 + ($1.connection?.bytesSent ?? 0) } }

    /// Sidecars that miss clusters, or have something else than the first one of their scope.
    var differing: Int {
        var first: [Int: Sidecar] = [:]
        return sidecars.count { sidecar in
            guard sidecar.held[ResourceType.cluster.rawValue].count == options.clusters,
                sidecar.held[ResourceType.endpoints.rawValue].count == options.clusters
            else { return true }
            guard let other = first[sidecar.scope] else {
                first[sidecar.scope] = sidecar
                return false
            }
            return !zip(sidecar.held, other.held).allSatisfy { $0.isEqual(to: $1) }
        }
    }

    // MARK: - Changes

    /// Whoever reads is waited for.
    func expectChange(of cluster: Int32, since start: UInt64) {
        changeNumber += 1
        let reading = sidecars.count { !$0.isStopped }
        change = AwaitedChange(
            number: changeNumber,
            cluster: cluster,
            start: start,
            missing: reading
        )
        change?.latencies.reserveCapacity(reading)
    }

    func takeChange() -> AwaitedChange? {
        defer { change = nil }
        return change
    }

    // MARK: - What sidecars tell

    func received(
        _ response: ScannedResponse,
        bytes: Int,
        by sidecar: Sidecar,
        at time: UInt64
    ) {
        let type = response.type.rawValue
        traffic.responses += 1
        traffic.lastResponse = time
        traffic.bytesByType[type] += bytes
        traffic.resourcesByType[type] += response.resources.count
        let held = sidecar.held[type]
        for resource in response.resources where held[resource.name] == resource.version {
            traffic.unchangedByType[type] += 1
        }
        guard response.type == .endpoints, let cluster = change?.cluster,
            let resource = response.resources.first(where: { $0.name == cluster }),
            held[cluster] != resource.version
        else { return }
        arrived(sidecar, at: time)
    }

    private func arrived(_ sidecar: Sidecar, at time: UInt64) {
        guard var change else { return }
        self.change = nil
        if sidecar.lastChange == change.number {
            change.extra += 1
        } else if !sidecar.isStopped {
            sidecar.lastChange = change.number
            change.missing -= 1
            change.latencies.append(UInt32(clamping: time &- change.start))
        }
        self.change = change
    }

    func acknowledged(_ sidecar: Sidecar) { traffic.acknowledgements += 1 }

    // MARK: - Content

    /// The routes that a listener asks for.
    func routes(of listener: ScannedResponse.Resource) -> [Int32] {
        // Versions are few, and the same for all sidecars of a scope.
        if let known = routesByListener[listener.version] { return known }
        let decoded = try? Envoy_Config_Listener_V3_Listener(
            serializedBytes: Array(listener.content)
        )
        let found = (decoded?.routeNames ?? []).map { scanner.names.number(of: $0) }
        routesByListener[listener.version] = found
        return found
    }

    func node(of sidecar: Sidecar) -> [UInt8] {
        let scope = options.scopes[sidecar.scope]
        let node = Envoy_Config_Core_V3_Node.with {
            $0.id = "sidecar-\(scope.zone)-\(sidecar.number)"
            $0.cluster = "report-consumer"
            $0.locality = .with {
                $0.region = scope.region
                $0.zone = scope.zone
            }
            $0.userAgentName = "envoy"
            $0.metadata.fields["meridian"] = .with {
                $0.structValue.fields["role"] = .with { $0.stringValue = "sidecar" }
            }
        }
        let bytes: [UInt8] = (try? node.serializedBytes()) ?? []
        return bytes + nodeExtensions
    }

    /// `Node.extensions` as Envoy fills it in, some 118 bytes for each.
    private static func extensions(_ count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        for number in 0..<count {
            var entry: [UInt8] = []
            entry.appendField(1, "envoy.filters.http.extension_number_\(number)")
            entry.appendField(2, "envoy.filters.http")
            entry.appendField(
                5,
                "envoy.extensions.filters.http.number_\(number).v3.Configuration"
            )
            bytes.appendField(9, entry)
        }
        return bytes
    }
}

private typealias ConnectionManager =
    Envoy_Extensions_Filters_Network_HttpConnectionManager_V3_HttpConnectionManager

extension Envoy_Config_Listener_V3_Listener {
    fileprivate var routeNames: [String] {
        filterChains.flatMap(\.filters).compactMap { filter in
            let manager = try? ConnectionManager(serializedBytes: filter.typedConfig.value)
            return manager.flatMap { $0.rds.routeConfigName.isEmpty ? nil : $0.rds.routeConfigName }
        }
    }
}
