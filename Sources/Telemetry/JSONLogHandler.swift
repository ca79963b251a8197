import Foundation
package import Logging

/// Writes one JSON object a line to standard error: `time`, `level`, `label`, `message` and the
/// metadata.
///
/// Keys of the metadata that collide with these are kept under `metadata.`; the keys are sorted.
package struct JSONLogHandler: LogHandler {
    package var metadata: Logger.Metadata = [:]
    package var logLevel: Logger.Level
    private let label: String

    private static let reserved: Set<String> = ["time", "level", "label", "message"]

    package init(label: String, level: Logger.Level = .info) {
        self.label = label
        self.logLevel = level
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        let merged = metadata.merging(event.metadata ?? [:]) { _, new in new }
        var line = "{\"time\":\"\(Date().formatted(Self.timeStyle))\",\"level\":\"\(event.level)\""
        line += ",\"label\":\(quoted(label)),\"message\":\(quoted("\(event.message)"))"
        for (key, value) in merged.sorted(by: { $0.key < $1.key }) {
            let name = Self.reserved.contains(key) ? "metadata.\(key)" : key
            line += ",\(quoted(name)):\(quoted("\(value)"))"
        }
        line += "}\n"
        // One write for one line, so that lines of several threads don't mix.
        FileHandle.standardError.write(Data(line.utf8))
    }

    private static let timeStyle = Date.ISO8601FormatStyle(includingFractionalSeconds: true)

    private func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            case "\r": quoted += "\\r"
            case "\t": quoted += "\\t"
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
