/// What a client answers a response by, unique among the responses of one type on one stream.
///
/// Made from the state that was sent, not from a random number or a counter of the stream, so that all
/// streams in the same place get the same nonce and share one encoded frame.
package struct Nonce: Hashable, Sendable {
    /// The state of the journal that the response was made from.
    package let cursor: Cursor
    /// Tells the responses apart that a stream gets from one state, as after a repeated subscription.
    package let ordinal: UInt64

    package init(cursor: Cursor, ordinal: UInt64) {
        self.cursor = cursor
        self.ordinal = ordinal
    }

    /// Reads what `text` wrote; nil for anything else, which then can't be a nonce of ours.
    package init?(_ text: String) {
        let parts = text.utf8.split(separator: 0x2E, omittingEmptySubsequences: false)
        guard parts.count == 3,
            let view = Self.number(parts[0]),
            let revision = Self.number(parts[1]),
            let ordinal = Self.number(parts[2])
        else { return nil }
        self.cursor = Cursor(view: ViewID(view), revision: Revision(revision))
        self.ordinal = ordinal
    }

    /// `view.revision.ordinal`, each in hexadecimal.
    package var text: String {
        [cursor.view.rawValue, cursor.revision.rawValue, ordinal]
            .map { String($0, radix: 16) }
            .joined(separator: ".")
    }

    private static func number(_ digits: Substring.UTF8View) -> UInt64? {
        // The one spelling that `text` has: no leading zero, sign or upper case.
        guard (1...16).contains(digits.count), digits.count == 1 || digits.first != 0x30,
            digits.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0) })
        else { return nil }
        return UInt64(Substring(digits), radix: 16)
    }
}

extension Nonce: CustomStringConvertible {
    package var description: String { text }
}
