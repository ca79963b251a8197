/// One thing that is wrong in a file, and where: `mesh.yaml:14:9: what is wrong, what was expected`.
package struct Diagnostic: Error, Hashable, Sendable, CustomStringConvertible {
    package let file: String
    /// The line, from 1.
    package let line: Int
    /// The column in characters, from 1.
    package let column: Int
    package let message: String

    package init(file: String, line: Int, column: Int, message: String) {
        self.file = file
        self.line = line
        self.column = column
        self.message = message
    }

    package var description: String {
        "\(file):\(line):\(column): \(message)"
    }
}

/// Everything that is wrong in a file, in the order of the file.
package struct Diagnostics: Error, Hashable, Sendable, CustomStringConvertible {
    package let all: [Diagnostic]

    package init(_ all: [Diagnostic]) {
        self.all = all
    }

    /// One diagnostic a line.
    package var description: String {
        all.map(\.description).joined(separator: "\n")
    }
}
