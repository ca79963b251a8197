import Primitives
import Testing
import XDSCore
import XDSServer

extension IntegrationTests {
    /// What Envoy refuses, and what becomes of it.
    @Suite struct EnvoyRefusalTests {
        private static let both = [Fleet.Discovery.delta, .stateOfTheWorld]

        @Test(arguments: both)
        func `good clusters beside a bad one are applied and the bad one waits for its change`(
            discovery: Fleet.Discovery
        ) async throws {
            try await Fleet.with { fleet in
                let listen = try Ports.next()
                let resources = try await fleet.encode([
                    .staticCluster("good", "127.0.0.1", 9),
                    // Envoy resolves no names in a static cluster.
                    .staticCluster("bad", "worker.invalid", 9),
                    .staticCluster("other", "127.0.0.1", 9),
                    .staticCluster("bad", "127.0.0.1", 10),
                    .listener("egress", at: listen),
                    .routes(to: "good"),
                ])
                let (good, bad, other, mended) =
                    (resources[0], resources[1], resources[2], resources[3])
                let rest = Array(resources[4...])
                try await ViewServer.with([good] + rest) { server in
                    let sidecar = try await fleet.startSidecar(
                        of: server.address,
                        listen: listen,
                        discovery: discovery
                    )
                    try await server.waitUntilSynced("cds", "lds", "rds")

                    server.publish([good, bad, other] + rest)
                    try await waitUntil("the refusal") {
                        await server.rejections()["bad"] != nil
                    }
                    try await waitUntil("the good one") {
                        try await sidecar.admin.clusterNames() == ["good", "other"]
                    }
                    try await server.waitUntilQuiet()
                    let text = await server.rejections()["bad"] ?? ""
                    let refusals = server.counters["xds_nacks"]
                    // Others change, and the bad one is the same.
                    server.publish([good, bad] + rest)
                    // A full state has to hold the bad one again, or it would be a removal.
                    let expected: UInt64 = discovery == .delta ? 1 : 2
                    try await waitUntil("the change") {
                        let names = try await sidecar.admin.clusterNames()
                        return discovery == .delta
                            ? names == ["good"] : server.counters["xds_nacks"] == expected
                    }
                    try await server.waitUntilQuiet()
                    let refusalsAfterChange = server.counters["xds_nacks"]
                    server.publish([good, mended] + rest)
                    try await waitUntil("the mended one") {
                        try await sidecar.admin.clusterNames() == ["good", "bad"]
                    }
                    try await server.waitUntilSynced("cds", "lds", "rds")

                    #expect(text.contains("malformed IP address: worker.invalid"), "\(text)")
                    #expect(refusals == 1)
                    #expect(refusalsAfterChange == expected)
                }
            }
        }

        @Test func `what Envoy took of a refused response is removed when it is gone`() async throws
        {
            try await Fleet.with { fleet in
                let listen = try Ports.next()
                let resources = try await fleet.encode([
                    .staticCluster("good", "127.0.0.1", 9),
                    .staticCluster("orphan", "127.0.0.1", 9),
                    .staticCluster("bad", "worker.invalid", 9),
                    .listener("egress", at: listen),
                    .routes(to: "good"),
                ])
                let rest = [resources[0]] + resources[3...]
                try await ViewServer.with(rest) { server in
                    let sidecar = try await fleet.startSidecar(of: server.address, listen: listen)
                    try await server.waitUntilSynced("cds", "lds", "rds")
                    server.publish(resources)
                    try await waitUntil("the refusal") { server.counters["xds_nacks"] == 1 }
                    try await waitUntil("the orphan") {
                        try await sidecar.admin.clusterNames() == ["good", "orphan"]
                    }
                    // Gone while nobody is connected: only a server that remembers can say so.
                    try await server.breakConnections(thenServing: rest)
                    try await waitUntil("the removal", within: .seconds(30)) {
                        try await sidecar.admin.clusterNames() == ["good"]
                    }
                    try await server.waitUntilSynced("cds", "lds", "rds")
                }
            }
        }

