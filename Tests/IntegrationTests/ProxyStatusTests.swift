import Foundation
import MeridianAPI
import Primitives
import SidecarBootstrap
import Testing

extension IntegrationTests {
    /// What operators see of a real sidecar: the sync table, and CSDS.
    @Suite struct ProxyStatusTests {
        @Test func `what a sidecar refuses shows with its words and what it came from`()
            async throws
        {
            try await Fleet.with { fleet in
                let control = try await fleet.startControlPlane()
                let worker = try await fleet.startWorker("eu-1", in: "eu", control)
                // The worker listens where the sidecar is told to.
                try fleet.startEnvoy("sidecar-eu", listen: worker.address, control)
                try await waitUntil("the refusal", within: .seconds(40)) {
                    try await control.admin.proxies().flatMap(\.types)
                        .contains { $0.state == "NACKED" }
                }
                let table = try await fleet.meridian(["get", "proxies"], control)
                let node = try await fleet.meridian(
                    ["get", "proxies", "--node", "sidecar-eu"],
                    control
                )
                let json = try await fleet.meridian(["get", "proxies", "-o", "json"], control)
                let listed = try Meridian_V1_ListProxiesResponse(jsonString: json)

                let lines = table.split(separator: "\n").map(String.init)
                #expect(
                    lines.first?.hasPrefix("NODE         REGION   ZONE   PROTOCOL   CDS") == true
                )
                let row = lines.first { $0.hasPrefix("sidecar-eu ") } ?? ""
                #expect(row.contains("NACKED ("), "\(table)")
                #expect(row.contains("SYNCED (1)"), "\(table)")
                let prefix = "  LDS NACKED egress (from mesh integration, revision "
                let note = lines.first { $0.hasPrefix(prefix) } ?? ""
                #expect(note.contains("\(worker.address)"), "\(table)")
                #expect(note.contains("Address already in use"), "\(table)")

                let resource = try #require(
                    node.split(separator: "\n").first { $0.hasPrefix("LDS ") },
                    "\(node)"
                )
                #expect(resource.contains("egress") && resource.contains("NACKED"), "\(node)")
                let cluster = node.split(separator: "\n").first { $0.hasPrefix("CDS    reports") }
                #expect(cluster?.contains("SYNCED") == true, "\(node)")

                let listener = listed.proxies.flatMap(\.types).first {
                    $0.typeURL.hasSuffix(".Listener")
                }
                let refused = try #require(listener?.refused.first)
                #expect(refused.name == "egress" && refused.isNamed)
                #expect(refused.objects == ["mesh integration"] && refused.revision > 0)
                #expect(listed.proxies.map(\.replica) == ["\(control.address)"])
            }
        }

        @Test func `grpcio reads by CSDS where a sidecar with several streams stands`() async throws
        {
            try await Fleet.with { fleet in
                let control = try await fleet.startControlPlane()
                _ = try await fleet.startWorker("eu-1", in: "eu", control)
                let sidecar = try await fleet.startSidecar(
                    in: "eu",
                    control,
                    discovery: .deltaStreams
                )
                try await sidecar.admin.waitUntilRoutable(["eu": 1])
                try await waitUntil("the sidecar to be synced") {
                    let types = try await control.admin.proxies().flatMap(\.types)
                    return types.count >= 4 && types.allSatisfy { $0.state == "SYNCED" }
                }
                func ask(_ request: String) async throws -> ClientStatuses {
                    try await fleet.csds(control.address, request)
                }
                let all = try await ask("{}")
                let bare = try await ask(
                    #"{"nodeMatchers": [{"nodeId": {"prefix": "sidecar-"}}], "excludeResourceContents": true}"#
                )
                let byRole = try await ask(Self.role("exact", "sidecar"))
                let others = try await ask(Self.role("exact", "gateway"))
                let regex = try await ask(
                    #"{"nodeMatchers": [{"nodeId": {"safeRegex": {"regex": "sidecar.*"}}}]}"#
                )

                #expect(all.code == "OK")
                #expect(all.clients.map(\.node) == ["sidecar-eu"])
                #expect(all.streamed == 2)
                let resources = all.clients.flatMap(\.resources)
                #expect(
                    resources.map(\.type) == [
                        "Cluster", "ClusterLoadAssignment", "Listener", "RouteConfiguration",
                    ]
                )
                #expect(resources.allSatisfy { $0.configStatus == "SYNCED" && $0.hasVersion })
                #expect(resources.allSatisfy { $0.content })
                #expect(
                    bare.clients.flatMap(\.resources).map(\.content) == [
                        false, false, false, false,
                    ]
                )
                #expect(byRole == all)
                #expect(others.code == "OK" && others.clients == [])
                #expect(regex.code == "INVALID_ARGUMENT")
                #expect(regex.details.contains("safe_regex"), "\(regex.details)")
            }
        }

        private static func role(_ kind: String, _ value: String) -> String {
            #"{"nodeMatchers": [{"nodeMetadatas": [{"path": [{"key": "meridian"}, {"key": "role"}], "#
                + #""value": {"stringMatch": {"\#(kind)": "\#(value)"}}}]}]}"#
        }
    }
}

/// What `csds_client.py` prints.
private struct ClientStatuses: Decodable, Hashable {
    struct Client: Decodable, Hashable {
        let node: String
        let resources: [Resource]
    }

    struct Resource: Decodable, Hashable {
        let type: String
        let name: String
        let hasVersion: Bool
        let configStatus: String
        let clientStatus: Int
        let content: Bool
        let error: String
    }

    let code: String
    let details: String
    let clients: [Client]
    /// Answers on a stream, all the same as the one without.
    let streamed: Int?
}

extension Fleet {
    fileprivate func csds(
        _ control: EndpointAddress,
        _ request: String
    ) async throws -> ClientStatuses {
        let script = "\(Programs.root)/Tests/IntegrationTests/Fixtures/csds_client.py"
        let output = try await succeed(
            "csds",
            try Programs.python(),
            [script, "\(control)", request]
        )
        return try JSONDecoder().decode(ClientStatuses.self, from: Data(output.utf8))
    }

    /// What a command of operators prints.
    fileprivate func meridian(
        _ arguments: [String],
        _ control: ControlPlane
    ) async throws -> String {
        try await succeed(
            "meridian",
            try Programs.meridian("meridian"),
            arguments + ["--control", "\(control.address)"]
        )
    }

    /// Starts an Envoy that may never become ready.
    fileprivate func startEnvoy(
        _ node: NodeID,
        listen: EndpointAddress,
        _ control: ControlPlane
    ) throws {
        let values = BootstrapValues(
            nodeID: node,
            locality: Locality(region: "eu", zone: "eu-a"),
            listen: listen,
            admin: try Ports.next(),
            controlPlanes: [control.address]
        )
        let text = try BootstrapTemplate(BootstrapTemplate.envoyText).filled(with: values)
        _ = try start(
            "\(node)",
            try Programs.envoy(),
            [
                "-c", try write(text, to: "\(node).yaml"), "--concurrency", "1",
                "--disable-hot-restart",
            ]
        )
    }

    /// Runs a program to its good end, and returns what it printed.
    private func succeed(
        _ name: String,
        _ path: String,
        _ arguments: [String]
    ) async throws -> String {
        let child = try start("\(name)-" + UUID().uuidString.prefix(8), path, arguments)
        let end = try await child.waitForEnd(within: .seconds(40))
        guard end == .status(0) else {
            throw ChildProcess.NotStarted(description: "\(path) \(arguments): \(child.errors)")
        }
        return child.output
    }
}
