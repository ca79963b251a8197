import Testing
import XDSCore
import XDSServer

/// What the server keeps of a client that refused something, from one stream to the next.
@Suite struct RefusalTests {
    @Test func `what a node refused is not sent again on its next stream`() async throws {
        try await DiscoveryPair.with([resource(.runtime, "a"), resource(.runtime, "b")]) { pair in
            let first = try await pair.openDelta()
            try await first.subscribe(.runtime, "a", "b")
            let response = try await first.next()
            try await first.send {
                $0.typeURL = response.typeURL
                $0.responseNonce = response.nonce
                $0.errorDetail.message = "b is bad"
            }
            // The other one again, alone.
            try await first.ack(first.next())
            _ = await pair.service.waitUntilConfirmed(cap: .milliseconds(1))
            let second = try await pair.openDelta()
            try await second.send {
                $0.node = .test
                $0.typeURL = TypeURL.runtime.rawValue
                $0.resourceNamesSubscribe = ["a", "b"]
                $0.initialResourceVersions = ["a": "1"]
            }
            pair.publish([resource(.runtime, "a", "2"), resource(.runtime, "b")])
            let next = try await second.next()
            #expect(next.resources.map(\.name) == ["a"])
            #expect(next.resources.map(\.version) == ["2"])
        }
    }

    @Test func `more nodes than are remembered cost the oldest its memory`() async throws {
        let configuration = DiscoveryConfiguration(maximumRememberedNodes: 1)
        try await DiscoveryPair.with(
            [resource(.runtime, "a")],
            configuration: configuration
        ) { pair in
            for id in ["one", "two"] {
                let stream = try await pair.openDelta()
                try await stream.subscribe(.runtime, "a", node: .with { $0.id = id })
                let response = try await stream.next()
                try await stream.send {
                    $0.typeURL = response.typeURL
                    $0.responseNonce = response.nonce
                    $0.errorDetail.message = "a is bad"
                }
                // Answered, so the refusal has been taken in.
                try await stream.subscribe(.runtime, "x")
                _ = try await stream.next()
            }
            var sent: [String: [String]] = [:]
            for id in ["one", "two"] {
                let stream = try await pair.openDelta()
                try await stream.send {
                    $0.node = .with { $0.id = id }
                    $0.typeURL = TypeURL.runtime.rawValue
                    $0.resourceNamesSubscribe = ["a", "y"]
                    $0.initialResourceVersions = ["a": "0"]
                }
                sent[id] = try await stream.next().resources.map(\.name)
            }
            #expect(sent == ["one": ["a"], "two": []])
        }
    }

    @Test func `the watchdog counts what is left unanswered and what nobody asked for`()
        async throws
    {
        let configuration = DiscoveryConfiguration(watchdogInterval: .milliseconds(5))
        let resources = [resource(.cluster, "a"), resource(.clusterLoadAssignment, "a")]
        try await DiscoveryPair.with(resources, configuration: configuration) { pair in
            let running = Task { try await pair.service.run() }
            defer { running.cancel() }
            let stream = try await pair.openDelta()
            try await stream.subscribe(.cluster)
            while pair.service.counters["xds_watchdog_unacknowledged"] == 0 { await Task.yield() }
            #expect(pair.service.counters["xds_watchdog_never_asked"] == 1)
        }
    }
}
