import EtcdStore
import Foundation
import Logging
import NIOPosix
import Primitives
import Store
import Synchronization
import Testing

/// A real etcd cluster of one test or suite, on addresses of its own, in a directory of its own.
final class EtcdCluster: Sendable {
    /// The one that a suite's tests share.
    @TaskLocal static var shared: EtcdCluster?

    static let memberCount = 3
    private static let executable = "/usr/bin/etcd"
    private static let lastCluster = Atomic<Int>(0)

    struct NotStarted: Error, CustomStringConvertible {
        let description: String
    }

    private let directory: TemporaryDirectory
    private let heartbeat: Int
    private let election: Int
    private let quotaBytes: Int?
    private let hosts: [String]
    private let processes: Mutex<[Process?]>

    /// Starts a cluster and waits until each member knows the leader.
    ///
    /// - Parameter election: etcd's election timeout in milliseconds. A long one keeps busy machines
    ///   from electing without need; a short one makes a cluster that loses its leader go on soon.
    /// - Parameter quotaBytes: how large the database may grow, when not as large as usual.
    static func start(
        election: Int = 1_000,
        quotaBytes: Int? = nil
    ) async throws -> EtcdCluster {
        guard FileManager.default.isExecutableFile(atPath: executable) else {
            throw NotStarted(
                description: "there is no \(executable): scripts/test installs Debian's etcd-server"
            )
        }
        let cluster = try EtcdCluster(election: election, quotaBytes: quotaBytes)
        for member in 0..<memberCount { try cluster.run(member) }
        try await cluster.waitForLeader(known: memberCount)
        return cluster
    }

    private init(election: Int, quotaBytes: Int?) throws {
        directory = try TemporaryDirectory()
        self.election = election
        self.quotaBytes = quotaBytes
        heartbeat = election / 10
        // Every address of 127.0.0.0/8 is ours, so each member can have one that nobody else has.
        let number = Self.lastCluster.add(1, ordering: .relaxed).newValue
        let process = Int(getpid())
        hosts = (0..<Self.memberCount).map { member in
            "127.\(100 + process / 250 % 100).\(1 + process % 250).\(number * 4 + member)"
        }
        processes = Mutex(Array(repeating: nil, count: Self.memberCount))
    }

    deinit {
        for member in 0..<Self.memberCount { kill(member) }
    }

    var endpoints: [EndpointAddress] { hosts.map { EndpointAddress(host: $0, port: 2379) } }

    /// A store of its own on the cluster.
    func store(
        _ change: (inout EtcdConfiguration) -> Void = { _ in }
    ) -> EtcdStore {
        var configuration = EtcdConfiguration(endpoints: endpoints)
        change(&configuration)
        return EtcdStore(
            configuration,
            eventLoop: MultiThreadedEventLoopGroup.singleton.next(),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        )
    }

    // MARK: Members

    func run(_ member: Int) throws {
        let process = Process()
        process.executableURL = URL(filePath: Self.executable)
        let cluster = hosts.enumerated().map { "m\($0)=http://\($1):2380" }.joined(separator: ",")
        process.arguments = [
            "--name", "m\(member)", "--data-dir", directory.path("m\(member)"),
            "--listen-client-urls", "http://\(hosts[member]):2379",
            "--advertise-client-urls", "http://\(hosts[member]):2379",
            "--listen-peer-urls", "http://\(hosts[member]):2380",
            "--initial-advertise-peer-urls", "http://\(hosts[member]):2380",
            "--initial-cluster", cluster, "--initial-cluster-token",
            directory.url.lastPathComponent,
            "--heartbeat-interval", "\(heartbeat)", "--election-timeout", "\(election)",
            "--logger", "zap", "--log-outputs", directory.path("m\(member).log"),
        ]
        if let quotaBytes { process.arguments? += ["--quota-backend-bytes", "\(quotaBytes)"] }
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        processes.withLock { $0[member] = process }
    }

    /// SIGKILL, and back when it is gone.
    func kill(_ member: Int) {
        let process = processes.withLock { processes in
            defer { processes[member] = nil }
            return processes[member]
        }
        guard let process, process.isRunning else { return }
        Glibc.kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }

    func pause(_ member: Int) { send(SIGSTOP, to: member) }
    func resume(_ member: Int) { send(SIGCONT, to: member) }

    private func send(_ signal: Int32, to member: Int) {
        let process = processes.withLock { $0[member] }
        if let process, process.isRunning { Glibc.kill(process.processIdentifier, signal) }
    }

    /// The index of the leader, when so many members agree on it.
    @discardableResult
    func waitForLeader(known: Int) async throws -> Int {
        let store = store()
        let leader: EndpointAddress = try await waitFor("\(known) etcd members with a leader") {
            let statuses = await store.memberStatuses()
            let leaders = statuses.compactMap(\.leader)
            guard leaders.count >= known, Set(leaders).count == 1 else { return nil }
            return statuses.first(where: \.isLeader)?.endpoint
        }
        await store.close()
        return try #require(endpoints.firstIndex(of: leader))
    }
}

/// Starts a cluster for the tests of a suite, which have it as `EtcdCluster.shared` one after the
/// other.
struct EtcdClusterTrait: SuiteTrait, TestScoping {
    func provideScope(
        for test: Test,
        testCase: Test.Case?,
        performing function: @Sendable () async throws -> Void
    ) async throws {
        let cluster = try await EtcdCluster.start(election: 2_000)
        try await EtcdCluster.$shared.withValue(cluster, operation: function)
    }
}

extension Trait where Self == EtcdClusterTrait {
    static var etcdCluster: Self { Self() }
}

struct TimedOut: Error, CustomStringConvertible {
    let description: String
}

/// Asks again and again until there is an answer; generous, as the machine may be busy.
func waitFor<Result>(
    _ what: String,
    within limit: Duration = .seconds(120),
    _ answer: () async throws -> Result?
) async throws -> Result {
    let deadline = ContinuousClock.now + limit
    while ContinuousClock.now < deadline {
        if let result = try await answer() { return result }
        try await Task.sleep(for: .milliseconds(20))
    }
    throw TimedOut(description: "waited \(limit) for \(what)")
}