        @Test(arguments: both)
        func `a cluster stays while the routes that would leave it are refused`(
            discovery: Fleet.Discovery
        ) async throws {
            try await FakeWorkers.with(["a", "b"]) { workers in
                try await Fleet.with { fleet in
                    let listen = try Ports.next()
                    let twice = #"{"name": "N", "domains": ["*"]}"#
                    let resources = try await fleet.encode([
                        .listener("egress", at: listen),
                        .cluster("a"), .endpoints("a", [workers.addresses[0]]), .routes(to: "a"),
                        .cluster("b"), .endpoints("b", [workers.addresses[1]]), .routes(to: "b"),
                        .routes(
                            "routes",
                            hosts: ["one", "two"].map { twice.replacing("N", with: $0) }
                        ),
                    ])
                    try await ViewServer.with(Array(resources[..<4])) { server in
                        let sidecar = try await fleet.startSidecar(
                            of: server.address,
                            listen: listen,
                            discovery: discovery
                        )
                        try await server.waitUntilSynced()
                        var kept: Set<String> = []
                        let tally = try await Load.through(listen) { load in
                            try await load.waitForRequests(20)
                            server.publish(
                                [resources[0], resources[4], resources[5], resources[7]]
                            )
                            try await waitUntil("the refusal") {
                                await server.rejections()["routes"] != nil
                            }
                            try await load.waitForRequests(50)
                            kept = try await sidecar.admin.clusterNames()
                            server.publish([resources[0]] + resources[4...6])
                            try await waitUntil("the removal") {
                                try await sidecar.admin.clusterNames() == ["b"]
                            }
                            try await server.waitUntilSynced()
                            try await load.waitForRequests(20)
                        }

                        #expect(tally.failures == [:])
                        #expect(tally.served.keys.sorted() == ["a", "b"])
                        #expect(kept == ["a", "b"])
                    }
                }
            }
        }

        @Test(arguments: both)
        func `refused listeners and routes leave what works in place`(
            discovery: Fleet.Discovery
        ) async throws {
            try await FakeWorkers.with(["eu"]) { workers in
                try await Fleet.with { fleet in
                    let listen = try Ports.next()
                    let taken = workers.addresses[0]
                    let star = #"{"name": "N", "domains": ["*"]}"#
                    let resources = try await fleet.encode([
                        .cluster("a"), .endpoints("a", workers.addresses),
                        .listener("egress", at: listen), .routes(to: "a"),
                        // Somebody listens there.
                        .listener("egress-2", at: taken),
                        .routes(
                            "routes",
                            hosts: [
                                star.replacing("N", with: "one"), star.replacing("N", with: "two"),
                            ]
                        ),
                    ])
                    let good = Array(resources[..<4])
                    try await ViewServer.with(good) { server in
                        _ = try await fleet.startSidecar(
                            of: server.address,
                            listen: listen,
                            discovery: discovery
                        )
                        try await server.waitUntilSynced()
                        var rejections: [ResourceName: String] = [:]
                        let tally = try await Load.through(listen) { load in
                            server.publish(Array(good[..<3]) + Array(resources[4...]))
                            try await waitUntil("both refusals") {
                                rejections = await server.rejections()
                                return rejections.count >= 2
                            }
                            try await load.waitForRequests(20)
                            server.publish(good)
                            try await server.waitUntilSynced()
                            try await load.waitForRequests(20)
                        }

                        #expect(tally.failures == [:])
                        let routes = rejections["routes"] ?? ""
                        #expect(routes.contains("Only a single wildcard domain"), "\(routes)")
                        let listener = rejections["egress-2"] ?? ""
                        #expect(listener.contains("\(taken)"), "\(listener)")
                    }
                }
            }
        }
    }
}

extension ViewServer {
    /// Waits until no answer is due: what would be sent again without end never comes to this.
    fileprivate func waitUntilQuiet() async throws {
        try await waitUntil("no response to be under way") {
            await !states().values.contains(.sent)
        }
    }
}
