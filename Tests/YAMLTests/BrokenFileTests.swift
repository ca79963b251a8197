import Primitives
import Testing
import YAML

struct BrokenFileTests {
    private let whole = """
        # A mesh, nearly.
        name: three-regions
        regions:
          - {name: eu, weight: 80, zones: [eu-a, "eu-b"]}
          - name: us
            timeout: 250ms
            note: |
              two
              lines
        limits: {idle: 2m, 'odd key': "\\u00fc\\n"}
        """

    /// One byte or a few changed, removed, doubled or moved.
    private func broken(_ bytes: [UInt8], _ random: inout SeededRandom) -> [UInt8] {
        var bytes = bytes
        let marks = Array("{}[],:&*!|>'\"%@`#-? \n\t~".utf8)
        for _ in 0...Int.random(in: 0..<4, using: &random) {
            guard let index = bytes.indices.randomElement(using: &random) else { return bytes }
            switch Int.random(in: 0..<5, using: &random) {
            case 0: bytes[index] = UInt8.random(in: .min ... .max, using: &random)
            case 1: bytes.remove(at: index)
            case 2: bytes.insert(marks.randomElement(using: &random) ?? 0, at: index)
            case 3: bytes.removeSubrange(index...)
            default: bytes.insert(contentsOf: bytes[index...].prefix(40), at: index)
            }
        }
        return bytes
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func `a broken file is read or refused with a place inside it`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<200 {
            let text = String(decoding: broken(Array(whole.utf8), &random), as: UTF8.self)
            // libyaml sees the end of a text on a line of its own, even behind an unfinished line.
            let lines = text.count(where: \.isNewline) + 2
            do throws(Diagnostics) {
                let node = try YAMLNode.parse(text, file: "f")
                try node.decode { fields in
                    _ = fields.required("name", .name)
                    _ = fields.mappings("regions") { fields in
                        _ = fields.required("name", .name)
                        _ = fields.list("zones", .name)
                        _ = fields.value("timeout", .duration(), default: .zero)
                    }
                    _ = fields.entries("limits", .text)
                }
            } catch {
                #expect(!error.all.isEmpty, "seed \(seed)")
                for diagnostic in error.all {
                    let isInside = (1...lines).contains(diagnostic.line) && diagnostic.column >= 1
                    #expect(isInside, "seed \(seed): \(diagnostic)")
                }
            }
        }
    }
}
