import Foundation
package import SwiftProtobuf

/// JSON that can't be taken: where, and why.
package struct InvalidJSON: Error, Hashable, CustomStringConvertible {
    package let description: String
}

/// Protobuf's JSON for messages with resources of any type inside, without ever losing a field.
///
/// SwiftProtobuf reads what is inside of an `Any` when it is needed, and makes nothing of it when
/// that fails. Our messages of Envoy's API are slim, so that would drop what an operator wrote.
/// Here each `Any` is read at once, and what we have no field for is refused by its name.
package enum ResourceJSON {
    /// Reads a message; nothing at all stands for an empty one.
    package static func decode<Decoded: Message>(
        _ type: Decoded.Type = Decoded.self,
        from bytes: [UInt8]
    ) throws(InvalidJSON) -> Decoded {
        if bytes.isEmpty { return Decoded() }
        KnownTypes.register()
        let tree: [String: Any]
        do {
            let value = try JSONSerialization.jsonObject(with: Data(bytes))
            guard let object = value as? [String: Any] else {
                throw InvalidJSON(description: "expected a JSON object")
            }
            tree = object
        } catch let error as InvalidJSON {
            throw error
        } catch {
            throw InvalidJSON(description: "this is no JSON")
        }
        try checkEachAny(in: tree, at: "")
        return try reading("") {
            // What was checked is what is read, so not the bytes as they came: a key that is there
            // twice could be another one in them.
            try Decoded(jsonUTF8Bytes: JSONSerialization.data(withJSONObject: tree))
        }
    }

    /// Writes a message with the names of fields that JSON has in protobuf.
    package static func encode(_ message: some Message) throws -> String {
        KnownTypes.register()
        var options = JSONEncodingOptions()
        options.useDeterministicOrdering = true
        return try message.jsonString(options: options)
    }

    private static func checkEachAny(in value: Any, at path: String) throws(InvalidJSON) {
        if let list = value as? [Any] {
            for (index, element) in list.enumerated() {
                try checkEachAny(in: element, at: "\(path)[\(index)]")
            }
        }
        guard let object = value as? [String: Any] else { return }
        for key in object.keys.sorted() {
            guard let element = object[key] else { continue }
            try checkEachAny(in: element, at: path.isEmpty ? key : "\(path).\(key)")
        }
        guard let typeURL = object["@type"] as? String else { return }
        guard let type = Google_Protobuf_Any.messageType(forTypeURL: typeURL) else {
            throw InvalidJSON(
                description:
                    "\(path): the fields of \(typeURL) are not known here; give the resource as "
                    + "encoded: {\"typeUrl\": …, \"value\": its bytes in base64}"
            )
        }
        try reading(path) {
            let any = try Google_Protobuf_Any(
                jsonUTF8Bytes: JSONSerialization.data(withJSONObject: object)
            )
            try read(any, as: type)
        }
    }

    private static func read<Content: Message>(
        _ any: Google_Protobuf_Any,
        as type: Content.Type
    ) throws {
        _ = try Content(unpackingAny: any)
    }

    private static func reading<Result>(
        _ path: String,
        _ body: () throws -> Result
    ) throws(InvalidJSON) -> Result {
        do {
            return try body()
        } catch {
            let reason =
                if case JSONDecodingError.unknownField(let name)? = error as? JSONDecodingError {
                    "unknown field \"\(name)\""
                } else {
                    "\(error)"
                }
            throw InvalidJSON(description: path.isEmpty ? reason : "\(path): \(reason)")
        }
    }
}
