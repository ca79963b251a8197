import GRPC
import MeridianAPI
import NIOPosix
import Primitives
import Synchronization

/// What became of a number of reports.
struct Tally: Equatable {
    /// Reports by the region that served them.
    var served: [String: Int] = [:]
    /// Calls that failed, by their status.
    var failures: [String: Int] = [:]

    var requests: Int { served.values.reduce(0, +) + failures.values.reduce(0, +) }

    func percent(in region: String) -> Double {
        100 * Double(served[region, default: 0]) / Double(max(requests, 1))
    }

    static func + (one: Self, other: Self) -> Self {
        Tally(
            served: one.served.merging(other.served, uniquingKeysWith: +),
            failures: one.failures.merging(other.failures, uniquingKeysWith: +)
        )
    }
}

/// Callers that ask for reports, one after the other each, and count.
final class Load: Sendable {
    private struct State {
        var current = Tally()
        var earlier = Tally()
        var isStopped = false
    }

    static let callers = 4
    /// What a caller does between two calls: nothing, so that two cores are enough for everybody.
    private static let pause = Duration.milliseconds(10)

    private let reports: ReportClient
    private let state = Mutex(State())

    private init(_ address: EndpointAddress) {
        reports = ReportClient(address)
    }

    /// Runs `body` under load, and returns what became of all its calls; each is waited for.
    static func through(
        _ address: EndpointAddress,
        _ body: (Load) async throws -> Void
    ) async throws -> Tally {
        let load = Load(address)
        try await withThrowingDiscardingTaskGroup { group in
            for caller in 1...callers { group.addTask { await load.call(as: caller) } }
            defer { load.state.withLock { $0.isStopped = true } }
            try await body(load)
        }
        return load.state.withLock { $0.earlier + $0.current }
    }

    /// A number of reports, a few at a time.
    static func of(_ count: Int, through address: EndpointAddress) async -> Tally {
        let load = Load(address)
        await withDiscardingTaskGroup { group in
            for caller in 0..<callers {
                group.addTask {
                    for number in stride(from: caller, to: count, by: callers) {
                        await load.callOnce(customer: number + 1)
                    }
                }
            }
        }
        return load.state.withLock { $0.current }
    }

    /// What became of the calls since the last time this was asked; those under way count later.
    func next() -> Tally {
        state.withLock { state in
            let tally = state.current
            state.earlier = state.earlier + tally
            state.current = Tally()
            return tally
        }
    }

    /// Waits until so many more calls have ended.
    func waitForRequests(_ count: Int) async throws {
        let start = requests
        try await waitUntil("\(count) requests", within: .seconds(30)) {
            self.requests >= start + count
        }
    }

    private var requests: Int { state.withLock { $0.earlier.requests + $0.current.requests } }

    private func call(as caller: Int) async {
        var customer = caller
        while !state.withLock({ $0.isStopped }) {
            await callOnce(customer: customer)
            customer += Self.callers
            try? await Task.sleep(for: Self.pause)
        }
    }

    private func callOnce(customer: Int) async {
        do {
            let response = try await reports.statement(of: 1 + customer % 20)
            state.withLock {
                $0.current.served[response.servedBy.locality.region, default: 0] += 1
            }
        } catch {
            state.withLock { $0.current.failures["\(error)", default: 0] += 1 }
        }
    }
}

/// Asks for reports, through our own client.
struct ReportClient {
    private let client: GRPCClient

    init(_ address: EndpointAddress) {
        client = GRPCClient(
            addresses: [address],
            eventLoop: MultiThreadedEventLoopGroup.singleton.any()
        )
    }

    /// A statement of one of the sample database's customers.
    func statement(of customer: Int) async throws -> Meridian_V1_GenerateReportResponse {
        try await client.unary(
            "/meridian.v1.ReportService/GenerateReport",
            Meridian_V1_GenerateReportRequest.with {
                $0.report = "customer-statement"
                $0.parameters = ["customer": "\(customer)"]
            },
            timeout: .seconds(10)
        )
    }
}
