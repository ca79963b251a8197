/// What a publisher does to one resource of a view.
package enum ResourceChange: Sendable {
    /// It is added or replaced.
    case put(EncodedResource)
    /// It is gone.
    case remove(ResourceReference)

    var reference: ResourceReference {
        switch self {
        case .put(let resource): resource.reference
        case .remove(let reference): reference
        }
    }

    var resource: EncodedResource? {
        switch self {
        case .put(let resource): resource
        case .remove: nil
        }
    }
}
