import Foundation
import GRPC
import Primitives
import SidecarBootstrap
import Synchronization
import Testing

/// One test's control plane, workers and sidecars, in a directory of their own.
final class Fleet: Sendable {
    struct ControlPlane {
        let process: ChildProcess
        let address: EndpointAddress
        let admin: ControlPlaneAdmin
    }

    struct Worker {
        let process: ChildProcess
        let address: EndpointAddress
    }

    struct Sidecar {
        let process: ChildProcess
        let address: EndpointAddress
        let admin: EnvoyAdmin
    }

    /// How a sidecar asks for its configuration.
    enum Discovery: CaseIterable {
        case delta
        case stateOfTheWorld
        /// Clusters and listeners on streams of their own, beside an aggregated one for the rest.
        case deltaStreams
        case stateOfTheWorldStreams

        /// The bootstrap for it, made from the one for delta ADS.
        func rewritten(_ bootstrap: String) -> String {
            let type: String
            switch self {
            case .delta, .deltaStreams: type = "DELTA_GRPC"
            case .stateOfTheWorld, .stateOfTheWorldStreams: type = "GRPC"
            }
            let text = bootstrap.replacing("api_type: DELTA_GRPC", with: "api_type: \(type)")
            switch self {
            case .delta, .stateOfTheWorld: return text
            case .deltaStreams, .stateOfTheWorldStreams:
                let source = """
                    {api_config_source: {api_type: \(type), transport_api_version: V3, \
                    grpc_services: [{envoy_grpc: {cluster_name: control_plane}}]}, \
                    resource_api_version: V3
                    """
                return ["cds", "lds"].reduce(text) { text, type in
                    text.replacing(
                        "\(type)_config: {ads: {}, resource_api_version: V3",
                        with: "\(type)_config: \(source)"
                    )
                }
            }
        }
    }

    let directory: String
    private let children = Mutex<[ChildProcess]>([])

    private init() throws {
        let url = FileManager.default.temporaryDirectory.appending(path: "meridian-\(UUID())")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        directory = url.path(percentEncoded: false)
    }

    /// Lends a fleet, and stops all of it by process id, however the test ends.
    ///
    /// What the programs said becomes an attachment of the test; when the test throws, the end of
    /// it is part of the failure.
    static func with(_ body: (Fleet) async throws -> Void) async throws {
        let fleet = try Fleet()
        defer { fleet.stop() }
        do {
            try await body(fleet)
        } catch {
            Issue.record("\(error)\n\(fleet.lastWords)")
        }
    }

    // MARK: - Starting

    /// Starts a program in the fleet's directory.
    func start(_ name: String, _ path: String, _ arguments: [String]) throws -> ChildProcess {
        let child = try ChildProcess(name, path, arguments, directory: directory)
        children.withLock { $0.append(child) }
        return child
    }

    /// Writes a file into the fleet's directory, and returns its path.
    func write(_ text: String, to name: String) throws -> String {
        let path = "\(directory)/\(name)"
        try text.write(toFile: path, atomically: false, encoding: .utf8)
        return path
    }

    /// - Parameters:
    ///   - yaml: goes before `mesh`.
    ///   - address: where to serve; nil takes a free port.
    ///   - store: the shared store; nil stands for the embedded one.
    func startControlPlane(
        mesh: MeshText = MeshText(),
        yaml: String? = nil,
        on address: EndpointAddress? = nil,
        adminHTTP: EndpointAddress? = nil,
        store: String? = nil,
        options: [String] = []
    ) async throws -> ControlPlane {
        let process = try start(
            "control",
            try Programs.meridian("meridian-control"),
            [
                "--mesh", try write(yaml ?? mesh.yaml, to: "mesh.yaml"),
                "--listen", address?.description ?? "127.0.0.1:0",
                "--data-dir", "\(directory)/data",
            ] + (adminHTTP.map { ["--admin-http", "\($0)"] } ?? [])
                + (store.map { ["--store", $0] } ?? []) + options
        )
        let line = try await process.waitForLine(
            beginning: "meridian-control ready on ",
            runs: count(of: "control")
        )
        let address = try #require(EndpointAddress(line))
        return ControlPlane(
            process: process,
            address: address,
            admin: ControlPlaneAdmin(address)
        )
    }

    /// Starts a worker that registers in the region, such as `eu-1` in `eu`.
    func startWorker(
        _ id: String,
        in region: String,
        _ control: ControlPlane,
        service: String = "reports"
    ) async throws -> Worker {
        let process = try start(
            id,
            try Programs.meridian("meridian-worker"),
            [
                "--control", control.address.description, "--id", id, "--region", region,
                "--service", service,
                "--zone", "\(region)-a", "--database", "\(directory)/\(id).sqlite", "--seed", "42",
                "--orders", "200", "--reports", "\(Programs.root)/xds/examples/reports",
            ]
        )
        let line = try await process.waitForLine(
            beginning: "meridian-worker \(id) ready on ",
            runs: count(of: id)
        )
        return Worker(process: process, address: try #require(EndpointAddress(line)))
    }

    /// Starts an Envoy, and returns when it has its configuration.
    func startSidecar(
        in region: String,
        _ control: ControlPlane,
        discovery: Discovery = .delta
    ) async throws -> Sidecar {
        try await startSidecar(in: region, of: control.address, discovery: discovery)
    }

    /// - Parameters:
    ///   - listen: where the test's own listener will be, if it makes one.
    ///   - edit: what the test's bootstrap has beside the usual.
    func startSidecar(
        in region: String = "eu",
        of control: EndpointAddress,
        listen: EndpointAddress? = nil,
        discovery: Discovery = .delta,
        edit: (String) -> String = { $0 }
    ) async throws -> Sidecar {
        let listen = try listen ?? Ports.next()
        let admin = try Ports.next()
        let values = BootstrapValues(
            nodeID: NodeID("sidecar-\(region)"),
            locality: Locality(region: RegionName(region), zone: ZoneName("\(region)-a")),
            listen: listen,
            admin: admin,
            controlPlanes: [control]
        )
        let bootstrap = edit(
            discovery.rewritten(
                try BootstrapTemplate(BootstrapTemplate.envoyText).filled(with: values)
            )
        )
        let process = try start(
            "sidecar-\(region)",
            try Programs.envoy(),
            [
                "-c", try write(bootstrap, to: "sidecar-\(region).yaml"), "--concurrency", "1",
                "--disable-hot-restart",
            ]
        )
        let sidecar = Sidecar(process: process, address: listen, admin: EnvoyAdmin(admin))
        try await waitUntil("the sidecar to be ready", within: .seconds(30)) {
            if let end = process.currentEnd {
                throw ChildProcess.NotStarted(description: "Envoy has ended: \(end)")
            }
            return await sidecar.admin.isReady
        }
        return sidecar
    }

    private func count(of name: String) -> Int {
        children.withLock { $0.count { $0.name == name } }
    }

    // MARK: - Stopping

    private func stop() {
        let children = children.withLock { $0 }
        for child in children.reversed() { child.kill() }
        var names: Set<String> = []
        for child in children where names.insert(child.name).inserted {
            let text = child.output + child.errors
            if !text.isEmpty { Attachment.record(text, named: "\(child.name).log") }
        }
        try? FileManager.default.removeItem(atPath: directory)
    }

    private var lastWords: String {
        var names: Set<String> = []
        return children.withLock { $0 }
            .filter { names.insert($0.name).inserted }
            .map { child in
                let lines = child.errors.split(separator: "\n").suffix(8)
                return "— \(child.name):\n" + lines.joined(separator: "\n")
            }
            .joined(separator: "\n")
    }
}
