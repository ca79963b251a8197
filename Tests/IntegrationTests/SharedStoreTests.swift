import GRPC
import Primitives
import Testing

extension IntegrationTests {
    /// The control plane on etcd instead of its own file.
    @Suite struct SharedStoreTests {
        @Test func `a killed control plane has its registrations again from etcd`() async throws {
            try await Fleet.with { fleet in
                let etcd = try fleet.startEtcd()
                let control = try await fleet.startControlPlane(store: etcd.url)
                let worker = try await fleet.startWorker("eu-1", in: "eu", control)
                let epoch = try await waitFor("the worker to serve") {
                    try await control.admin.servingEpoch(of: "eu-1")
                }
                let changed = try await control.admin.apply(MeshText().yaml + "\n# changed\n")
                // Neither can tell the next control plane of the other.
                control.process.kill()
                worker.process.kill()
                let next = try await fleet.startControlPlane(store: etcd.url)
                let restored = try await next.admin.workers()
                let mesh = try await next.admin.mesh()

                #expect(restored.map(\.registration.workerID) == ["eu-1"])
                #expect(restored.map(\.epoch) == [epoch])
                #expect(mesh.yaml.hasSuffix("# changed\n"))
                #expect(mesh.revision == changed.revision)
            }
        }

        @Test func `two control planes on one etcd start with one mesh`() async throws {
            try await Fleet.with { fleet in
                let etcd = try fleet.startEtcd()
                let first = try await fleet.startControlPlane(store: etcd.url)
                let second = try await fleet.startControlPlane(
                    mesh: MeshText(),
                    store: etcd.url
                )
                let meshes = (try await first.admin.mesh(), try await second.admin.mesh())
                #expect(meshes.0.revision == meshes.1.revision)
                #expect(meshes.0.yaml == meshes.1.yaml)
            }
        }

        @Test(arguments: ["etcd://nowhere", "http://127.0.0.1:2379"])
        func `a store that can't be meant is refused at the start`(url: String) async throws {
            try await Fleet.with { fleet in
                let process = try fleet.start(
                    "control",
                    try Programs.meridian("meridian-control"),
                    ["--listen", "127.0.0.1:0", "--store", url]
                )
                let end = try await process.waitForEnd()
                #expect(end != .status(0))
                #expect(process.errors.contains("meridian-control: the store \(url)"))
            }
        }

        @Test func `an etcd that is not there is told at the start`() async throws {
            try await Fleet.with { fleet in
                let nowhere = try Ports.next()
                let process = try fleet.start(
                    "control",
                    try Programs.meridian("meridian-control"),
                    ["--listen", "127.0.0.1:0", "--store", "etcd://\(nowhere)"]
                )
                let end = try await process.waitForEnd(within: .seconds(60))
                #expect(end != .status(0))
                #expect(process.errors.contains("\(nowhere)"))
            }
        }
    }
}
