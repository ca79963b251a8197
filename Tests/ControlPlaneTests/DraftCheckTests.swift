import GRPC
import MeridianAPI
import Testing
import XDSCore

@testable import ControlPlane

/// Changes that would make resources that don't hold together.
@Suite struct DraftCheckTests {
    private static let missing =
        "the resources would not hold together: RouteConfiguration \"r\": "
        + "virtual_hosts[all].routes[0].route.cluster refers to the Cluster \"web\", which is not there"

    @Test func `a route to no cluster is refused and nothing changes`() async throws {
        try await OperatorHarness.with { harness in
            let before = try harness.state.view(of: MeshStateTests.node("n1"))
            let refused = await refusal { try await harness.put([.route("r", to: "web")]) }
            let list = try await harness.operators.listRaw(.init())
            #expect(refused == GRPCError(.failedPrecondition, Self.missing))
            #expect(list.sets.isEmpty)
            #expect(try harness.state.view(of: MeshStateTests.node("n1")) === before)
        }
    }

    @Test func `what is translated counts as there`() async throws {
        try await OperatorHarness.with { harness in
            let accepted = await refusal { try await harness.put([.route("r", to: "reports")]) }
            #expect(accepted == nil)
        }
    }

    @Test func `what is put together holds together`() async throws {
        try await OperatorHarness.with { harness in
            let accepted = await refusal {
                try await harness.put([.route("r", to: "web"), .cluster("web")])
            }
            #expect(accepted == nil)
        }
    }

    @Test func `a removal that leaves a route behind is refused`() async throws {
        try await OperatorHarness.with { harness in
            _ = try await harness.put([.route("r", to: "web"), .cluster("web")])
            let removed = await refusal { try await harness.remove(.cluster, "web") }
            let replaced = await refusal { try await harness.snapshot([.route("r", to: "web")]) }
            #expect(removed == GRPCError(.failedPrecondition, Self.missing))
            #expect(replaced == GRPCError(.failedPrecondition, Self.missing))
            #expect(try harness.versions(of: "n1").count == 2)
        }
    }

    @Test func `what other selectors of the node set counts as there`() async throws {
        try await OperatorHarness.with { harness in
            _ = try await harness.put([.cluster("web")], for: .all)
            let accepted = await refusal { try await harness.put([.route("r", to: "web")]) }
            #expect(accepted == nil)
        }
    }

    @Test func `a mesh without what raw routes lead to is refused`() async throws {
        try await OperatorHarness.with { harness in
            _ = try await harness.put([.route("r", to: "billing")], for: .all)
            let smaller = MeshStateTests.yaml.replacing(
                "  - name: billing\n    routes: [/billing/]",
                with: ""
            )
            let refused = await refusal {
                try await harness.operators.apply(.with { $0.yaml = smaller })
            }
            _ = try await harness.snapshot([], for: .all)
            let accepted = await refusal {
                try await harness.operators.apply(.with { $0.yaml = smaller })
            }
            #expect(refused?.code == .failedPrecondition)
            #expect(refused?.message.contains("refers to the Cluster \"billing\"") == true)
            #expect(accepted == nil)
        }
    }

    @Test func `what was taken as it is stops no other change`() async throws {
        try await OperatorHarness.with { harness in
            _ = try await harness.operators.putRaw(
                .with {
                    $0.nodes = .node("n1")
                    $0.resources = [try .route("r", to: "static-of-the-bootstrap")]
                    $0.allowInconsistent = true
                }
            )
            let other = await refusal { try await harness.put([.cluster("other")]) }
            let more = await refusal { try await harness.put([.route("s", to: "nowhere")]) }
            #expect(other == nil)
            #expect(more?.message.contains("\"nowhere\"") == true)
            #expect(more?.message.contains("static-of-the-bootstrap") == false)
        }
    }
}
