import Foundation
package import MeridianAPI
import SwiftProtobuf

extension Meridian_V1_ListRawResponse {
    /// The same, as JSON can show it: what its fields would not say in full is given as bytes.
    package var readyForJSON: Self {
        KnownTypes.register()
        var copy = self
        for set in copy.sets.indices {
            for index in copy.sets[set].resources.indices {
                copy.sets[set].resources[index].makeReadyForJSON()
            }
        }
        return copy
    }
}

extension Meridian_V1_RawResource {
    fileprivate mutating func makeReadyForJSON() {
        guard hasResource, !isCompleteInJSON else { return }
        let any = resource
        clearResource()
        encoded = .with {
            $0.typeURL = any.typeURL
            $0.value = any.value
        }
    }

    /// Whether the JSON of the resource makes the same bytes again, but for the order of fields.
    ///
    /// What is inside of it in another `Any` has to be in our order already; else it counts as not
    /// the same, which costs only that people are shown bytes.
    private var isCompleteInJSON: Bool {
        let before = Meridian_V1_RawResource.with { $0.resource = resource }
        guard let type = Google_Protobuf_Any.messageType(forTypeURL: resource.typeURL),
            let text = try? ResourceJSON.encode(before),
            let after = try? ResourceJSON.decode(
                Meridian_V1_RawResource.self,
                from: Array(text.utf8)
            )
        else { return false }
        return Self.ordered(resource.value, type) == Self.ordered(after.resource.value, type)
    }

    private static func ordered(_ bytes: Data, _ type: any Message.Type) -> [UInt8]? {
        var options = BinaryEncodingOptions()
        options.useDeterministicOrdering = true
        return try? type.init(serializedBytes: bytes).serializedBytes(options: options)
    }
}
