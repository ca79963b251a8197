import Primitives
import Testing
import XDSCore

extension IntegrationTests {
    /// A sidecar under load while its configuration changes; no call has a second try.
    @Suite struct ChangesUnderLoadTests {
        private static let both = [Fleet.Discovery.delta, .stateOfTheWorld]

        @Test(arguments: both)
        func `ten swaps of the only cluster fail no call`(
            discovery: Fleet.Discovery
        ) async throws {
            try await FakeWorkers.with(["x", "y"]) { workers in
                try await Fleet.with { fleet in
                    let listen = try Ports.next()
                    let texts: [[ResourceText]] = [
                        [
                            .cluster("x"), .endpoints("x", [workers.addresses[0]]),
                            .listener("egress", at: listen), .routes(to: "x"),
                        ],
                        [
                            .cluster("y"), .endpoints("y", [workers.addresses[1]]),
                            .listener("egress", at: listen), .routes(to: "y"),
                        ],
                    ]
                    let resources = try await fleet.encode(texts.flatMap { $0 })
                    let sides = [Array(resources[..<4]), Array(resources[4...])]
                    try await ViewServer.with(sides[0]) { server in
                        let sidecar = try await fleet.startSidecar(
                            of: server.address,
                            listen: listen,
                            discovery: discovery
                        )
                        try await server.waitUntilSynced()
                        let tally = try await Load.through(listen) { load in
                            for swap in 1...10 {
                                try await load.waitForRequests(20)
                                server.publish(sides[swap % 2])
                                try await waitUntil("swap \(swap)", within: .seconds(30)) {
                                    try await sidecar.admin.clusterNames()
                                        == [swap % 2 == 0 ? "x" : "y"]
                                }
                            }
                            try await load.waitForRequests(20)
                        }
                        let stats = try await sidecar.admin.stats("cluster_manager.cluster_")

                        #expect(tally.failures == [:])
                        #expect(tally.served.keys.sorted() == ["x", "y"])
                        // One of them is the bootstrap's own.
                        #expect(stats["cluster_manager.cluster_added"] == 12)
                        #expect(stats["cluster_manager.cluster_removed"] == 10)
                        #expect(server.counters["xds_nacks"] == 0)
                    }
                }
            }
        }

        @Test(arguments: both)
        func `a thousand changes of all kinds fail no call`(
            discovery: Fleet.Discovery
        ) async throws {
            try await FakeWorkers.with(["w0", "w1", "w2"]) { workers in
                try await Fleet.with { fleet in
                    let listen = try Ports.next()
                    let pool = try await Pool(fleet, workers, listen)
                    var mesh = ChangingMesh()
                    try await ViewServer.with(pool.resources(of: mesh)) { server in
                        let sidecar = try await fleet.startSidecar(
                            of: server.address,
                            listen: listen,
                            discovery: discovery
                        )
                        try await server.waitUntilSynced()
                        let tally = try await Load.through(listen) { load in
                            for change in 1...1_000 {
                                mesh.change(change)
                                server.publish(pool.resources(of: mesh))
                                // The pace of a rollout: some changes overtake others' ACKs.
                                try await Task.sleep(for: .milliseconds(10))
                            }
                            try await server.waitUntilSynced()
                            try await waitUntil("the last change", within: .seconds(30)) {
                                try await sidecar.admin.clusterNames() == mesh.clusterNames
                            }
                            try await load.waitForRequests(20)
                        }
                        let stats = try await sidecar.admin.stats(
                            "(cluster_manager.(cluster_|warming)|init_fetch_timeout$|update_)"
                        )

                        #expect(tally.failures == [:])
                        #expect(tally.requests >= 1_000, "\(tally.requests)")
                        #expect(server.counters["xds_nacks"] == 0)
                        #expect(stats["cluster_manager.warming_clusters"] == 0)
                        for counter in ["added", "modified", "removed"] {
                            let value = stats["cluster_manager.cluster_\(counter)"] ?? 0
                            #expect(value >= 10, "cluster_\(counter)")
                        }
                        let timeouts = stats.filter { $0.key.hasSuffix("init_fetch_timeout") }
                        #expect(timeouts.values.allSatisfy { $0 == 0 }, "\(timeouts)")
                    }
                }
            }
        }
    }
}

/// A mesh of two services that are replaced by others of another name, and what else may change.
private struct ChangingMesh {
    static let variants = 4

    /// `a0`, `a1` … take turns in being the service that the routes lead to.
    var generation = 0
    var requests = 0
    var workers = 0
    var idle = 0
    /// Which name of the routes the listener has.
    var table = 0
    var hasSpare = false

    mutating func change(_ number: Int) {
        switch number % 10 {
        case 0: generation = (generation + 1) % Self.variants
        case 1, 4, 6, 8: workers = (workers + 1) % Self.variants
        case 2, 7: requests = (requests + 1) % Self.variants
        case 3, 9: idle = (idle + 1) % Self.variants
        // A listener that changes drains connections; that takes its time.
        default:
            if number % 50 == 5 { table = 1 - table } else { hasSpare.toggle() }
        }
    }

    var clusterNames: Set<String> {
        hasSpare ? ["a\(generation)", "spare"] : ["a\(generation)"]
    }
}

/// All resources that `ChangingMesh` may ask for, encoded once.
private struct Pool {
    private let byKey: [String: EncodedResource]

    init(_ fleet: Fleet, _ workers: FakeWorkers, _ listen: EndpointAddress) async throws {
        let all = workers.addresses
        // Each choice has a worker in common with the next one.
        let choices = [all, [all[0], all[1]], [all[1], all[2]], [all[2], all[0]]]
        var texts: [(key: String, text: ResourceText)] = []
        for name in (0..<ChangingMesh.variants).map({ "a\($0)" }) + ["spare"] {
            for variant in 0..<ChangingMesh.variants {
                texts.append(
                    ("cds \(name) \(variant)", .cluster(name, requests: 1_000 + variant))
                )
                texts.append(
                    (
                        "eds \(name) \(variant)",
                        .endpoints(name, choices[variant], weight: 1 + variant)
                    )
                )
            }
        }
        for table in 0...1 {
            texts.append(
                ("lds \(table)", .listener("egress", at: listen, routes: "routes-\(table)"))
            )
            for generation in 0..<ChangingMesh.variants {
                for idle in 0..<ChangingMesh.variants {
                    texts.append(
                        (
                            "rds \(table) \(generation) \(idle)",
                            .routes("routes-\(table)", to: "a\(generation)", idle: 60 + idle)
                        )
                    )
                }
            }
        }
        let encoded = try await fleet.encode(texts.map(\.text))
        byKey = Dictionary(uniqueKeysWithValues: zip(texts.map(\.key), encoded))
    }

    func resources(of mesh: ChangingMesh) -> [EncodedResource] {
        let clusters = mesh.clusterNames.sorted().flatMap {
            ["cds \($0) \(mesh.requests)", "eds \($0) \(mesh.workers)"]
        }
        // Both tables are there: connections of the listener before drain with theirs for minutes.
        let tables = (0...1).map { "rds \($0) \(mesh.generation) \(mesh.idle)" }
        return (clusters + ["lds \(mesh.table)"] + tables).compactMap { byKey[$0] }
    }
}
