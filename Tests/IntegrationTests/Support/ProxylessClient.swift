import Foundation
import Primitives

/// A grpcio process that reads our control plane itself and calls without end.
struct ProxylessClient {
    private let process: ChildProcess

    fileprivate init(process: ChildProcess) {
        self.process = process
    }

    /// What became of all its calls so far.
    var tally: Tally {
        get throws {
            // The last line may be half written.
            let lines = process.output.split(separator: "\n", omittingEmptySubsequences: false)
            guard let line = lines.dropLast().last else {
                if process.currentEnd != nil {
                    throw ChildProcess.NotStarted(description: process.errors)
                }
                return Tally()
            }
            let printed = try JSONDecoder().decode(Printed.self, from: Data(line.utf8))
            return Tally(served: printed.served, failures: printed.failures)
        }
    }

    /// What became of so many calls from now on, or a few more.
    func next(_ count: Int) async throws -> Tally {
        let before = try tally
        let after = try await waitFor("\(count) calls", within: .seconds(60)) {
            let now = try tally
            return now.requests >= before.requests + count ? now : nil
        }
        return after - before
    }

    /// Waits until the calls are served by these regions, and no others, and returns what became of
    /// all calls so far.
    @discardableResult
    func waitUntilServed(by regions: Set<String>) async throws -> Tally {
        try await waitFor("calls to be served by \(regions.sorted())", within: .seconds(60)) {
            let part = try await next(50)
            return Set(part.served.keys) == regions && part.failures.isEmpty ? try tally : nil
        }
    }

    private struct Printed: Decodable {
        let served: [String: Int]
        let failures: [String: Int]
    }
}

extension Fleet {
    /// Starts a client with the bootstrap that `meridian grpc-bootstrap` prints.
    ///
    /// - Parameter controls: addresses of control planes; the last one gives out the messages.
    func startProxylessClient(
        in region: String,
        controls: [EndpointAddress],
        target: String = "xds:///reports"
    ) async throws -> ProxylessClient {
        let name = "client-\(region)"
        let bootstrap = try start(
            "bootstrap-\(UUID().uuidString.prefix(8))",
            try Programs.meridian("meridian"),
            ["grpc-bootstrap", "--node", name, "--region", region, "--zone", "\(region)-a"]
                + controls.flatMap { ["--control", $0.description] }
        )
        guard try await bootstrap.waitForEnd() == .status(0), let reflecting = controls.last else {
            throw ChildProcess.NotStarted(description: bootstrap.errors)
        }
        let process = try start(
            name,
            try Programs.python(),
            [
                "\(Programs.root)/Tests/IntegrationTests/Fixtures/proxyless_client.py",
                try write(bootstrap.output, to: "\(name).json"), reflecting.description, target,
            ]
        )
        return ProxylessClient(process: process)
    }
}

extension Tally {
    /// What came on top of an earlier state.
    fileprivate static func - (later: Self, earlier: Self) -> Self {
        func difference(_ later: [String: Int], _ earlier: [String: Int]) -> [String: Int] {
            later.merging(earlier, uniquingKeysWith: -).filter { $0.value > 0 }
        }
        return Tally(
            served: difference(later.served, earlier.served),
            failures: difference(later.failures, earlier.failures)
        )
    }
}
