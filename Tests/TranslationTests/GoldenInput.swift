import Foundation
import Mesh
import Primitives
import Routing
import Translation
import YAML

/// What a golden file's input says.
struct GoldenInput {
    let mesh: Mesh
    let shares: Shares
    let endpoints: [ServiceName: [Endpoint]]
    let scope: Scope

    private enum State: String, CaseIterable {
        case serving
        case draining
        case notServing
    }

    init(contentsOf url: URL) throws {
        let text = try String(contentsOf: url, encoding: .utf8)
        let node = try YAMLNode.parse(text, file: url.lastPathComponent)
        var meshNode: YAMLNode?
        let (scope, wishes, workers) = try node.decode { fields in
            meshNode = fields.node("mesh")
            return (
                fields.mapping("scope") {
                    Scope(
                        region: $0.required("region", .identifier()),
                        zone: $0.required("zone", .identifier()),
                        role: $0.value("role", .choice(), default: .sidecar),
                        listen: EndpointAddress($0.value("listen", .text, default: ""))
                            ?? Mesh.defaultSidecarListenAddress
                    )
                },
                fields.mappings("shares") { entry in
                    (
                        service: entry.required("service", .identifier()) as ServiceName,
                        from: entry.required("from", .identifier()) as RegionName,
                        to: entry.entries("to", .integer(in: 0...100))
                    )
                },
                fields.mappings("workers", Self.worker)
            )
        }
        guard let meshNode else { throw Diagnostics([node.diagnostic("missing field \"mesh\"")]) }
        let mesh = try Mesh.decode(meshNode)
        var shares = Shares()
        for wish in wishes {
            let percentages = wish.to.map { (RegionName($0.key.value), $0.value) }
            try shares.set(
                Dictionary(percentages, uniquingKeysWith: { first, _ in first }),
                of: wish.service,
                from: wish.from,
                in: mesh
            )
        }
        self.mesh = mesh
        self.shares = shares
        self.scope = scope
        self.endpoints = Dictionary(grouping: workers, by: \.service)
            .mapValues { $0.map(\.endpoint) }
    }

    private static func worker(
        _ fields: MappingReader
    ) -> (service: ServiceName, endpoint: Endpoint) {
        let service: ServiceName = fields.required("service", .identifier())
        let endpoint = Endpoint(
            workerID: fields.required("id", .identifier()),
            address: EndpointAddress(fields.required("address", .text))
                ?? EndpointAddress(host: "", port: 0),
            locality: Locality(
                region: fields.required("region", .identifier()),
                zone: fields.required("zone", .identifier())
            ),
            capacity: fields.required("capacity", .integer(in: 1...1_000_000)),
            health: health(fields.value("state", .choice(), default: .serving)),
            version: "1.0.0"
        )
        return (service, endpoint)
    }

    private static func health(_ state: State) -> Endpoint.Health {
        switch state {
        case .serving: .serving
        case .draining: .draining
        case .notServing: .notServing
        }
    }
}
