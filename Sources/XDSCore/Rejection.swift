import Primitives

extension Subscription {
    /// Why and at which version the client refused a resource.
    ///
    /// A NACK is for a response. Envoy refuses single resources of it and applies the others, and only its
    /// text says which. The wording isn't to be relied on, but our own names in it are: where some of the
    /// response's names occur, these were refused, else any of them may have been.
    package struct Rejection: Hashable, Sendable {
        /// The version that was refused; nil for a removal.
        package let version: Version?
        /// The client's own words, cut to a bound.
        ///
        /// They echo configuration: show them to operators only.
        package let error: ErrorDetail
        /// The response that was refused.
        package let nonce: Nonce
        /// The client's text has the resource's name, or the response had no other; otherwise it is one of
        /// several suspects.
        package let isNamed: Bool
        /// What the refused resource was made from.
        package let origin: ResourceOrigin?
    }
}

extension String {
    /// Whether `name` stands in the text as a word of its own, not as a part of a longer name.
    package func mentions(_ name: String) -> Bool {
        let text = Array(utf8)
        let word = Array(name.utf8)
        guard !word.isEmpty, word.count <= text.count else { return false }
        for start in 0...(text.count - word.count) where text[start] == word[0] {
            let end = start + word.count
            guard text[start..<end].elementsEqual(word) else { continue }
            let isStart = start == 0 || !text[start - 1].isPartOfName
            // A dot or a colon after a name ends a sentence as often as it goes on.
            let isEnd = end == text.count || !text[end].isPartOfName
            if isStart, isEnd { return true }
        }
        return false
    }

    /// The longest prefix of whole characters within so many bytes.
    package func prefix(utf8Bytes maximum: Int) -> String {
        guard utf8.count > maximum else { return self }
        var end = utf8.index(startIndex, offsetBy: max(0, maximum))
        while end > startIndex, end.samePosition(in: self) == nil {
            end = utf8.index(before: end)
        }
        return String(self[..<end])
    }
}

extension UInt8 {
    /// ASCII letters and digits, `-`, `_` and anything beyond ASCII.
    fileprivate var isPartOfName: Bool {
        switch self {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x5F, 0x80...0xFF: true
        default: false
        }
    }
}
