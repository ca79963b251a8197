import Foundation
import Testing

/// The subset of the Envoy API that we write ourselves must not drift from the original.
///
/// `scripts/lib/compare-protos.py` compares; these tests run it with the Python of the repository's `.venv`, where
/// the originals are.
@Suite struct ProtoComparisonTests {
    @Test func `the protos agree with PyPI's descriptors`() throws {
        let result = try Comparison.run("xds-protos")
        #expect(result.differences == [], "\(result.errors)")
        #expect(result.status == 0, "\(result.errors)")
    }

    @Test func `the protos agree with the descriptors inside the Envoy binary`() throws {
        let result = try Comparison.run("envoy")
        #expect(result.differences == [], "\(result.errors)")
        #expect(result.status == 0, "\(result.errors)")
    }

    @Test func `the protos agree with the descriptors inside the etcd binary`() throws {
        let result = try Comparison.run("etcd")
        #expect(result.differences == [], "\(result.errors)")
        #expect(result.status == 0, "\(result.errors)")
    }

    /// What the tests above rely on: a comparison that finds nothing would let everything pass.
    @Test(arguments: ["xds-protos", "envoy"])
    func `each kind of difference is reported`(originals: String) throws {
        let result = try Comparison.run(originals, "Tests/Fixtures/differing-protos")
        let ads = "envoy/service/discovery/v3/ads.proto: AggregatedDiscoveryService"
        let message = "envoy.service.discovery.v3.Discovery"
        #expect(
            Set(result.differences) == [
                "envoy/type/v3/percent.proto: Percent.value: ours number 2, theirs number 1",
                """
                envoy/type/v3/percent.proto: FractionalPercent.numerator: \
                ours type TYPE_INT32, theirs type TYPE_UINT32
                """,
                """
                envoy/type/v3/percent.proto: FractionalPercent.DenominatorType.TEN_THOUSAND: \
                ours number 4, theirs number 1
                """,
                "envoy/type/v3/percent.proto: FractionalPercent.unit: is not in the original",
                "envoy/type/v3/percent.proto: Promille: is not in the original",
                """
                envoy/config/core/v3/address.proto: SocketAddress.address: \
                ours oneof _address, theirs oneof none
                """,
                """
                envoy/config/core/v3/address.proto: SocketAddress.address: \
                ours optional True, theirs optional False
                """,
                """
                envoy/config/core/v3/address.proto: SocketAddress.port_value: \
                ours oneof none, theirs oneof port_specifier
                """,
                """
                envoy/config/core/v3/address.proto: Address.socket_address: \
                ours oneof place, theirs oneof address
                """,
                "envoy/config/core/v3/nowhere.proto: is not in the original",
                """
                envoy/service/discovery/v3/discovery.proto: DiscoveryRequest.resource_names: \
                ours label LABEL_OPTIONAL, theirs label LABEL_REPEATED
                """,
                """
                \(ads).StreamAggregatedResources: \
                ours call stream \(message)Request -> \(message)Response, \
                theirs call stream \(message)Request -> stream \(message)Response
                """,
            ],
            "\(result.errors)"
        )
        #expect(result.status == 1, "\(result.errors)")
    }
}

/// One run of `compare-protos.py`.
private struct Comparison {
    var status: Int32
    var differences: [String]
    var errors: String

    struct NoPython: Error, CustomStringConvertible {
        let path: String
        var description: String { "there is no Python at \(path): scripts/test makes one" }
    }

    static func run(_ originals: String, _ folder: String? = nil) throws -> Comparison {
        let root = URL(filePath: #filePath)
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let environment = ProcessInfo.processInfo.environment
        let python = environment["MERIDIAN_PYTHON"] ?? root.appending(path: ".venv/bin/python").path
        guard FileManager.default.isExecutableFile(atPath: python) else {
            throw NoPython(path: python)
        }
        let process = Process()
        process.executableURL = URL(filePath: python)
        process.currentDirectoryURL = root
        process.arguments =
            ["scripts/lib/compare-protos.py", originals] + (folder.map { [$0] } ?? [])
        let output = Pipe()
        let errors = Pipe()
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        // Errors are a few lines, which fit into the pipe while the output is read.
        let lines = try text(output).split(separator: "\n").map(String.init)
        let errorText = try text(errors)
        process.waitUntilExit()
        // The last line is the summary.
        return Comparison(
            status: process.terminationStatus,
            differences: Array(lines.dropLast()),
            errors: errorText
        )
    }

    private static func text(_ pipe: Pipe) throws -> String {
        String(decoding: try pipe.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
    }
}
