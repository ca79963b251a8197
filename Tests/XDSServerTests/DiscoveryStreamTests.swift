import EnvoyAPI
import GRPC
import Testing
import XDSCore
import XDSServer

/// The discovery services on the wire.
@Suite struct DiscoveryStreamTests {
    struct OneType: Sendable, CustomTestStringConvertible {
        let service: String
        let method: String
        let type: TypeURL

        var testDescription: String { "\(service)/\(method)" }
    }

    static let types: [OneType] = [
        OneType(
            service: "listener.v3.ListenerDiscoveryService",
            method: "Listeners",
            type: .listener
        ),
        OneType(
            service: "route.v3.RouteDiscoveryService",
            method: "Routes",
            type: .routeConfiguration
        ),
        OneType(
            service: "route.v3.ScopedRoutesDiscoveryService",
            method: "ScopedRoutes",
            type: .scopedRouteConfiguration
        ),
        OneType(service: "cluster.v3.ClusterDiscoveryService", method: "Clusters", type: .cluster),
        OneType(
            service: "endpoint.v3.EndpointDiscoveryService",
            method: "Endpoints",
            type: .clusterLoadAssignment
        ),
        OneType(service: "secret.v3.SecretDiscoveryService", method: "Secrets", type: .secret),
        OneType(service: "runtime.v3.RuntimeDiscoveryService", method: "Runtime", type: .runtime),
        OneType(
            service: "extension.v3.ExtensionConfigDiscoveryService",
            method: "ExtensionConfigs",
            type: .extensionConfiguration
        ),
    ]

    @Test(arguments: types)
    func `each type has a stream of its own in both forms`(one: OneType) async throws {
        try await DiscoveryPair.with([resource(one.type, "a"), resource(.secret, "other")]) {
            pair in
            let delta = try await pair.openDelta(
                "envoy.service.\(one.service)",
                "Delta\(one.method)"
            )
            try await delta.subscribe("", "a")
            let fromDelta = try await delta.next()
            let sotw = try await pair.openSotw(
                "envoy.service.\(one.service)",
                "Stream\(one.method)"
            )
            try await sotw.send {
                $0.node = .test
                $0.resourceNames = ["a"]
            }
            let fromSotw = try await sotw.next()

            #expect(fromDelta.typeURL == one.type.rawValue)
            #expect(fromDelta.resources.map(\.name) == ["a"])
            #expect(fromDelta.resources.map(\.version) == ["1"])
            #expect(fromDelta.resources.map(\.resource.typeURL) == [one.type.rawValue])
            #expect(fromSotw.typeURL == one.type.rawValue)
            #expect(fromSotw.resources.map { Array($0.value) } == [Array("a@1".utf8)])
        }
    }

    @Test func `a virtual host that does not exist is answered by its alias`() async throws {
        try await DiscoveryPair.with([resource(.virtualHost, "r/a")]) { pair in
            let stream = try await pair.openDelta(
                "envoy.service.route.v3.VirtualHostDiscoveryService",
                "DeltaVirtualHosts"
            )
            try await stream.subscribe(.virtualHost, "r/a", "r/x")
            let response = try await stream.next()
            #expect(response.resources.map(\.name) == ["r/a", "r/x"])
            #expect(response.resources.map(\.aliases) == [[], ["r/x"]])
            #expect(response.resources.map(\.hasResource) == [true, false])
            #expect(response.removedResources == [])
        }
    }

    @Test func `a type that nobody knows is served as any other`() async throws {
        let type: TypeURL = "type.googleapis.com/example.Thing"
        try await DiscoveryPair.with([resource(type, "a", "v1")]) { pair in
            let stream = try await pair.openDelta()
            try await stream.subscribe(type, "a")
            let response = try await stream.next()
            #expect(response.typeURL == type.rawValue)
            #expect(response.resources.map(\.version) == ["v1"])
        }
    }

    @Test func `a name that does not exist comes with its reason`() async throws {
        try await DiscoveryPair.with([]) { pair in
            let delta = try await pair.openDelta()
            try await delta.subscribe(.secret, "x")
            let fromDelta = try await delta.next()
            let sotw = try await pair.openSotw()
            try await sotw.send {
                $0.node = .test
                $0.typeURL = TypeURL.secret.rawValue
                $0.resourceNames = ["x"]
            }
            let fromSotw = try await sotw.next()
            #expect(fromDelta.removedResources == ["x"])
            for errors in [fromDelta.resourceErrors, fromSotw.resourceErrors] {
                #expect(errors.map(\.resourceName.name) == ["x"])
                #expect(errors.map(\.errorDetail.code) == [5])
            }
        }
    }

    // MARK: Several streams of one node

    @Test func `endpoints go again on their stream when their cluster goes on another`()
        async throws
    {
        let endpoints = resource(.clusterLoadAssignment, "a")
        try await DiscoveryPair.with([resource(.cluster, "a"), endpoints]) { pair in
            let clusters = try await pair.openDelta(
                "envoy.service.cluster.v3.ClusterDiscoveryService",
                "DeltaClusters"
            )
            try await clusters.subscribe("")
            try await clusters.ack(clusters.next())
            let aggregated = try await pair.openDelta()
            try await aggregated.subscribe(.clusterLoadAssignment, "a")
            try await aggregated.ack(aggregated.next())
            pair.publish([resource(.cluster, "a", "2"), endpoints])
            let cluster = try await clusters.next()
            let again = try await aggregated.next()
            #expect(cluster.resources.map(\.version) == ["2"])
            #expect(again.typeURL == TypeURL.clusterLoadAssignment.rawValue)
            #expect(again.resources.map(\.version) == ["1"])
        }
    }

