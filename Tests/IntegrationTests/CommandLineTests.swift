import Primitives
import Testing

extension IntegrationTests {
    /// Programs that are started in a way that can't work.
    @Suite struct CommandLineTests {
        @Test func `a control plane names a port in use in one line`() async throws {
            try await Fleet.with { fleet in
                let control = try await fleet.startControlPlane()
                let end = try await fleet.run(
                    "meridian-control",
                    fleet.controlArguments(),
                    ["--listen", "\(control.address)", "--data-dir", "\(fleet.directory)/other"]
                )
                #expect(end.status == .status(2))
                #expect(end.lines.count == 1, "\(end.lines)")
                let start = "meridian-control: cannot listen on \(control.address): "
                #expect(end.lines.first?.hasPrefix(start) == true, "\(end.lines)")
            }
        }

        @Test func `a worker names a port in use in one line`() async throws {
            try await Fleet.with { fleet in
                let control = try await fleet.startControlPlane()
                let end = try await fleet.run(
                    "meridian-worker",
                    fleet.workerArguments(control),
                    ["--listen", "\(control.address)"]
                )
                #expect(end.status == .status(2))
                #expect(end.lines.count == 1, "\(end.lines)")
                let start = "meridian-worker: cannot listen on \(control.address): "
                #expect(end.lines.first?.hasPrefix(start) == true, "\(end.lines)")
            }
        }

        @Test func `a bad mesh file is answered by file, line and column`() async throws {
            try await Fleet.with { fleet in
                let bad = MeshText().yaml.replacing("timeout: 3s", with: "timeout: soon")
                let path = try fleet.write(bad, to: "bad.yaml")
                let end = try await fleet.run(
                    "meridian-control",
                    ["--mesh", path, "--listen", "127.0.0.1:0"],
                    ["--data-dir", "\(fleet.directory)/other"]
                )
                #expect(end.status == .status(2))
                #expect(end.lines.first?.hasPrefix("\(path):15:14: ") == true, "\(end.lines)")
            }
        }

        @Test func `a missing mesh file is named`() async throws {
            try await Fleet.with { fleet in
                let path = "\(fleet.directory)/nowhere.yaml"
                let end = try await fleet.run(
                    "meridian-control",
                    ["--mesh", path, "--listen", "127.0.0.1:0"],
                    ["--data-dir", "\(fleet.directory)/other"]
                )
                #expect(end.status == .status(2))
                #expect(end.lines.count == 1 && end.lines[0].contains(path), "\(end.lines)")
            }
        }

        @Test func `a bad report definition is answered by file, line and column`() async throws {
            try await Fleet.with { fleet in
                let control = try await fleet.startControlPlane()
                let path = try fleet.write("name: x\ntitel: X\n", to: "bad.yaml")
                let end = try await fleet.run(
                    "meridian-worker",
                    fleet.workerArguments(control),
                    ["--reports", fleet.directory]
                )
                #expect(end.status == .status(2))
                #expect(
                    end.lines.contains { $0.hasPrefix("\(path):2:1: ") && $0.contains("titel") },
                    "\(end.lines)"
                )
                let workers = try await control.admin.workers()
                #expect(workers == [])
            }
        }

        @Test func `a missing database is named`() async throws {
            try await Fleet.with { fleet in
                let control = try await fleet.startControlPlane()
                let path = "\(fleet.directory)/nowhere.sqlite"
                let end = try await fleet.run(
                    "meridian-worker",
                    ["--control", "\(control.address)", "--id", "eu-1", "--region", "eu"],
                    ["--database", path, "--reports", "\(Programs.root)/xds/examples/reports"]
                )
                #expect(end.status == .status(2))
                #expect(end.lines.count == 1 && end.lines[0].contains(path), "\(end.lines)")
            }
        }

        @Test func `a worker that is refused says which field is wrong`() async throws {
            try await Fleet.with { fleet in
                let control = try await fleet.startControlPlane()
                let end = try await fleet.run(
                    "meridian-worker",
                    fleet.workerArguments(control),
                    ["--region", "mars"]
                )
                #expect(end.status == .status(2))
                #expect(
                    end.lines.last?.contains("registration.locality.region: ") == true,
                    "\(end.lines)"
                )
            }
        }

        @Test func `the data directory of a running control plane is refused`() async throws {
            try await Fleet.with { fleet in
                let control = try await fleet.startControlPlane()
                let end = try await fleet.run("meridian-control", fleet.controlArguments(), [])
                #expect(end.status == .status(2))
                #expect(end.lines.count == 1, "\(end.lines)")
                #expect(end.lines.last?.contains("\(fleet.directory)/data") == true, "\(end.lines)")
                #expect(end.lines.last?.contains("another process") == true, "\(end.lines)")
                let mesh = try await control.admin.mesh()
                #expect(mesh.yaml == MeshText().yaml)
            }
        }
    }
}

extension Fleet {
    /// How a program ended, and what it said that is no log line.
    fileprivate struct Run {
        let status: ChildProcess.End
        let lines: [String]
    }

    fileprivate func run(
        _ program: String,
        _ arguments: [String],
        _ more: [String]
    ) async throws -> Run {
        let process = try start(
            "failing-\(program)",
            try Programs.meridian(program),
            // The last one of several counts.
            arguments + more
        )
        let end = try await process.waitForEnd()
        let lines = process.errors.split(separator: "\n").map(String.init)
        return Run(status: end, lines: lines.filter { !$0.hasPrefix("{") })
    }

    /// A control plane on a free port, with the data directory of the fleet's own.
    fileprivate func controlArguments() throws -> [String] {
        [
            "--mesh", try write(MeshText().yaml, to: "mesh.yaml"), "--listen", "127.0.0.1:0",
            "--data-dir", "\(directory)/data",
        ]
    }

    fileprivate func workerArguments(_ control: ControlPlane) -> [String] {
        [
            "--control", "\(control.address)", "--id", "eu-1", "--region", "eu",
            "--database", "\(directory)/eu-1.sqlite", "--seed", "42", "--orders", "200",
            "--reports", "\(Programs.root)/xds/examples/reports",
        ]
    }
}
