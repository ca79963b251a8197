/// What names of regions, zones and services look like: a DNS label.
///
/// They become parts of host names, metric labels and file names; a strict rule now spares escaping
/// later.
package enum NameRule {
    package static let maximumLength = 63
    /// The rule in words, for messages that say what was expected.
    package static let expectation =
        "a name of lower-case letters, digits and '-' that starts and ends with a letter or digit, "
        + "at most 63 characters"

    package static func accepts(_ text: String) -> Bool {
        let bytes = text.utf8
        guard let first = bytes.first, let last = bytes.last, bytes.count <= maximumLength else {
            return false
        }
        return isLetterOrDigit(first) && isLetterOrDigit(last)
            && bytes.allSatisfy { isLetterOrDigit($0) || $0 == UInt8(ascii: "-") }
    }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
            || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }
}