    @Test func `streams of one node are bounded`() async throws {
        let configuration = DiscoveryConfiguration(maximumStreamsPerNode: 2)
        try await DiscoveryPair.with([], configuration: configuration) { pair in
            var streams = [try await pair.openDelta(), try await pair.openDelta()]
            for stream in streams {
                try await stream.subscribe(.cluster)
                _ = try await stream.next()
            }
            let third = try await pair.openDelta()
            try await third.subscribe(.cluster)
            let error = await third.failure()
            #expect(error?.code == .resourceExhausted)
            streams.removeLast().call.cancel()
            // Its place is free as soon as the server knows.
            var next = try await pair.openDelta()
            try await next.subscribe(.cluster)
            while (try? await next.next()) == nil {
                next = try await pair.openDelta()
                try await next.subscribe(.cluster)
            }
            _ = streams
        }
    }

    // MARK: Time to live

    @Test func `a time to live is renewed without content`() async throws {
        let configuration = DiscoveryConfiguration(heartbeatTick: .milliseconds(5))
        let mortal = resource(.runtime, "a", timeToLive: .milliseconds(30))
        try await DiscoveryPair.with([mortal], configuration: configuration) { pair in
            let running = Task { try await pair.service.run() }
            defer { running.cancel() }
            let stream = try await pair.openDelta()
            try await stream.subscribe(.runtime, "a")
            let first = try await stream.next()
            try await stream.ack(first)
            let heartbeat = try await stream.next()
            #expect(first.resources.map(\.hasResource) == [true])
            #expect(heartbeat.resources.map(\.hasResource) == [false])
            #expect(heartbeat.resources.map(\.version) == first.resources.map(\.version))
            for response in [first, heartbeat] {
                #expect(response.resources.map(\.ttl.nanos) == [30_000_000])
            }
            #expect((pair.service.counters["xds_heartbeats_sent"] ?? 0) >= 1)
        }
    }

    @Test(arguments: [true, false])
    func `a time to live goes in a wrapper to who understands it`(understands: Bool) async throws {
        let mortal = resource(.runtime, "a", timeToLive: .seconds(30))
        try await DiscoveryPair.with([mortal]) { pair in
            let stream = try await pair.openSotw()
            try await stream.send {
                $0.node = .test
                if understands { $0.node.clientFeatures = ["xds.config.resource-in-sotw"] }
                $0.typeURL = TypeURL.runtime.rawValue
                $0.resourceNames = ["a"]
            }
            let content = try #require(try await stream.next().resources.first)
            #expect(content.isA(Envoy_Service_Discovery_V3_Resource.self) == understands)
            if understands {
                let wrapper = try Envoy_Service_Discovery_V3_Resource(unpackingAny: content)
                #expect(wrapper.name == "a")
                #expect(wrapper.ttl.seconds == 30)
                #expect(wrapper.resource.typeURL == TypeURL.runtime.rawValue)
            }
        }
    }

    // MARK: Bad input

    @Test func `a stream of one type refuses another`() async throws {
        try await DiscoveryPair.with([]) { pair in
            let stream = try await pair.openDelta(
                "envoy.service.secret.v3.SecretDiscoveryService",
                "DeltaSecrets"
            )
            try await stream.subscribe(.cluster)
            let error = await stream.failure()
            #expect(error?.code == .invalidArgument)
            #expect(pair.service.counters["xds_violations"] == 1)
        }
    }

    @Test func `a first request without a node id is refused`() async throws {
        try await DiscoveryPair.with([]) { pair in
            let stream = try await pair.openDelta()
            try await stream.subscribe(.cluster, node: nil)
            let error = await stream.failure()
            #expect(error?.code == .invalidArgument)
            #expect(error?.message.contains("node.id") == true)
        }
    }

    @Test func `bytes that are no protobuf end their stream alone`() async throws {
        try await DiscoveryPair.with([resource(.cluster, "a")]) { pair in
            let good = try await pair.openDelta()
            try await good.subscribe(.cluster)
            try await good.ack(good.next())
            let bad = try await pair.openDelta()
            try await bad.call.write(GRPCFrame(bytes: [0xFF, 0xFF, 0xFF]))
            let error = await bad.failure()
            pair.publish([resource(.cluster, "a", "2")])
            let response = try await good.next()
            #expect(error?.code == .invalidArgument)
            #expect(response.resources.map(\.version) == ["2"])
        }
    }

    @Test func `too many names end their stream alone`() async throws {
        let configuration = DiscoveryConfiguration(
            streamLimits: StreamLimits(maximumSubscriptionsPerStream: 3)
        )
        try await DiscoveryPair.with([], configuration: configuration) { pair in
            let good = try await pair.openDelta()
            try await good.subscribe(.secret, "a", "b", "c")
            _ = try await good.next()
            let bad = try await pair.openDelta()
            try await bad.subscribe(.secret, "a", "b", "c", "d")
            let error = await bad.failure()
            #expect(error?.code == .resourceExhausted)
            try await good.subscribe(.secret, "a")
            let again = try await good.next()
            #expect(again.removedResources == ["a"])
        }
    }

    @Test func `an ack of what was never sent changes nothing`() async throws {
        try await DiscoveryPair.with([resource(.cluster, "a")]) { pair in
            let stream = try await pair.openDelta()
            try await stream.subscribe(.cluster)
            let response = try await stream.next()
            try await stream.send {
                $0.typeURL = TypeURL.cluster.rawValue
                $0.responseNonce = "7.7.7"
            }
            pair.publish([resource(.cluster, "a", "2")])
            try await stream.ack(response)
            let next = try await stream.next()
            #expect(next.resources.map(\.version) == ["2"])
            #expect(pair.service.counters["xds_acks"] == 1)
        }
    }
}
