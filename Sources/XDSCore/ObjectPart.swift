package import Primitives

/// What one operator's object contributes to a resource that is made of several, such as a
/// service's routes in a route configuration.
///
/// A class, so that the resources, the views and whoever remembers a refusal share it. Two parts
/// are the same when object and content are: a revision that changed nothing of it makes no other
/// part.
package final class ObjectPart: Sendable, Hashable {
    /// The object in the operators' words, such as `service reports`.
    package let object: String
    /// The revision of the store in which the object became what it is; 0 if there is none.
    package let revision: UInt64
    /// The part, encoded as only its translator knows.
    package let bytes: [UInt8]
    /// Tells this part from every other one.
    package let identity: StableHash
    /// Texts of the part that a client may quote when it refuses it, such as a regular expression.
    package let quotables: [String]

    package init(object: String, revision: UInt64, bytes: [UInt8], quotables: [String] = []) {
        self.object = object
        self.revision = revision
        self.bytes = bytes
        self.identity = StableHash(Array(object.utf8) + [0] + bytes)
        self.quotables = quotables
    }

    /// Whether a client's text may mean this part: it has the object's name, or quotes the part.
    ///
    /// A hint only: the wording of a refusal isn't to be relied on.
    package func isMentioned(in text: String) -> Bool {
        if let name = object.split(separator: " ").last, text.mentions(String(name)) { return true }
        return quotables.contains { !$0.isEmpty && text.contains($0) }
    }

    package static func == (lhs: ObjectPart, rhs: ObjectPart) -> Bool {
        lhs === rhs || lhs.identity == rhs.identity
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(identity)
    }
}
