import EnvoyAPI
import GRPC
import SwiftProtobuf
import Testing

@testable import XDSServer

private typealias NodeMatcher = Envoy_Type_Matcher_V3_NodeMatcher
private typealias ValueMatcher = Envoy_Type_Matcher_V3_ValueMatcher
private typealias StringMatcher = Envoy_Type_Matcher_V3_StringMatcher

/// Which nodes a CSDS request is about.
@Suite struct NodeMatchingTests {
    private static func node() throws -> Node {
        let metadata = try Google_Protobuf_Struct(
            jsonString: """
                {"meridian": {"role": "sidecar", "weight": 3.5, "canary": true, "labels": ["a", "b"],
                "nothing": null, "inner": {}}}
                """
        )
        return .with {
            $0.id = "Client-EU-1"
            $0.metadata = metadata
        }
    }

    @Test(arguments: [
        (StringMatcher.with { $0.exact = "Client-EU-1" }, true),
        (.with { $0.exact = "client-eu-1" }, false),
        (.with { $0.prefix = "Client-" }, true),
        (.with { $0.suffix = "EU-1" }, true),
        (.with { $0.contains = "-EU-" }, true),
        (.with { $0.contains = "-eu-" }, false),
        (
            .with {
                $0.contains = "-eu-"
                $0.ignoreCase = true
            }, true
        ),
    ])
    fileprivate func `ids are compared as the matcher says`(
        matcher: StringMatcher,
        expected: Bool
    ) throws {
        let result = try [NodeMatcher.with { $0.nodeID = matcher }].match(Self.node())
        #expect(result == expected)
    }

    @Test(arguments: [
        ("role", ValueMatcher.with { $0.stringMatch.exact = "sidecar" }, true),
        ("role", .with { $0.stringMatch.prefix = "gate" }, false),
        ("role", .with { $0.doubleMatch.exact = 3.5 }, false),
        ("weight", .with { $0.doubleMatch.exact = 3.5 }, true),
        ("weight", range(3.5, 4), true),
        ("weight", range(3, 3.5), false),
        ("canary", .with { $0.boolMatch = true }, true),
        ("canary", .with { $0.boolMatch = false }, false),
        ("nothing", .with { $0.nullMatch = .init() }, true),
        ("nothing", .with { $0.presentMatch = true }, false),
        ("role", .with { $0.presentMatch = true }, true),
        ("inner", .with { $0.presentMatch = true }, false),
        ("absent", .with { $0.presentMatch = true }, false),
        ("absent", .with { $0.nullMatch = .init() }, false),
        ("labels", .with { $0.listMatch.oneOf.stringMatch.exact = "b" }, true),
        ("labels", .with { $0.listMatch.oneOf.stringMatch.exact = "c" }, false),
        (
            "role",
            .with {
                $0.orMatch.valueMatchers = [
                    .with { $0.boolMatch = true }, .with { $0.stringMatch.suffix = "car" },
                ]
            }, true
        ),
    ])
    fileprivate func `metadata is compared at its path`(
        key: String,
        value: ValueMatcher,
        expected: Bool
    ) throws {
        let result = try [metadata("meridian", key, value)].match(Self.node())
        #expect(result == expected)
    }

    @Test func `a path that goes through a text leads nowhere`() throws {
        let matcher = NodeMatcher.with {
            $0.nodeMetadatas = [
                .with {
                    $0.path = ["meridian", "role", "x"].map { key in .with { $0.key = key } }
                    $0.value.presentMatch = true
                }
            ]
        }
        let result = try [matcher].match(Self.node())
        #expect(!result)
    }

    @Test func `one of several matchers is enough, all parts of one are needed`() throws {
        let here = metadata("meridian", "role", .with { $0.presentMatch = true })
        let elsewhere = metadata("meridian", "absent", .with { $0.presentMatch = true })
        let wrongID = NodeMatcher.with {
            $0.nodeID.exact = "other"
            $0.nodeMetadatas = here.nodeMetadatas
        }
        let both = NodeMatcher.with {
            $0.nodeMetadatas = here.nodeMetadatas + elsewhere.nodeMetadatas
        }
        let node = try Self.node()
        let results = [[], [elsewhere, here], [elsewhere], [wrongID], [both]]
            .map { $0.match(node) }
        #expect(results == [true, true, false, false, false])
    }

    @Test func `what can't be decided is refused by name`() {
        let regex = StringMatcher.with { $0.safeRegex.regex = ".*" }
        let matchers = [
            NodeMatcher.with { $0.nodeID = regex }, .with { $0.nodeID = StringMatcher() },
            metadata("meridian", "role", .with { $0.stringMatch = regex }),
            metadata("meridian", "role", .with { $0.listMatch.oneOf.stringMatch = regex }),
            metadata("meridian", "role", .with { $0.orMatch.valueMatchers = [ValueMatcher()] }),
        ]
        for matcher in matchers {
            let error = #expect(throws: GRPCError.self) { try [matcher].check() }
            #expect(error?.code == .invalidArgument)
            #expect(error?.message.hasPrefix("node_matchers.node_") == true)
        }
    }

    private static func range(_ start: Double, _ end: Double) -> ValueMatcher {
        .with {
            $0.doubleMatch.range = .with {
                $0.start = start
                $0.end = end
            }
        }
    }

    private func metadata(_ first: String, _ second: String, _ value: ValueMatcher) -> NodeMatcher {
        .with {
            $0.nodeMetadatas = [
                .with {
                    $0.path = [first, second].map { key in .with { $0.key = key } }
                    $0.value = value
                }
            ]
        }
    }
}
