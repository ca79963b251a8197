/// Reads `name=value` arguments; `field` is what errors are said about.
///
/// A value may hold `=` itself and may be empty.
package func parseNamedValues(
    _ arguments: [String],
    field: String,
    example: String
) throws(OperatorError) -> [String: String] {
    var values: [String: String] = [:]
    for argument in arguments {
        let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, let name = parts.first, let value = parts.last, !name.isEmpty else {
            throw OperatorError(
                .invalidArgument,
                "\(field): expected \(example), got \"\(argument)\""
            )
        }
        guard values.updateValue(String(value), forKey: String(name)) == nil else {
            throw OperatorError(
                .invalidArgument,
                "\(field): \"\(name)\" is given twice, expected it once"
            )
        }
    }
    return values
}
