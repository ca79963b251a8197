import FoundationEssentials
import Glibc

/// A command that could not be carried out.
struct LoadError: Error, CustomStringConvertible {
    let description: String
}

/// Does what the lines of standard input say, and answers each by a line of JSON.
///
///     register            every worker registers
///     connect             every sidecar connects and gets everything
///     changes N PAUSE     N single changes, one after the other, PAUSE ms apart
///     stop N              N sidecars read no more
///     resume              they read again, until all have the same
///     restart             waits until all have lost the server and have everything again
///     churn SECONDS SLOTS workers leave and come back
///     quiet               waits until nothing comes any more
final class Session {
    /// Longer than anything takes that works.
    private static let patience: UInt64 = .seconds(120)
    private static let quietTime: UInt64 = .milliseconds(400)
    private static let askAgain: UInt64 = .milliseconds(1)

    private let poller: Poller
    private let mesh: MeshShape
    private let fleet: SidecarFleet
    private let source: any ChangeSource
    private var random = SystemRandomNumberGenerator()
    private let encoder = JSONEncoder()

    init(poller: Poller, mesh: MeshShape, fleet: SidecarFleet, source: any ChangeSource) {
        self.poller = poller
        self.mesh = mesh
        self.fleet = fleet
        self.source = source
        encoder.outputFormatting = .sortedKeys
    }

    func run() throws {
        let input = InputLines(poller: poller)
        while true {
            _ = poller.run { input.hasLine || input.isOver }
            guard let line = input.next() else { return }
            let words = line.split(separator: " ").map(String.init)
            guard let command = words.first else { continue }
            try perform(command, words.dropFirst().compactMap { Int($0) })
        }
    }

    private func perform(_ command: String, _ numbers: [Int]) throws {
        let cpu = Clock.cpu()
        switch (command, numbers.count) {
        case ("register", 0): try answer(register(), since: cpu)
        case ("connect", 0): try answer(connect(), since: cpu)
        case ("changes", 2):
            try answer(changes(numbers[0], pause: .milliseconds(numbers[1])), since: cpu)
        case ("stop", 1): try answer(stop(numbers[0]), since: cpu)
        case ("resume", 0): try answer(resume(), since: cpu)
        case ("restart", 0): try answer(restart(), since: cpu)
        case ("churn", 2):
            try answer(churn(seconds: numbers[0], slots: numbers[1]), since: cpu)
        case ("quiet", 0): try answer(quiet(), since: cpu)
        default: throw LoadError(description: "no such command: \(command) with \(numbers)")
        }
    }

    private struct Answer<Content: Encodable>: Encodable {
        let result: Content
        let clientCPU: Double
        let failures: [String: Int]
    }

    private func answer(_ content: some Encodable, since cpu: UInt64) throws {
        let answer = Answer(
            result: content,
            clientCPU: Double(Clock.cpu() - cpu) / 1e9,
            failures: fleet.failures
        )
        write(String(decoding: try encoder.encode(answer), as: UTF8.self), to: 1)
    }

    private func wait(for what: String, _ isDone: () -> Bool) throws {
        guard poller.run(until: Clock.now() + Self.patience, isDone) else {
            throw LoadError(
                description: "waited in vain for \(what); "
                    + "\(fleet.syncedCount) of \(fleet.sidecars.count) synced; \(fleet.failures)"
            )
        }
    }

    // MARK: - Commands

    private struct Duration: Encodable {
        let seconds: Double
        init(since start: UInt64) { seconds = Double(Clock.now() - start) / 1e9 }
    }

    private func register() throws -> Duration {
        let start = Clock.now()
        if let workers = source as? WorkerFleet {
            workers.connect()
            do {
                try wait(for: "registrations") { workers.isReady }
            } catch {
                throw LoadError(description: "\(error); \(workers.failures)")
            }
        }
        return Duration(since: start)
    }

    private struct Synced: Encodable {
        let seconds: Double
        let traffic: TrafficReport
        let differing: Int
    }

    private func connect() throws -> Synced {
        let start = Clock.now()
        fleet.resetTraffic()
        fleet.connectAll()
        try wait(for: "the first synchronisation") { fleet.areAllSynced }
        return Synced(
            seconds: Double(fleet.traffic.lastSync - start) / 1e9,
            traffic: TrafficReport(fleet.traffic),
            differing: fleet.differing
        )
    }

    private func quiet() throws -> Duration {
        let start = Clock.now()
        try waitUntilQuiet()
        return Duration(since: start)
    }

    private func waitUntilQuiet() throws {
        let start = Clock.now()
        try wait(for: "silence") {
            Clock.now() - max(start, fleet.traffic.lastResponse) > Self.quietTime
        }
    }

    private struct Stopped: Encodable {
        let stopped: Int
    }

    private func stop(_ count: Int) -> Stopped {
        let step = max(fleet.sidecars.count / max(count, 1), 1)
        let chosen = stride(from: 0, to: fleet.sidecars.count, by: step).prefix(count)
        for number in chosen { fleet.sidecars[number].setStopped(true) }
        return Stopped(stopped: fleet.sidecars.count { $0.isStopped })
    }

    private func resume() throws -> Synced {
        let start = Clock.now()
        fleet.resetTraffic()
        for sidecar in fleet.sidecars where sidecar.isStopped { sidecar.setStopped(false) }
        try waitUntilQuiet()
        return Synced(
            seconds: Double(max(fleet.traffic.lastResponse, start) - start) / 1e9,
            traffic: TrafficReport(fleet.traffic),
            differing: fleet.differing
        )
    }

    private struct Restarted: Encodable {
        /// From the first connection that was lost.
        let seconds: Double
        let lost: Int
        let traffic: TrafficReport
        let differing: Int
    }

