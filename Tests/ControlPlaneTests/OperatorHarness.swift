import EnvoyAPI
import Foundation
import GRPC
import Logging
import MeridianAPI
import Mesh
import Primitives
import Registry
import Store
import SwiftProtobuf
import XDSCore
import XDSServer

@testable import ControlPlane

/// The operators' side of a control plane on a store of its own, without its servers.
struct OperatorHarness {
    let operators: Operator<SQLiteStore>
    let state: MeshState
    let store: SQLiteStore

    /// Lends one; a later one on the same path is what a restart makes of the store.
    static func with(
        limits: RawLimits = RawLimits(),
        path: String? = nil,
        _ body: (OperatorHarness) async throws -> Void
    ) async throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "raw-\(UUID())")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let own = directory.appending(path: "meridian.db").path(percentEncoded: false)
        let store = try await SQLiteStore.open(SQLiteStore.Configuration(path: path ?? own))
        do {
            try await body(OperatorHarness(store, limits))
            await store.close()
        } catch {
            await store.close()
            throw error
        }
    }

    /// Lends a path for stores that follow each other.
    static func withPath(_ body: (String) async throws -> Void) async throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "raw-\(UUID())")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        try await body(directory.appending(path: "meridian.db").path(percentEncoded: false))
    }

    private init(_ store: SQLiteStore, _ limits: RawLimits) async throws {
        let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
        let raw = try await RawCatalog.load(from: store, limits: limits)
        let state = MeshState(
            mesh: try Mesh.parse(MeshStateTests.yaml, file: "mesh.yaml"),
            shares: Shares(),
            revision: 1,
            raw: raw.resources
        )
        let discovery = DiscoveryService(logger: logger) { node throws(RefusedNode) in
            try state.view(of: node)
        }
        let registry = WorkerRegistry(
            directory: state.directory,
            store: store,
            observer: EndpointPublisher(state: state, discovery: discovery),
            logger: logger
        )
        self.store = store
        self.state = state
        operators = Operator(
            store: store,
            state: state,
            discovery: discovery,
            registry: registry,
            raw: raw,
            current: ("mesh.yaml", MeshStateTests.yaml, .zero),
            logger: logger
        )
    }

    /// The versions that a node gets, by `type/name`, without what Meridian makes for all.
    func versions(of nodeID: String, region: String = "east") throws -> [String: String] {
        let view = try state.view(of: MeshStateTests.node(nodeID, region: region)).current
        var versions: [String: String] = [:]
        for type in view.typeURLs {
            view.journal(of: type).forEach { resource in
                guard resource.origin?.objects.first?.hasPrefix("raw ") == true else { return }
                versions["\(type.shortName)/\(resource.name)"] = resource.version.rawValue
            }
        }
        return versions
    }

    func put(
        _ resources: [Meridian_V1_RawResource],
        for nodes: Meridian_V1_NodeSelector = .node("n1"),
        expected revision: UInt64 = 0
    ) async throws -> UInt64 {
        try await operators.putRaw(
            .with {
                $0.nodes = nodes
                $0.resources = resources
                $0.expectedRevision = revision
            }
        ).revision
    }

    func snapshot(
        _ resources: [Meridian_V1_RawResource],
        for nodes: Meridian_V1_NodeSelector = .node("n1")
    ) async throws -> UInt64 {
        try await operators.setRawSnapshot(
            .with {
                $0.nodes = nodes
                $0.resources = resources
            }
        ).revision
    }

    func remove(
        _ type: TypeURL,
        _ name: String,
        for nodes: Meridian_V1_NodeSelector = .node("n1")
    ) async throws {
        _ = try await operators.removeRaw(
            .with {
                $0.nodes = nodes
                $0.resources = [
                    .with {
                        $0.typeURL = type.rawValue
                        $0.name = name
                    }
                ]
            }
        )
    }
}

/// The refusal of what was asked for; nil when it was done.
func refusal(_ body: () async throws -> some Any) async -> GRPCError? {
    do {
        _ = try await body()
        return nil
    } catch {
        return error as? GRPCError ?? GRPCError(.unknown, "\(error)")
    }
}

extension Meridian_V1_NodeSelector {
    static func node(_ id: String) -> Self { .with { $0.nodeID = id } }
    static let all = Self.with { $0.allNodes = true }
}

extension Meridian_V1_RawResource {
    /// A resource of a type that nobody knows.
    static func unknown(_ name: String, _ version: String = "v1", _ bytes: [UInt8] = [1]) -> Self {
        .with {
            $0.name = name
            $0.version = version
            $0.encoded.typeURL = "example.com/a.B"
            $0.encoded.value = Data(bytes)
        }
    }

    static func cluster(_ name: String, version: String = "v1", timeout: Int64 = 1) throws -> Self {
        let cluster = Envoy_Config_Cluster_V3_Cluster.with {
            $0.name = name
            $0.type = .static
            $0.connectTimeout = .with { $0.seconds = timeout }
        }
        let any = try Google_Protobuf_Any(message: cluster)
        return .with {
            $0.version = version
            $0.resource = any
        }
    }

    /// A route configuration whose only route leads to the cluster.
    static func route(_ name: String, to cluster: String, version: String = "v1") throws -> Self {
        let routes = Envoy_Config_Route_V3_RouteConfiguration.with {
            $0.name = name
            $0.virtualHosts = [
                .with {
                    $0.name = "all"
                    $0.domains = ["*"]
                    $0.routes = [.with { $0.route.cluster = cluster }]
                }
            ]
        }
        let any = try Google_Protobuf_Any(message: routes)
        return .with {
            $0.version = version
            $0.resource = any
        }
    }
}
