/// What operators wrote that a resource was made from: where to look when a client refuses it.
package final class ResourceOrigin: Sendable, Hashable {
    /// The objects in the operators' words, such as `service reports`.
    package let objects: [String]
    /// The revision of the store in which they became what they are; 0 if there is none.
    package let revision: UInt64
    /// What each object put into a resource that is made of several; nil for all others.
    package let composition: Composition?

    package init(objects: [String], revision: UInt64, composition: Composition? = nil) {
        self.objects = objects
        self.revision = revision
        self.composition = composition
    }

    /// The resource is made of several objects' parts, of which each may be left out.
    package var isAggregate: Bool { composition != nil }

    package static func == (lhs: ResourceOrigin, rhs: ResourceOrigin) -> Bool {
        lhs === rhs || (lhs.revision == rhs.revision && lhs.objects == rhs.objects)
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(revision)
        hasher.combine(objects)
    }
}
