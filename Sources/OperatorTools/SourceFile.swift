import Glibc
import YAML

/// A file that an operator names on the command line.
package struct SourceFile: Sendable {
    /// The name that diagnostics carry.
    package let name: String
    package let text: String

    /// Reads the file whole; `-` stands for standard input.
    package init(path: String) throws(OperatorError) {
        let isInput = path == "-"
        name = isInput ? "<stdin>" : path
        guard let stream = isInput ? fdopen(dup(STDIN_FILENO), "r") : fopen(path, "re") else {
            throw Self.error(path, String(cString: strerror(errno)))
        }
        defer { fclose(stream) }
        let maximumBytes = YAMLLimits().maximumBytes
        let bytes = [UInt8](unsafeUninitializedCapacity: maximumBytes + 1) { buffer, count in
            count = fread(buffer.baseAddress, 1, buffer.count, stream)
        }
        guard ferror(stream) == 0 else {
            throw Self.error(path, String(cString: strerror(errno)))
        }
        guard bytes.count <= maximumBytes else {
            throw Self.error(path, "it is longer than \(maximumBytes) bytes")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Self.error(path, "it is no text in UTF-8")
        }
        self.text = text
    }

    private static func error(_ path: String, _ reason: String) -> OperatorError {
        OperatorError(.unusableFile, "\(path): can't be read: \(reason)")
    }
}
