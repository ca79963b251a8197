package import Mesh

/// Text with named places, `${name}`, that JSON values are put into.
///
/// A JSON value is a YAML value too, strings always in quotes, so no value can change the structure
/// around it. Values are inserted in one pass: what looks like a place inside a value stays as it
/// is.
package struct BootstrapTemplate: Hashable, Sendable {
    private enum Piece: Hashable {
        case text(Substring)
        case place(Substring)
    }

    private let pieces: [Piece]

    /// Reads a template; throws when a place is not closed or has no proper name.
    package init(_ text: String) throws(BootstrapError) {
        var pieces: [Piece] = []
        var violations: [FieldViolation] = []
        var rest = text[...]
        var line = 1
        while let start = rest.firstRange(of: "${") {
            pieces.append(.text(rest[..<start.lowerBound]))
            line += rest[..<start.lowerBound].count { $0.isNewline }
            rest = rest[start.upperBound...]
            let name = rest.prefix { $0.isASCII && ($0.isLowercase || $0 == "_") }
            rest = rest[name.endIndex...]
            if name.isEmpty || rest.first != "}" {
                violations.append(
                    FieldViolation(
                        field: "template line \(line)",
                        message: "\"${\(name)\" is no place for a value, expected a name of "
                            + "lower-case letters and '_' between \"${\" and \"}\""
                    )
                )
            } else {
                pieces.append(.place(name))
                rest = rest.dropFirst()
            }
        }
        pieces.append(.text(rest))
        guard violations.isEmpty else { throw BootstrapError(violations: violations) }
        self.pieces = pieces
    }

    /// Fills every place; throws what is wrong with the values, or which places and values have no
    /// partner.
    package func filled(with values: BootstrapValues) throws(BootstrapError) -> String {
        let violations = values.violations
        guard violations.isEmpty else { throw BootstrapError(violations: violations) }
        return try filled(with: values.jsonByPlace)
    }

    /// Fills the places with JSON text by name.
    func filled(with jsonByPlace: [String: String]) throws(BootstrapError) -> String {
        var violations: [FieldViolation] = []
        var used: Set<String> = []
        var result = ""
        for piece in pieces {
            switch piece {
            case .text(let text):
                result += text
            case .place(let name):
                guard let json = jsonByPlace[String(name)] else {
                    let known = jsonByPlace.keys.sorted().joined(separator: ", ")
                    violations.append(
                        FieldViolation(
                            field: "${\(name)}",
                            message: "the template has an unknown place, expected one of \(known)"
                        )
                    )
                    continue
                }
                used.insert(String(name))
                result += json
            }
        }
        for name in jsonByPlace.keys.sorted() where !used.contains(name) {
            violations.append(
                FieldViolation(
                    field: "${\(name)}",
                    message: "the template has no place for this value, expected one at least"
                )
            )
        }
        guard violations.isEmpty else { throw BootstrapError(violations: violations) }
        return result
    }
}

/// A bootstrap that can't be made, with everything that is wrong.
package struct BootstrapError: Error, Hashable, CustomStringConvertible {
    package let violations: [FieldViolation]

    package var description: String { violations.map(\.description).joined(separator: "\n") }
}
