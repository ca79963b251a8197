import EnvoyAPI
import Mesh
import Primitives
import Routing
import Testing
import Translation
import XDSCore

@Suite struct TranslatorTests {
    @Test func `resources come sorted by type and name, each once`() {
        var translator = Translator(mesh: Self.mesh())
        let resources = translator.resources(for: Self.scope())
        let references = resources.map(\.reference)
        #expect(
            references.map(\.description) == [
                "cds/orders", "cds/reports", "eds/orders", "eds/reports", "lds/egress",
                "rds/egress",
            ]
        )
        #expect(references == Set(references).sorted())
    }

    @Test func `a cluster names its endpoints as what must be sent again with it`() {
        var translator = Translator(mesh: Self.mesh())
        let clusters = translator.resources(for: Self.scope()).filter { $0.typeURL == .cluster }
        for cluster in clusters {
            #expect(
                cluster.companions == [
                    ResourceReference(.clusterLoadAssignment, cluster.name)
                ]
            )
        }
    }

    @Test func `a listener names its routes as what must be sent again with it`() {
        var translator = Translator(mesh: Self.mesh())
        let listener = translator.resources(for: Self.scope()).first { $0.typeURL == .listener }
        #expect(listener?.companions == [ResourceReference(.routeConfiguration, "egress")])
    }

    @Test func `each resource says what it was made from and when`() {
        var translator = Translator(mesh: Self.mesh(), revision: 7)
        translator.meshChanged(to: Self.mesh(timeout: .seconds(4)), revision: 8)
        let origins = translator.resources(for: Self.scope()).map { resource in
            "\(resource.reference): \(resource.origin?.objects ?? []) \(resource.origin?.revision ?? 0)"
        }
        #expect(origins.contains("cds/reports: [\"service reports\"] 8"))
        #expect(origins.contains { $0.hasPrefix("rds/egress: ") && $0.contains("service orders") })
        // An object that did not change keeps its revision, and what is made of several has the last one.
        #expect(origins.contains("cds/orders: [\"service orders\"] 7"))
        #expect(origins.contains { $0.hasPrefix("rds/egress: ") && $0.hasSuffix(" 8") })
    }

    @Test func `the routes are made of parts that say when their service changed`() throws {
        var translator = Translator(mesh: Self.mesh(), revision: 7)
        let before = try #require(translator.aggregates.values.first?.parts)
        translator.meshChanged(to: Self.mesh(timeout: .seconds(4)), revision: 8)
        let after = try #require(translator.aggregates.values.first?.parts)
        #expect(after.map(\.object) == ["service orders", "service reports"])
        #expect(after.map(\.revision) == [7, 8])
        #expect(zip(before, after).map { $0 == $1 } == [true, false])
    }

    @Test func `what a service became in which revision outlives a restart`() throws {
        var first = Translator(mesh: Self.mesh(), revision: 7)
        let next = Self.mesh(timeout: .seconds(4))
        let kept = first.revisions(unchangedIn: next)
        first.meshChanged(to: next, revision: 8)
        let second = Translator(mesh: next, revision: 8, serviceRevisions: kept)
        let revisions = [first, second].map { translator in
            translator.aggregates.values.flatMap(\.parts).map(\.revision)
        }
        #expect(kept == ["orders": 7])
        #expect(revisions == [[7, 8], [7, 8]])
    }

    @Test func `a part can stand in for another, or be left out`() throws {
        var translator = Translator(mesh: Self.mesh(), revision: 7)
        let before = try #require(translator.resources(for: Self.scope()).last)
        let reference = before.reference
        let old = try #require(translator.aggregates[reference]?["service reports"])
        translator.meshChanged(to: Self.mesh(timeout: .seconds(4)), revision: 8)
        let without = try #require(
            translator.aggregate(reference, substituting: ["service orders": nil])
        )
        let configuration = try Envoy_Config_Route_V3_RouteConfiguration(
            serializedBytes: without.bytes
        )
        let rebuilt = translator.aggregate(reference, substituting: ["service reports": old])
        #expect(configuration.virtualHosts.flatMap(\.routes).map(\.match.prefix) == ["/r/"])
        #expect(without.origin?.composition?.parts.map(\.object) == ["service reports"])
        // The same content has the same version, however it came about.
        #expect(rebuilt?.version == before.version)
    }

    @Test func `headers make a route more specific, and stand in it as written`() throws {
        let mesh = Mesh(
            name: "test",
            regions: [Region(name: "eu")],
            roundTripTimes: RoundTripTimes([:]),
            services: [
                Service(name: "all", routes: ["/a/"]),
                Service(
                    name: "some",
                    routes: [
                        .init(
                            prefix: "/a/",
                            headers: [
                                .init(name: "x-tenant", pattern: .exact("one")),
                                .init(name: "x-plan", pattern: .prefix("gold")),
                            ]
                        ),
                        .init(
                            prefix: "/a/",
                            headers: [.init(name: "x-tenant", pattern: .regex("t[0-9]+"))]
                        ),
                    ]
                ),
            ]
        )
        var translator = Translator(mesh: mesh)
        let resource = try #require(translator.resources(for: Self.scope()).last)
        let configuration = try Envoy_Config_Route_V3_RouteConfiguration(
            serializedBytes: resource.bytes
        )
        let table = configuration.virtualHosts.flatMap(\.routes)
        #expect(table.map(\.route.cluster) == ["some", "some", "all"])
        #expect(table.map(\.match.headers.count) == [2, 1, 0])
        #expect(table[0].match.headers.map(\.stringMatch.exact) == ["one", ""])
        #expect(table[0].match.headers.map(\.stringMatch.prefix) == ["", "gold"])
        #expect(table[1].match.headers.map(\.stringMatch.safeRegex.regex) == ["t[0-9]+"])
    }

    @Test func `a service without workers has an empty assignment`() throws {
        var translator = Translator(mesh: Self.mesh())
        let encoded = translator.assignment(of: "reports", for: Self.scope())
        let assignment = try Envoy_Config_Endpoint_V3_ClusterLoadAssignment(
            serializedBytes: encoded.bytes
        )
        #expect(assignment.clusterName == "reports")
        #expect(assignment.endpoints.isEmpty)
    }

    @Test func `new endpoints change the assignments of their service alone`() {
        var translator = Translator(mesh: Self.mesh())
        let before = translator.resources(for: Self.scope())
        translator.endpointsChanged(of: "reports", to: [Self.worker()])
        let after = translator.resources(for: Self.scope())
        #expect(Self.changed(before, after) == ["eds/reports"])
        translator.endpointsChanged(of: "reports", to: [])
        #expect(translator.resources(for: Self.scope()) == before)
    }

    @Test func `new shares change the assignments of their consumers alone`() throws {
        var translator = Translator(
            mesh: Self.mesh(),
            endpoints: ["reports": [Self.worker("us"), Self.worker("eu")]]
        )
        let eu = translator.resources(for: Self.scope())
        let us = translator.resources(for: Self.scope(region: "us"))
        var shares = Shares()
        try shares.set(["eu": 50, "us": 50], of: "reports", from: "eu", in: Self.mesh())
        let services = translator.sharesChanged(to: shares)
        #expect(services == ["reports"])
        #expect(Self.changed(eu, translator.resources(for: Self.scope())) == ["eds/reports"])
        #expect(translator.resources(for: Self.scope(region: "us")) == us)
        #expect(translator.sharesChanged(to: shares) == [])
    }

    @Test func `a new mesh changes what it says and nothing else`() {
        var translator = Translator(
            mesh: Self.mesh(),
            endpoints: ["reports": [Self.worker()]]
        )
        let before = translator.resources(for: Self.scope())
        translator.meshChanged(to: Self.mesh(timeout: .seconds(4)))
        #expect(Self.changed(before, translator.resources(for: Self.scope())) == ["rds/egress"])
        translator.meshChanged(to: Self.mesh(attempts: 0))
        let encoded = translator.resources(for: Self.scope()).last
        let configuration = try? Envoy_Config_Route_V3_RouteConfiguration(
            serializedBytes: encoded?.bytes ?? []
        )
        let routes = configuration?.virtualHosts.flatMap(\.routes) ?? []
        let withRetries = routes.filter(\.route.hasRetryPolicy).map(\.match.prefix)
        #expect(withRetries == ["/o/"])
    }

    @Test func `scopes differ in the listener by address and in the endpoints by region`() {
        var translator = Translator(
            mesh: Self.mesh(),
            endpoints: ["reports": [Self.worker("us"), Self.worker("eu")]]
        )
        let eu = translator.resources(for: Self.scope())
        let us = translator.resources(for: Self.scope(region: "us"))
        let other = translator.resources(for: Self.scope(port: 15002))
        #expect(Self.changed(eu, us) == ["eds/reports"])
        #expect(Self.changed(eu, other) == ["lds/egress"])
    }

    @Test func `a gRPC client gets what it asks for by the service's name`() {
        var translator = Translator(mesh: Self.mesh(), revision: 7)
        let resources = translator.resources(for: Self.grpc)
        let references = resources.map(\.reference)
        #expect(
            references.map(\.description) == [
                "cds/orders", "cds/reports", "eds/orders", "eds/reports",
                "lds/orders", "lds/reports", "rds/orders", "rds/reports",
            ]
        )
        #expect(references == Set(references).sorted())
        #expect(resources.allSatisfy { $0.origin?.revision == 7 })
        translator.meshChanged(to: Self.mesh(timeout: .seconds(4)), revision: 8)
        let changed = Self.changed(resources, translator.resources(for: Self.grpc))
        #expect(changed == ["rds/reports"])
    }

    @Test func `only gRPC's clients have weights for what Envoy spills`() {
        let degraded = [
            Self.worker(), Self.worker(host: "127.0.0.2", health: .notServing), Self.worker("us"),
        ]
        var translator = Translator(mesh: Self.mesh(), endpoints: ["reports": degraded])
        let envoy = translator.routePlan(of: "reports", for: Self.scope())
        let grpc = translator.routePlan(of: "reports", for: Self.grpc)
        #expect(envoy.priorities.map { $0.flatMap(\.endpoints).count } == [2, 1])
        #expect(grpc.priorities.map { $0.flatMap(\.endpoints).count } == [2])
        let assignments = [Self.scope(), Self.grpc].map {
            translator.assignment(of: "reports", for: $0)
        }
        #expect(assignments[0] != assignments[1])
        // Both are kept beside each other.
        #expect(assignments[0] == translator.assignment(of: "reports", for: Self.scope()))
    }

    @Test func `a fresh translator gives the same bytes`() {
        let endpoints: [ServiceName: [Endpoint]] = [
            "reports": [Self.worker("us"), Self.worker("eu")]
        ]
        var first = Translator(mesh: Self.mesh(), endpoints: endpoints)
        var second = Translator(mesh: Self.mesh(timeout: .seconds(9)))
        second.endpointsChanged(of: "reports", to: endpoints["reports"]?.reversed() ?? [])
        second.meshChanged(to: Self.mesh())
        #expect(
            first.resources(for: Self.scope()).map(\.bytes)
                == second.resources(for: Self.scope()).map(\.bytes)
        )
    }

    @Test func `the longest prefix is matched first`() throws {
        let mesh = Mesh(
            name: "test",
            regions: [Region(name: "eu")],
            roundTripTimes: RoundTripTimes([:]),
            services: [
                Service(name: "rest", routes: ["/", "/a/"]),
                Service(name: "one", routes: ["/a/M", "/b/"], timeout: .seconds(60)),
            ]
        )
        var translator = Translator(mesh: mesh)
        let routes = try #require(translator.resources(for: Self.scope()).last)
        let configuration = try Envoy_Config_Route_V3_RouteConfiguration(
            serializedBytes: routes.bytes
        )
        let table = configuration.virtualHosts.flatMap(\.routes)
        #expect(table.map(\.match.prefix) == ["/a/M", "/a/", "/b/", "/"])
        #expect(table.map(\.route.cluster) == ["one", "rest", "one", "rest"])
        // Longer calls than the listener's idle timeout may be silent for longer, too.
        #expect(table.map(\.route.hasIdleTimeout) == [true, false, true, false])
    }

    // MARK: -

    private static func changed(_ old: [EncodedResource], _ new: [EncodedResource]) -> [String] {
        Set(old).symmetricDifference(new).map(\.reference.description).sorted()
            .reduce(into: []) { if $0.last != $1 { $0.append($1) } }
    }

    private static func scope(region: RegionName = "eu", port: UInt16 = 15001) -> Scope {
        Scope(region: region, listen: EndpointAddress(host: "127.0.0.1", port: port))
    }

    private static let grpc = Scope(region: "eu", role: .proxyless)

    private static func mesh(timeout: Duration = .seconds(3), attempts: Int = 3) -> Mesh {
        Mesh(
            name: "test",
            regions: [Region(name: "eu", zones: ["eu-a"]), Region(name: "us")],
            roundTripTimes: RoundTripTimes([:], fallback: .milliseconds(85)),
            services: [
                Service(
                    name: "reports",
                    routes: ["/r/"],
                    timeout: timeout,
                    retries: Service.Retries(attempts: attempts)
                ),
                Service(name: "orders", routes: ["/o/"]),
            ]
        )
    }

    private static func worker(
        _ region: RegionName = "eu",
        host: String = "127.0.0.1",
        health: Endpoint.Health = .serving
    ) -> Endpoint {
        Endpoint(
            workerID: WorkerID("w-\(region)"),
            address: EndpointAddress(host: host, port: region == "eu" ? 9001 : 9002),
            locality: Locality(region: region, zone: "a"),
            capacity: 8,
            health: health
        )
    }
}
