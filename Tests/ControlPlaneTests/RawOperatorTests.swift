import GRPC
import MeridianAPI
import Store
import SwiftProtobuf
import Testing
import XDSCore

@testable import ControlPlane

/// Raw resources as operators change them.
@Suite struct RawOperatorTests {
    private static let unknownType: TypeURL = "example.com/a.B"

    @Test func `what is put is what its nodes get, with its version verbatim`() async throws {
        try await OperatorHarness.with { harness in
            let first = try await harness.put([.cluster("web", version: "blue/7")])
            let second = try await harness.put([.unknown("x")])
            let own = try harness.versions(of: "n1")
            let others = try harness.versions(of: "n2")
            #expect(second > first)
            #expect(own == ["cds/web": "blue/7", "example.com/a.B/x": "v1"])
            #expect(others.isEmpty)
        }
    }

    @Test func `a removed resource is gone, and a translated one comes back`() async throws {
        try await OperatorHarness.with { harness in
            let view = { try harness.state.view(of: MeshStateTests.node("n1")).current }
            let before = try view().journal(of: .routeConfiguration).version
            _ = try await harness.put([.route("egress", to: "reports")])
            let during = try view().journal(of: .routeConfiguration).version
            try await harness.remove(.routeConfiguration, "egress")
            let after = try view().journal(of: .routeConfiguration).version
            #expect(during != before)
            #expect(after == before)
        }
    }

    @Test func `a snapshot replaces all that a selector has`() async throws {
        try await OperatorHarness.with { harness in
            _ = try await harness.put([.unknown("old"), .unknown("kept")])
            _ = try await harness.snapshot([.unknown("kept"), .unknown("new")])
            let versions = try harness.versions(of: "n1")
            _ = try await harness.snapshot([])
            let none = try harness.versions(of: "n1")
            #expect(versions.keys.sorted() == ["example.com/a.B/kept", "example.com/a.B/new"])
            #expect(none.isEmpty)
        }
    }

    @Test func `all of it is there after a restart, and nothing that was removed`() async throws {
        try await OperatorHarness.withPath { path in
            try await OperatorHarness.with(path: path) { harness in
                _ = try await harness.snapshot((0..<150).map { .unknown("s\($0)") }, for: .all)
                _ = try await harness.snapshot((50..<200).map { .unknown("s\($0)") }, for: .all)
                _ = try await harness.put([.unknown("own"), .unknown("gone")])
                try await harness.remove(Self.unknownType, "gone")
            }
            try await OperatorHarness.with(path: path) { harness in
                let expected = (50..<200).map { "example.com/a.B/s\($0)" } + ["example.com/a.B/own"]
                let versions = try harness.versions(of: "n1")
                // The version of what was removed is remembered too.
                let refusal = await refusal { try await harness.put([.unknown("gone", "v1", [2])]) }
                #expect(Set(versions.keys) == Set(expected))
                #expect(refusal?.code == .failedPrecondition)
            }
        }
    }

    @Test func `an unfinished snapshot is not seen, and is cleared away`() async throws {
        try await OperatorHarness.withPath { path in
            let selector = NodeSelector(nodeID: "n1")
            let name = ResourceReference(Self.unknownType, "half")
            let half = RawRecords.key(name, of: selector, 77)
            try await OperatorHarness.with(path: path) { harness in
                _ = try await harness.put([.unknown("whole")])
                _ = try await harness.store.commit(Transaction(success: [.put(half, [])]))
            }
            try await OperatorHarness.with(path: path) { harness in
                let versions = try harness.versions(of: "n1")
                let left = try await harness.store.get(half)
                #expect(versions == ["example.com/a.B/whole": "v1"])
                #expect(left.entries.isEmpty)
            }
        }
    }

