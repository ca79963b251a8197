import ArgumentParser
import Glibc

/// The sidecars and workers of `scripts/bench xds`.
@main
struct BenchXDS: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench-xds",
        abstract:
            "Sidecars and workers by the thousand on one thread; lines of input say what they do."
    )

    @Option(help: "The control plane's port on 127.0.0.1.")
    var port: UInt16

    @Option(help: "A peer's control port; without it workers register with the control plane.")
    var peerControl: UInt16?

    @Option(help: "Sidecars, each with a connection and a stream.")
    var streams = 2_000

    @Option(help: "delta or sotw.")
    var variant = "delta"

    @Option(help: "Services of the mesh.")
    var clusters = 100

    @Option(help: "Workers of each service.")
    var endpoints = 10

    @Option(help: "Where sidecars and workers are, REGION/ZONE, with commas between them.")
    var scopes = "eu/eu-a,us/us-a,ap/ap-a,eu/eu-b,us/us-b,ap/ap-b"

    @Option(help: "Extensions that each node names; Envoy 1.40 names 516, which are 61 kB.")
    var extensions = 0

    func run() throws {
        guard let variant = Variant(rawValue: variant) else {
            throw ValidationError("--variant: expected delta or sotw, came \(variant)")
        }
        let places = try scopes.split(separator: ",").map { scope in
            let words = scope.split(separator: "/").map(String.init)
            guard words.count == 2 else {
                throw ValidationError("--scopes: expected REGION/ZONE, came \(scope)")
            }
            return (region: words[0], zone: words[1])
        }
        try allowSockets(streams + 1_000)
        let poller = Poller()
        let buffer = ReadBuffer()
        let mesh = MeshShape(clusters: clusters, endpoints: endpoints, scopes: places)
        let fleet = SidecarFleet(
            SidecarOptions(
                port: port,
                count: streams,
                variant: variant,
                clusters: clusters,
                scopes: places,
                extensions: extensions
            ),
            poller: poller,
            buffer: buffer
        )
        let source = try source(mesh, poller, buffer)
        let session = Session(poller: poller, mesh: mesh, fleet: fleet, source: source)
        do {
            try session.run()
        } catch let error as LoadError {
            write("bench-xds: \(error)", to: 2)
            throw ExitCode.failure
        }
    }

    private func source(
        _ mesh: MeshShape,
        _ poller: Poller,
        _ buffer: ReadBuffer
    ) throws -> any ChangeSource {
        guard let peerControl else {
            return WorkerFleet(mesh, port: port, poller: poller, buffer: buffer)
        }
        guard let control = PeerControl(port: peerControl, poller: poller) else {
            throw ValidationError("nobody listens on the peer's control port \(peerControl)")
        }
        return control
    }

    private func allowSockets(_ count: Int) throws {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        if limit.rlim_cur >= count { return }
        limit.rlim_cur = rlim_t(count)
        limit.rlim_max = max(limit.rlim_max, rlim_t(count))
        guard setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
            throw ValidationError("\(count) open files are needed (ulimit -n)")
        }
    }
}
