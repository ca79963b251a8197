import Glibc
package import Reports
package import YAML

/// A directory of report definitions, one in each `*.yaml` file.
package struct ReportDirectory: Sendable {
    package static let maximumFiles = 1_000
    package static let maximumFileBytes = 1 << 20

    package let path: String

    package init(path: String) {
        self.path = path
    }

    /// Reads every definition, sorted by file name; throws what is wrong in any of the files.
    package func definitions() throws(Diagnostics) -> [ReportDefinition] {
        let names = try fileNames()
        var definitions: [ReportDefinition] = []
        var diagnostics: [Diagnostic] = []
        var files: [String: String] = [:]
        for name in names {
            let file = "\(path)/\(name)"
            do throws(Diagnostics) {
                let text = try Self.read(file)
                let definition = try ReportDefinition.decode(try YAMLNode.parse(text, file: file))
                if let other = files.updateValue(file, forKey: definition.name) {
                    let message =
                        "report \"\(definition.name)\" is also in \(other), expected one definition of it"
                    throw Self.problem(file, message)
                }
                definitions.append(definition)
            } catch {
                diagnostics += error.all
            }
        }
        guard diagnostics.isEmpty else { throw Diagnostics(diagnostics) }
        return definitions
    }

    private func fileNames() throws(Diagnostics) -> [String] {
        guard let directory = opendir(path) else {
            let message = "can't be read: \(systemMessage(errno)), expected a directory of reports"
            throw Self.problem(path, message)
        }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard name.hasSuffix(".yaml"), !name.hasPrefix(".") else { continue }
            names.append(name)
            guard names.count <= Self.maximumFiles else {
                throw Self.problem(
                    path,
                    "too many files, expected at most \(Self.maximumFiles) reports"
                )
            }
        }
        guard !names.isEmpty else {
            throw Self.problem(path, "no *.yaml file, expected one report definition at least")
        }
        return names.sorted()
    }

    private static func read(_ file: String) throws(Diagnostics) -> String {
        guard let stream = fopen(file, "re") else {
            throw problem(
                file,
                "can't be read: \(systemMessage(errno)), expected a report definition"
            )
        }
        defer { fclose(stream) }
        var isTooLong = false
        let bytes = [UInt8](unsafeUninitializedCapacity: maximumFileBytes + 1) { buffer, count in
            count = fread(buffer.baseAddress, 1, buffer.count, stream)
            isTooLong = count > maximumFileBytes
        }
        guard !isTooLong else {
            throw problem(file, "too long, expected at most \(maximumFileBytes) bytes")
        }
        guard ferror(stream) == 0, let text = String(validating: bytes, as: UTF8.self) else {
            throw problem(file, "unreadable, expected text in UTF-8")
        }
        return text
    }

    private static func problem(_ file: String, _ message: String) -> Diagnostics {
        Diagnostics([Diagnostic(file: file, line: 1, column: 1, message: message)])
    }
}
