/// A request that can't be answered because of one of its parameters.
package struct ParameterError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Which parameter is wrong.
    package let parameter: String
    /// What is wrong and what was expected, without the name.
    package let message: String

    package var description: String {
        "parameter \(quoted(parameter)): \(message)"
    }
}

extension ReportDefinition {
    /// The values of all parameters in the order of the definition, or what is wrong with the first bad one.
    ///
    /// Nothing has run when this throws.
    package func values(
        for arguments: [String: String]
    ) throws(ParameterError) -> [ParameterValue] {
        try refuseUnknown(arguments)
        var values: [ParameterValue] = []
        values.reserveCapacity(parameters.count)
        for parameter in parameters {
            values.append(try parameter.value(for: arguments[parameter.name]))
        }
        return values
    }

    private func refuseUnknown(_ arguments: [String: String]) throws(ParameterError) {
        let known = parameters.map(\.name)
        // A smallest name, as a dictionary's order must not show.
        guard let unknown = arguments.keys.filter({ !known.contains($0) }).min() else { return }
        let expected = known.isEmpty ? "no parameters" : "one of: \(known.joined(separator: ", "))"
        throw ParameterError(
            parameter: unknown,
            message: "report \(quoted(name)) has none of this name, expected \(expected)"
        )
    }
}

extension ReportParameter {
    fileprivate func value(for text: String?) throws(ParameterError) -> ParameterValue {
        guard let text else {
            guard !isRequired else {
                throw ParameterError(
                    parameter: name,
                    message: "missing, expected \(type.expectation)"
                )
            }
            return standard
        }
        guard let value = type.value(of: text) else {
            throw ParameterError(
                parameter: name,
                message: "expected \(type.expectation), got \(quoted(text))"
            )
        }
        return value
    }
}

/// Text of a client in quotes, cut and without control characters, as it ends in logs and status messages.
private func quoted(_ text: String) -> String {
    let maximumCharacters = 40
    var shown = ""
    for scalar in text.unicodeScalars.prefix(maximumCharacters) {
        let isControl = scalar.value < 0x20 || (0x7F..<0xA0).contains(scalar.value)
        shown.unicodeScalars.append(isControl ? "\u{FFFD}" : scalar)
    }
    let isCut = text.unicodeScalars.dropFirst(maximumCharacters).first != nil
    return "\"\(shown)\(isCut ? "…" : "")\""
}
