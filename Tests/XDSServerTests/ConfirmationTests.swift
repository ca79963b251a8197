import Testing
import XDSCore
import XDSServer

/// Waiting until what was published is in force, without polling.
@Suite struct ConfirmationTests {
    @Test func `nobody to wait for is confirmed at once`() async throws {
        try await DiscoveryPair.with([]) { pair in
            let result = await pair.service.waitUntilConfirmed(cap: .seconds(60))
            #expect(result == (0, 0))
        }
    }

    @Test func `the wait ends with the ack`() async throws {
        try await DiscoveryPair.with([resource(.cluster, "a")]) { pair in
            let stream = try await pair.openDelta()
            try await stream.subscribe(.cluster)
            let response = try await stream.next()
            async let result = pair.service.waitUntilConfirmed(cap: .seconds(60))
            try await stream.ack(response)
            #expect(await result == (1, 1))
        }
    }

    @Test func `the wait ends when the client has gone`() async throws {
        try await DiscoveryPair.with([resource(.cluster, "a")]) { pair in
            let stream = try await pair.openDelta()
            try await stream.subscribe(.cluster)
            _ = try await stream.next()
            async let result = pair.service.waitUntilConfirmed(cap: .seconds(60))
            stream.call.cancel()
            let (confirmed, subscribed) = await result
            #expect(confirmed == subscribed)
        }
    }

    @Test func `a client that answers nothing is waited for until the cap`() async throws {
        try await DiscoveryPair.with([resource(.cluster, "a")]) { pair in
            let good = try await pair.openDelta()
            try await good.subscribe(.cluster)
            try await good.ack(good.next())
            let silent = try await pair.openDelta()
            try await silent.subscribe(.cluster)
            _ = try await silent.next()
            let result = await pair.service.waitUntilConfirmed(cap: .milliseconds(50))
            #expect(result == (1, 2))
        }
    }

    @Test func `of more waits than the bound one runs to its deadline`() async throws {
        let configuration = DiscoveryConfiguration(maximumPendingConfirmationsPerStream: 2)
        try await DiscoveryPair.with([resource(.cluster, "a")], configuration: configuration) {
            pair in
            let stream = try await pair.openDelta()
            try await stream.subscribe(.cluster)
            let response = try await stream.next()
            let results = await withTaskGroup { group in
                for _ in 1...3 {
                    group.addTask {
                        // Long enough for all three to be there before one of them is over.
                        await pair.service.waitUntilConfirmed(cap: .seconds(15)).confirmed
                    }
                }
                // The third one pushes the first one out.
                let isDropped = try? await pair.reaches("xds_confirmations_dropped", 1)
                #expect(isDropped == true)
                try? await stream.ack(response)
                return await group.reduce(into: []) { $0.append($1) }
            }
            #expect(results == [1, 1, 0])
            #expect(pair.counter("xds_confirmations_dropped") == 1)
        }
    }
}
