import Foundation
import Primitives
import Testing

@testable import SidecarBootstrap

@Suite struct BootstrapTests {
    /// With `MERIDIAN_UPDATE_GOLDEN=1`, the copy is written anew from the file.
    @Test func `the program's copy of the template is the file`() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        let file = try String(
            contentsOf: root.appending(path: "xds/bootstrap/envoy.yaml"),
            encoding: .utf8
        )
        if ProcessInfo.processInfo.environment["MERIDIAN_UPDATE_GOLDEN"] == "1" {
            let source = root.appending(path: "Sources/SidecarBootstrap/EnvoyTemplate.swift")
            try Self.source(of: file).write(to: source, atomically: true, encoding: .utf8)
            return
        }
        #expect(BootstrapTemplate.envoyText == file)
    }

    @Test func `the template is filled`() throws {
        let template = try BootstrapTemplate(BootstrapTemplate.envoyText)
        let text = try template.filled(with: Self.values())
        #expect(!text.contains("${"))
        #expect(text.contains("\n  id: \"sidecar-eu-1\"\n"))
        #expect(text.contains("\n    region: \"eu\"\n    zone: \"eu-a\"\n    sub_zone: \"\"\n"))
        #expect(text.contains("\n      listen: \"[::1]:15001\"\n"))
        #expect(text.contains("\n      address: \"127.0.0.1\"\n      port_value: 15000\n"))
        #expect(
            text.contains(
                #"endpoints: [{"priority": 0, "lb_endpoints": ["#
                    + #"{"endpoint": {"address": {"socket_address": "#
                    + #"{"address": "10.0.0.1", "port_value": 18000}}}}]}, "#
                    + #"{"priority": 1, "lb_endpoints": [{"endpoint": {"address": "#
                    + #"{"socket_address": {"address": "fd00::1", "port_value": 18000}}}}]}]"#
            )
        )
    }

    @Test func `a value can't break out of its quotes`() throws {
        var values = Self.values()
        values.nodeID = #"a"}]:,#'\${region}"#
        let text = try BootstrapTemplate("id: ${node_id}\n")
            .filled(with: ["node_id": values.jsonByPlace["node_id"] ?? ""])
        #expect(text == #"id: "a\"}]:,#'\\${region}""# + "\n")
        #expect(jsonString("a\n\u{7F}é\u{2028}") == #""a\u000a\u007f\u00e9\u2028""#)
    }

    @Test func `places and values without a partner are all reported`() throws {
        let template = try BootstrapTemplate("a: ${one}\nb: ${two} ${three}\n")
        let error = #expect(throws: BootstrapError.self) {
            try template.filled(with: ["one": "1", "four": "4"])
        }
        #expect(
            error?.violations.map(\.description) == [
                "${two}: the template has an unknown place, expected one of four, one",
                "${three}: the template has an unknown place, expected one of four, one",
                "${four}: the template has no place for this value, expected one at least",
            ]
        )
    }

    @Test(arguments: ["${", "${}", "${a", "${a b}", "${A}", "${a-b}"])
    func `a malformed place is reported with its line`(_ text: String) {
        let error = #expect(throws: BootstrapError.self) {
            try BootstrapTemplate("x: 1\ny: \(text)\n")
        }
        #expect(error?.violations.map(\.field) == ["template line 2"])
    }

    @Test func `wrong values are all reported by field`() throws {
        var values = Self.values()
        values.nodeID = "a b"
        values.nodeCluster = String(repeating: "c", count: 254)
        values.locality = Locality(region: "", zone: "EU", subZone: "-")
        values.listen = EndpointAddress(host: "localhost", port: 1)
        values.admin = EndpointAddress(host: "127.0.0.1", port: 0)
        values.controlPlanes = []
        values.remoteControlPlanes = Array(
            repeating: EndpointAddress(host: "control", port: 1),
            count: 2
        )
        #expect(
            values.violations.map(\.field) == [
                "node", "cluster", "region", "zone", "sub-zone", "listen", "admin",
                "control-plane", "control-plane", "control-plane", "control-plane",
            ]
        )
        let template = try BootstrapTemplate(BootstrapTemplate.envoyText)
        #expect(throws: BootstrapError(violations: values.violations)) {
            try template.filled(with: values)
        }
    }

    @Test func `more control planes than the limit are refused`() {
        var values = Self.values()
        values.remoteControlPlanes = []
        values.controlPlanes = (1...BootstrapValues.maximumControlPlanes).map {
            EndpointAddress(host: "10.0.0.1", port: UInt16($0))
        }
        #expect(values.violations.isEmpty)
        values.controlPlanes.append(EndpointAddress(host: "10.0.0.2", port: 1))
        #expect(values.violations.map(\.field) == ["control-plane"])
    }

    @Test func `the listen and admin addresses must differ`() {
        var values = Self.values()
        values.admin = values.listen
        #expect(values.violations.map(\.field) == ["admin"])
    }

    // MARK: -

    private static func values() -> BootstrapValues {
        BootstrapValues(
            nodeID: "sidecar-eu-1",
            locality: Locality(region: "eu", zone: "eu-a"),
            listen: EndpointAddress(host: "::1", port: 15001),
            controlPlanes: [EndpointAddress(host: "10.0.0.1", port: 18000)],
            remoteControlPlanes: [EndpointAddress(host: "fd00::1", port: 18000)]
        )
    }

    private static func source(of template: String) -> String {
        let lines = template.split(separator: "\n", omittingEmptySubsequences: false).map {
            $0.isEmpty ? "" : "        \($0)"
        }
        // The last line of the literal is empty: the file ends with a line break.
        let literal = lines.joined(separator: "\n") + "\n"
        return """
            extension BootstrapTemplate {
                // swift-format-ignore: a copy of xds/bootstrap/envoy.yaml, as an installed program
                // has no repository.
                /// The text of `xds/bootstrap/envoy.yaml`.
                ///
                /// To change it, change that file, and run its test with `MERIDIAN_UPDATE_GOLDEN=1`
                /// to copy it here.
                package static let envoyText = #\"""
            \(literal)        \"""#
            }

            """
    }
}