    private func restart() throws -> Restarted {
        fleet.resetTraffic()
        write("{\"ready\": true}", to: 1)
        try wait(for: "the loss of the server") { fleet.syncedCount == 0 }
        try wait(for: "the synchronisation after the restart") { fleet.areAllSynced }
        let seconds = Double(fleet.traffic.lastSync - fleet.traffic.firstLoss) / 1e9
        try wait(for: "the workers' return") { source.isReady }
        try waitUntilQuiet()
        return Restarted(
            seconds: seconds,
            lost: fleet.traffic.losses,
            traffic: TrafficReport(fleet.traffic),
            differing: fleet.differing
        )
    }

    private struct Churned: Encodable {
        let pairs: Int
        let seconds: Double
        let responsesPerStream: Double
        /// From the last change to the last response.
        let settledSeconds: Double
        let traffic: TrafficReport
        let differing: Int
    }

    private func churn(seconds: Int, slots: Int) throws -> Churned {
        guard let workers = source as? WorkerFleet else {
            throw LoadError(description: "only registered workers come and go")
        }
        fleet.resetTraffic()
        let start = Clock.now()
        let end = start + .seconds(seconds)
        workers.churn(slots, until: end)
        _ = poller.run(until: end) { false }
        try wait(for: "the last registrations") { workers.isReady }
        let last = Clock.now()
        let pairs = workers.endChurn()
        try waitUntilQuiet()
        return Churned(
            pairs: pairs,
            seconds: Double(last - start) / 1e9,
            responsesPerStream: Double(fleet.traffic.responses) / Double(fleet.sidecars.count),
            settledSeconds: Double(max(fleet.traffic.lastResponse, last) - last) / 1e9,
            traffic: TrafficReport(fleet.traffic),
            differing: fleet.differing
        )
    }

    // MARK: - Changes

    private struct Changes: Encodable {
        var changes = 0
        /// Until the last stream had it, over the changes.
        var lastStream: Percentiles
        /// Until the server had counted the last stream's acknowledgement.
        var lastAcknowledged: Percentiles
        /// Of all streams and changes.
        var eachStream: Percentiles
        var lastStreamByKind: [String: Percentiles]
        var receivedBytes: Double
        var sentBytes: Double
        var extraResponses: Int
        var seconds: Double
    }

    private func changes(_ count: Int, pause: UInt64) throws -> Changes {
        var last: [UInt32] = []
        var acknowledged: [UInt32] = []
        var each: [UInt32] = []
        var byKind: [ChangeKind: [UInt32]] = [:]
        var extra = 0
        let (received, sent) = (fleet.bytesReceived, fleet.bytesSent)
        let reading = fleet.sidecars.count { !$0.isStopped }
        var index = EndpointIndex(cluster: 0, endpoint: 0)
        let began = Clock.now()
        var before = try countAcknowledged()
        for number in 0..<count {
            let kind = ChangeKind.allCases[number % ChangeKind.allCases.count]
            // An endpoint goes through all kinds, so nothing is left changed.
            if kind == .down, let chosen = mesh.all.randomElement(using: &random) { index = chosen }
            let name = fleet.scanner.names.number(of: mesh.clusterName(index.cluster))
            let start = source.make(kind, of: index)
            fleet.expectChange(of: name, since: start)
            try wait(for: "a change (\(kind.rawValue)) on its way to \(reading) streams") {
                fleet.change?.missing == 0
            }
            guard let change = fleet.takeChange() else { continue }
            let latest = change.latencies.max() ?? 0
            try waitUntilAcknowledged(before + UInt64(reading))
            acknowledged.append(UInt32(clamping: Clock.now() - start))
            last.append(latest)
            byKind[kind, default: []].append(latest)
            each += change.latencies
            extra += change.extra
            try wait(for: "the registry's answer") { source.isSettled }
            if pause > 0 { _ = poller.run(until: Clock.now() + pause) { false } }
            before = try countAcknowledged()
        }
        let places = Double(count * reading)
        return Changes(
            changes: count,
            lastStream: Percentiles(nanoseconds: last),
            lastAcknowledged: Percentiles(nanoseconds: acknowledged),
            eachStream: Percentiles(nanoseconds: each),
            lastStreamByKind: Dictionary(
                uniqueKeysWithValues: byKind.map { ($0.rawValue, Percentiles(nanoseconds: $1)) }
            ),
            receivedBytes: Double(fleet.bytesReceived - received) / places,
            sentBytes: Double(fleet.bytesSent - sent) / places,
            extraResponses: extra,
            seconds: Double(Clock.now() - began) / 1e9
        )
    }

    private func waitUntilAcknowledged(_ expected: UInt64) throws {
        while try countAcknowledged() < expected {
            _ = poller.run(until: Clock.now() + Self.askAgain) { false }
        }
    }

    private func countAcknowledged() throws -> UInt64 {
        source.askForAcknowledged()
        try wait(for: "the server's count of acknowledgements") { source.acknowledged != nil }
        return source.acknowledged ?? 0
    }
}

/// What came, by type.
struct TrafficReport: Encodable {
    let responses: Int
    let acknowledgements: Int
    let bytes: [String: Int]
    let resources: [String: Int]
    let unchanged: [String: Int]

    init(_ traffic: SidecarFleet.Traffic) {
        func named(_ values: [Int]) -> [String: Int] {
            Dictionary(
                uniqueKeysWithValues: zip(ResourceType.allCases.map(\.shortName), values)
            )
        }
        responses = traffic.responses
        acknowledgements = traffic.acknowledgements
        bytes = named(traffic.bytesByType)
        resources = named(traffic.resourcesByType)
        unchanged = named(traffic.unchangedByType)
    }
}
