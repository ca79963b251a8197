/// Text from elsewhere as one line that a terminal can't be steered with.
///
/// Names and error texts come from workers and proxies; an escape sequence in one of them must not
/// reach the operator's terminal.
package func printable(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
        switch scalar.properties.generalCategory {
        case .control:
            result.unicodeScalars.append(scalar.properties.isWhitespace ? " " : "\u{FFFD}")
        case .format, .lineSeparator, .paragraphSeparator:
            result.unicodeScalars.append("\u{FFFD}")
        default:
            result.unicodeScalars.append(scalar)
        }
    }
    return result
}
