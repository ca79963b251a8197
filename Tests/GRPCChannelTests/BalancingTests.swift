import ChannelPolicy
import GRPC
import GRPCChannel
import NIOPosix
import Testing

@Suite(.timeLimit(.minutes(10)))
struct BalancingTests {
    private static let roundRobin = #"{"loadBalancingConfig": [{"round_robin": {}}]}"#

    private func withServers(
        _ names: [String],
        _ body: ([TestServer]) async throws -> Void
    ) async throws {
        var servers: [TestServer] = []
        for name in names { servers.append(try await TestServer.start(name)) }
        try await body(servers)
        for server in servers { await server.stop() }
    }

    // Which server is the first to connect is a matter of time: on a machine that stands still for a
    // quarter of a second the second address is tried beside the first (gRFC A61).

    @Test func `pick first stays with one server`() async throws {
        try await withServers(["a", "b"]) { servers in
            try await withChannel(to: servers.map(\.address)) { channel in
                let answers = try await channel.asks(6)
                #expect(Set(answers).count == 1)
                #expect(channel.counter("grpc_channel_picks") == 6)
                #expect(channel.counter("grpc_client_calls_ok") == 6)
            }
        }
    }

    @Test func `pick first goes to the next server when its own is gone`() async throws {
        try await withServers(["a", "b"]) { servers in
            try await withChannel(to: servers.map(\.address)) { channel in
                let before = try await channel.ask()
                let isFirst = before == "a"
                await servers[isFirst ? 0 : 1].stop()
                let after = try await channel.asks(3)
                #expect(Set(after) == [isFirst ? "b" : "a"])
            }
        }
    }

    @Test func `round robin gives every server its share`() async throws {
        try await withServers(["a", "b", "c"]) { servers in
            try await withChannel(to: servers.map(\.address), Self.roundRobin) { channel in
                channel.connect()
                try await eventually { channel.counter("grpc_subchannel_ready") == 3 }
                // The last one counts before it is in the picker.
                var turn: Set<String> = []
                try await eventually {
                    turn = Set(try await channel.asks(3))
                    return turn.count == 3
                }
                let answers = try await channel.asks(9)
                for name in ["a", "b", "c"] {
                    #expect(answers.filter { $0 == name }.count == 3)
                }
            }
        }
    }

    @Test func `round robin leaves out a server that refuses connections`() async throws {
        try await withServers(["a", "b"]) { servers in
            await servers[1].stop()
            try await withChannel(to: servers.map(\.address), Self.roundRobin) { channel in
                let answers = try await channel.asks(5)
                #expect(answers == ["a", "a", "a", "a", "a"])
            }
        }
    }

    @Test func `least request avoids the server that is busy`() async throws {
        let config =
            #"{"loadBalancingConfig": [{"least_request_experimental": {"choiceCount": 10}}]}"#
        let release = Gate()
        let slow = try await TestServer.start("slow") { _, request, _ in
            if request == "wait" { await release.wait() }
            return "slow"
        }
        let fast = try await TestServer.start("fast")
        try await withChannel(to: [slow.address, fast.address], config) { channel in
            channel.connect()
            try await eventually { channel.counter("grpc_subchannel_ready") == 2 }
            // Waits until some of the calls are held by the slow server.
            try await withThrowingTaskGroup(of: Void.self) { group in
                while slow.calls == 0 {
                    group.addTask { _ = try await channel.ask("wait") }
                    try await Task.sleep(for: .milliseconds(10))
                }
                // Ten choices out of two see both but once in 512 times.
                let answers = try await channel.asks(20)
                let onFast = answers.filter { $0 == "fast" }.count
                #expect(onFast >= 17)
                release.open()
                try await group.waitForAll()
            }
        }
        await slow.stop()
        await fast.stop()
    }

    @Test func `weighted round robin follows what the servers report`() async throws {
        let config = #"""
            {"loadBalancingConfig": [{"weighted_round_robin": {
              "blackoutPeriod": "0s", "weightUpdatePeriod": "0.1s"}}]}
            """#
        func server(_ name: String, _ utilization: Double) async throws -> TestServer {
            try await TestServer.start(name) { _, _, call in
                var load = ServerLoad()
                load.cpuUtilization = utilization
                load.requestsPerSecond = 100
                let report = load
                try await call.onLoop { try call.report(report) }
                return name
            }
        }
        let busy = try await server("busy", 0.9)
        let free = try await server("free", 0.1)
        try await withChannel(to: [busy.address, free.address], config) { channel in
            channel.connect()
            try await eventually { channel.counter("grpc_subchannel_ready") == 2 }
            // Nine to one by the reports, one to one without them.
            try await eventually {
                let answers = try await channel.asks(40)
                return answers.filter { $0 == "free" }.count >= 32
            }
            let answers = try await channel.asks(100)
            #expect(answers.contains("busy"))
        }
        await busy.stop()
        await free.stop()
    }

    @Test func `new addresses replace the old ones and the old calls end`() async throws {
        let release = Gate()
        let old = try await TestServer.start("old") { _, _, _ in
            await release.wait()
            return "old"
        }
        let new = try await TestServer.start("new")
        let resolver = ScriptedResolver([old.address])
        try await withChannel(to: [], resolver: resolver) { channel in
            async let held = channel.ask()
            try await eventually { old.calls == 1 }
            resolver.say([new.address])
            try await eventually { try await channel.askQuickly() == "new" }
            release.open()
            #expect(try await held == "old")
            // The connection of the address that is gone closes after its last call.
            try await eventually { old.openConnections == 0 }
        }
        try await eventually { resolver.isStopped }
        await old.stop()
        await new.stop()
    }

    @Test func `addresses past the limit are not used`() async throws {
        try await withServers(["a", "b", "c"]) { servers in
            try await withChannel(
                to: servers.map(\.address),
                Self.roundRobin,
                { $0.maximumSubchannels = 2 }
            ) { channel in
                channel.connect()
                try await eventually { channel.counter("grpc_subchannel_ready") == 2 }
                let answers = try await channel.asks(10)
                #expect(!answers.contains("c"))
                #expect(channel.counter("grpc_subchannel_connecting") == 2)
            }
        }
    }

    @Test func `a service config from the resolver changes the policy`() async throws {
        try await withServers(["a", "b"]) { servers in
            let addresses = servers.map(\.address)
            let resolver = ScriptedResolver(addresses)
            try await withChannel(to: [], resolver: resolver) { channel in
                let before = try await channel.asks(4)
                let config = try ServiceConfig.parse(Self.roundRobin)
                resolver.say(addresses, serviceConfig: config)
                try await eventually { Set(try await channel.asks(4)) == ["a", "b"] }
                #expect(Set(before).count == 1)
                #expect(channel.serviceConfig.loadBalancing == .roundRobin)
            }
        }
    }
}
