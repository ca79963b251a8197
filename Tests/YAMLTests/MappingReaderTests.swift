import Primitives
import Testing
import YAML

struct MappingReaderTests {
    private enum Mode: String, CaseIterable {
        case fast
        case safe
    }

    private struct Zone: Equatable {
        var name: ZoneName
        var weight: Int
    }

    private func diagnostics(_ text: String, _ body: (MappingReader) -> Void) throws -> [String] {
        let node = try YAMLNode.parse(text, file: "mesh.yaml")
        do throws(Diagnostics) {
            try node.decode(body)
            return []
        } catch {
            return error.all.map(\.description)
        }
    }

    @Test func `fields of every kind are read`() throws {
        let text = """
            name: eu
            weight: 7
            ratio: 0.5
            enabled: true
            timeout: 250ms
            mode: safe
            hosts: [a, b]
            distances: {us: 80, ap: 120}
            zones:
              - name: eu-a
              - {name: eu-b, weight: 3}
            limits:
              idle: 2m
            byName:
              x: {weight: 1}
            nothing: ~
            """
        let node = try YAMLNode.parse(text, file: "mesh.yaml")
        try node.decode { fields in
            #expect(fields.required("name", .identifier()) as RegionName == "eu")
            #expect(fields.required("weight", .integer(in: 1...100)) == 7)
            #expect(fields.required("ratio", .double(in: 0...1)) == 0.5)
            #expect(fields.required("enabled", .boolean))
            #expect(fields.required("timeout", .duration()) == .milliseconds(250))
            #expect(fields.required("mode", .choice()) == Mode.safe)
            #expect(fields.list("hosts", .text) == ["a", "b"])
            let distances = fields.entries("distances", .integer(in: 0...500))
            #expect(distances.map(\.key.value) == ["us", "ap"])
            #expect(distances.map(\.value) == [80, 120])
            let zones = fields.mappings("zones", count: 1...4) {
                Zone(
                    name: $0.required("name", .identifier()),
                    weight: $0.value("weight", .integer(in: 1...9), default: 1)
                )
            }
            #expect(zones == [Zone(name: "eu-a", weight: 1), Zone(name: "eu-b", weight: 3)])
            let idle = fields.mapping("limits") { $0.required("idle", .duration()) }
            #expect(idle == .seconds(120))
            let named = fields.namedMappings("byName") { name, fields in
                (name.value, fields.required("weight", .integer(in: 1...9)))
            }
            #expect(named.map(\.0) == ["x"])
            #expect(fields.optional("nothing", .text) == nil)
            #expect(fields.optional("absent", .text) == nil)
            #expect(fields.value("absent", .text, default: "x") == "x")
            #expect(fields.mappingOrDefaults("absent") { $0.value("a", .boolean, default: true) })
        }
    }

    @Test func `an unknown field is reported with the field that was meant`() throws {
        let found = try diagnostics("name: eu\nregions:\n  - wieght: 3\n    region: eu\n") {
            fields in
            _ = fields.required("name", .text)
            _ = fields.mappings("regions") { fields in
                _ = fields.value("weight", .integer(in: 1...9), default: 1)
                _ = fields.required("region", .text)
            }
        }
        let expected =
            "mesh.yaml:3:5: unknown field \"wieght\", expected one of: weight, region "
            + "(did you mean \"weight\"?)"
        #expect(found == [expected])
    }

    @Test func `all mistakes are found in one run, in the order of the file`() throws {
        let text = """
            timeout: 5 seconds
            weight: "5"
            mode: slow
            zones: 7
            colour: red
            hosts: [ok, ""]
            """
        let found = try diagnostics(text) { fields in
            _ = fields.required("name", .name)
            _ = fields.required("weight", .integer(in: 1...100))
            _ = fields.required("mode", .choice()) as Mode
            _ = fields.required("timeout", .duration(in: .zero ... .seconds(60)))
            _ = fields.mappings("zones", count: 1...3) { $0.required("name", .text) }
            _ = fields.list("hosts", .text)
            _ = fields.mapping("limits") { $0.required("idle", .duration()) }
        }
        let names = "name, weight, mode, timeout, zones, hosts, limits"
        #expect(
            found == [
                "mesh.yaml:1:1: missing field \"name\", expected a name of at most 63 letters, "
                    + "digits, '-', '_' or '.'",
                "mesh.yaml:1:1: missing field \"limits\", expected a mapping",
                "mesh.yaml:1:10: field \"timeout\": expected a duration from 0s to 1m, such as "
                    + "250ms, 5s or 2m, got \"5 seconds\"",
                "mesh.yaml:2:9: field \"weight\": expected an integer from 1 to 100, "
                    + "got the text \"5\"",
                "mesh.yaml:3:7: field \"mode\": expected one of: fast, safe, got \"slow\"",
                "mesh.yaml:4:8: field \"zones\": expected a sequence of 1 to 3 elements, got \"7\"",
                "mesh.yaml:5:1: unknown field \"colour\", expected one of: \(names)",
                "mesh.yaml:6:13: field \"hosts\": expected text, got the text \"\"",
            ]
        )
    }

    @Test func `the caller's own checks are reported where they belong`() throws {
        let found = try diagnostics("from: 9\nto: 3\n") { fields in
            let from = fields.required("from", .integer(in: 0...9))
            let to = fields.required("to", .located(.integer(in: 0...9)))
            if from > to.value {
                fields.report("\"to\" is before \"from\", expected \(from) or more", at: to.node)
            }
        }
        #expect(found == ["mesh.yaml:2:5: \"to\" is before \"from\", expected 9 or more"])
    }

    @Test func `a document that is no mapping is refused`() throws {
        let found = try diagnostics("- 1\n") { _ = $0.required("name", .text) }
        #expect(found == ["mesh.yaml:1:1: expected a mapping, got a sequence"])
    }

    @Test(arguments: [
        ("0s", Duration.zero), ("250ms", .milliseconds(250)), ("7us", .microseconds(7)),
        ("5s", .seconds(5)), ("2m", .seconds(120)), ("3h", .seconds(10_800)), ("", nil),
        ("5", nil), ("s", nil), ("-5s", nil), ("1.5s", nil), ("5S", nil), ("9999999999999s", nil),
        ("٣s", nil),
    ])
    func `durations are a whole number and a unit`(text: String, expected: Duration?) {
        let duration = parseDuration(text)
        #expect(duration == expected)
    }

    @Test(arguments: ["0s", "250ms", "7us", "5s", "2m", "3h", "90s", "1500ms"])
    func `a duration reads back from its text`(text: String) throws {
        let duration = try #require(parseDuration(text))
        #expect(durationText(duration) == text)
    }
}
