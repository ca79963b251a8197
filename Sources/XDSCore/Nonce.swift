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
        var text = text
        guard let nonce = text.withUTF8({ Self(utf8: UnsafeRawBufferPointer($0)) }) else {
            return nil
        }
        self = nonce
    }

    /// The same from bytes as they came in.
    package init?(utf8 text: UnsafeRawBufferPointer) {
        var numbers = (UInt64(0), UInt64(0), UInt64(0))
        var (part, digits) = (0, 0)
        for byte in text {
            if byte == 0x2E {
                guard digits > 0, part < 2 else { return nil }
                numbers = (numbers.1, numbers.2, 0)
                part += 1
                digits = 0
            } else {
                // The one spelling that `text` has: no leading zero, sign or upper case.
                guard digits < 16, digits != 1 || numbers.2 != 0, let digit = Self.digit(byte)
                else { return nil }
                numbers.2 = numbers.2 << 4 | digit
                digits += 1
            }
        }
        guard part == 2, digits > 0 else { return nil }
        cursor = Cursor(view: ViewID(numbers.0), revision: Revision(numbers.1))
        ordinal = numbers.2
    }

    /// `view.revision.ordinal`, each in hexadecimal.
    package var text: String {
        [cursor.view.rawValue, cursor.revision.rawValue, ordinal]
            .map { String($0, radix: 16) }
            .joined(separator: ".")
    }

    private static func digit(_ byte: UInt8) -> UInt64? {
        switch byte {
        case 0x30...0x39: UInt64(byte - 0x30)
        case 0x61...0x66: UInt64(byte - 0x61 + 10)
        default: nil
        }
    }
}

extension Nonce: CustomStringConvertible {
    package var description: String { text }
}