    @Test func `a record that can't be read stops the start`() async throws {
        try await OperatorHarness.withPath { path in
            try await OperatorHarness.with(path: path) { harness in
                _ = try await harness.put([.unknown("x")])
                let key = RawRecords.key(NodeSelector(nodeID: "n1"))
                _ = try await harness.store.commit(Transaction(success: [.put(key, [0xFF])]))
            }
            await #expect(throws: (any Error).self) {
                try await OperatorHarness.with(path: path) { _ in }
            }
        }
    }

    // MARK: - Versions

    @Test func `a version with another content is refused by name`() async throws {
        try await OperatorHarness.with { harness in
            _ = try await harness.put([.unknown("x", "v1", [1])])
            _ = try await harness.put([.unknown("x", "v2", [2])])
            let refused = await refusal { try await harness.put([.unknown("x", "v1", [3])]) }
            let again = await refusal { try await harness.put([.unknown("x", "v1", [1])]) }
            #expect(refused?.code == .failedPrecondition)
            #expect(
                refused?.message.hasPrefix("resources[0].version: \"v1\" of example.com/a.B")
                    == true
            )
            #expect(again == nil)
        }
    }

    @Test func `versions of nodes that can't be the same don't matter`() async throws {
        try await OperatorHarness.with { harness in
            _ = try await harness.put([.unknown("x", "v1", [1])], for: .node("n1"))
            let other = await refusal {
                try await harness.put([.unknown("x", "v1", [2])], for: .node("n2"))
            }
            let overlapping = await refusal {
                try await harness.put([.unknown("x", "v1", [2])], for: .all)
            }
            #expect(other == nil)
            #expect(overlapping?.code == .failedPrecondition)
            #expect(overlapping?.message.contains("for node=n1") == true)
        }
    }

    @Test func `a version that looks like ours has to be the content's hash`() async throws {
        try await OperatorHarness.with { harness in
            _ = try await harness.put([.unknown("x", "")])
            let hash = try harness.versions(of: "n1")["example.com/a.B/x"] ?? ""
            let same = await refusal { try await harness.put([.unknown("x", hash)]) }
            let other = await refusal { try await harness.put([.unknown("x", hash, [2])]) }
            #expect(hash.count == 32)
            #expect(same == nil)
            #expect(other?.code == .invalidArgument)
            #expect(other?.message.hasPrefix("resources[0].version: ") == true)
        }
    }

    // MARK: - Refusals

    @Test func `a change of an older revision is refused`() async throws {
        try await OperatorHarness.with { harness in
            let first = try await harness.put([.unknown("x")])
            let second = try await harness.put([.unknown("y")], expected: first)
            let late = await refusal { try await harness.put([.unknown("z")], expected: first) }
            #expect(second > first)
            #expect(late?.code == .failedPrecondition)
            #expect(late?.message.hasPrefix("expected_revision: ") == true)
        }
    }

    @Test func `a removal of what is not there removes nothing`() async throws {
        try await OperatorHarness.with { harness in
            _ = try await harness.put([.unknown("x")])
            let refused = await refusal {
                try await harness.operators.removeRaw(
                    .with {
                        $0.nodes = .node("n1")
                        $0.resources = ["x", "y"].map { name in
                            .with {
                                $0.typeURL = Self.unknownType.rawValue
                                $0.name = name
                            }
                        }
                    }
                )
            }
            #expect(refused?.code == .notFound)
            #expect(refused?.message.hasPrefix("resources[1]: ") == true)
            #expect(try harness.versions(of: "n1").count == 1)
        }
    }

    struct BadField: Sendable, CustomTestStringConvertible {
        let field: String
        let change: @Sendable (inout Meridian_V1_RawResource) -> Void

        var testDescription: String { field }
    }

    static let badFields: [BadField] = [
        BadField(field: "resource: ") { $0.clearEncoded() },
        BadField(field: "resource: ") { $0.resource.typeURL = "a/b" },
        BadField(field: "encoded.type_url: ") { $0.encoded.typeURL = "" },
        BadField(field: "encoded.type_url: ") {
            $0.encoded.typeURL = String(repeating: "a", count: 513)
        },
        BadField(field: "name: ") { $0.name = "" },
        BadField(field: "name: ") { $0.name = "*" },
        BadField(field: "name: ") { $0.name = String(repeating: "a", count: 1_025) },
        BadField(field: "version: ") { $0.version = String(repeating: "v", count: 129) },
        BadField(field: "encoded.value: ") { $0.encoded.value.count = 512 * 1_024 + 1 },
        BadField(field: "encoded.value: ") { $0.encoded.typeURL = TypeURL.cluster.rawValue },
        BadField(field: "ttl: ") { $0.ttl.seconds = 1 },
        BadField(field: "ttl: ") { $0.ttl.seconds = 86_401 },
        BadField(field: "ttl: ") { $0.ttl.seconds = .max },
    ]

    @Test(arguments: badFields)
    func `a bad field is named`(bad: BadField) async throws {
        try await OperatorHarness.with { harness in
            var resource = Meridian_V1_RawResource.unknown("x", "v", [0xFF])
            bad.change(&resource)
            let refused = await refusal { try await harness.put([resource]) }
            #expect(refused?.code == .invalidArgument)
            #expect(
                refused?.message.hasPrefix("resources[0].\(bad.field)") == true,
                "\(refused as Any)"
            )
        }
    }

    @Test func `a name other than the resource's own is refused`() async throws {
        try await OperatorHarness.with { harness in
            var resource = try Meridian_V1_RawResource.cluster("web")
            resource.name = "other"
            let refused = await refusal { try await harness.put([resource]) }
            #expect(refused?.message.contains("the resource calls itself \"web\"") == true)
        }
    }

    @Test func `a selector that says nothing selects nobody`() async throws {
        try await OperatorHarness.with { harness in
            let none = await refusal { try await harness.put([.unknown("x")], for: .init()) }
            let both = await refusal {
                try await harness.put(
                    [.unknown("x")],
                    for: .with {
                        $0.allNodes = true
                        $0.nodeID = "n1"
                    }
                )
            }
            #expect(none?.message.hasPrefix("nodes: ") == true)
            #expect(both?.message.hasPrefix("nodes.all_nodes: ") == true)
        }
    }

    @Test func `bounds are kept and can be reached`() async throws {
        var limits = RawLimits()
        limits.maximumResourcesPerSelector = 2
        limits.maximumResources = 3
        limits.maximumSelectors = 2
        limits.maximumTotalBytes = 10
        try await OperatorHarness.with(limits: limits) { harness in
            _ = try await harness.put([.unknown("a"), .unknown("b")])
            let perSelector = await refusal { try await harness.put([.unknown("c")]) }
            _ = try await harness.put([.unknown("a")], for: .node("n2"))
            let inAll = await refusal { try await harness.put([.unknown("b")], for: .node("n2")) }
            let replaced = await refusal { try await harness.put([.unknown("a", "v2", [9])]) }
            try await harness.remove(Self.unknownType, "b")
            let selectors = await refusal {
                try await harness.put([.unknown("a")], for: .node("n3"))
            }
            let bytes = await refusal {
                try await harness.put([.unknown("a", "v3", Array(repeating: 0, count: 10))])
            }
            #expect(perSelector?.message.hasPrefix("maximumResourcesPerSelector is 2") == true)
            #expect(inAll?.message.hasPrefix("maximumResources is 3") == true)
            #expect(replaced == nil)
            #expect(selectors?.message.hasPrefix("maximumSelectors is 2") == true)
            #expect(bytes?.message.hasPrefix("maximumTotalBytes is 10") == true)
        }
    }

    @Test func `a selector without resources makes room for another`() async throws {
        var limits = RawLimits()
        limits.maximumSelectors = 1
        try await OperatorHarness.with(limits: limits) { harness in
            _ = try await harness.put([.unknown("a")])
            try await harness.remove(Self.unknownType, "a")
            _ = try await harness.put([.unknown("a")], for: .node("n2"))
            let stored = try await harness.store.range(prefix: RawRecords.prefix)
            #expect(stored.entries.count == 2)
            #expect(try harness.versions(of: "n2").count == 1)
        }
    }

    @Test func `versions of removed resources are remembered up to a bound`() async throws {
        var limits = RawLimits()
        limits.maximumRememberedRemovals = 1
        limits.maximumRememberedVersions = 2
        try await OperatorHarness.with(limits: limits) { harness in
            for name in ["a", "b"] {
                _ = try await harness.put([.unknown(name)])
                try await harness.remove(Self.unknownType, name)
            }
            let oldest = await refusal { try await harness.put([.unknown("a", "v1", [2])]) }
            let newest = await refusal { try await harness.put([.unknown("b", "v1", [2])]) }
            for version in ["v2", "v3"] { _ = try await harness.put([.unknown("a", version)]) }
            let forgotten = await refusal { try await harness.put([.unknown("a", "v1", [7])]) }
            #expect(oldest == nil)
            #expect(newest?.code == .failedPrecondition)
            #expect(forgotten == nil)
        }
    }

    @Test func `what is listed is what was put`() async throws {
        try await OperatorHarness.with { harness in
            var resource = Meridian_V1_RawResource.unknown("x", "v1", [7])
            resource.ttl = .with { $0.seconds = 30 }
            let revision = try await harness.put([resource, .unknown("y")])
            let all = try await harness.operators.listRaw(.init())
            let one = try await harness.operators.listRaw(
                .with {
                    $0.nodes = .node("n1")
                    $0.name = "x"
                    $0.excludeContent = true
                }
            )
            #expect(all.sets.map(\.revision) == [revision])
            #expect(all.sets.first?.resources.map(\.name) == ["x", "y"])
            #expect(all.sets.first?.resources.first?.resource.value.map { $0 } == [7])
            #expect(all.sets.first?.resources.first?.ttl.seconds == 30)
            #expect(one.sets.first?.resources.map(\.version) == ["v1"])
            #expect(one.sets.first?.resources.first?.encoded.value.isEmpty == true)
        }
    }
}
