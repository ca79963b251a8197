/// The cases of the gRPC interoperability tests that `InteropClient` runs, by their official names.
package enum InteropCase: String, CaseIterable, Sendable {
    case emptyUnary = "empty_unary"
    case largeUnary = "large_unary"
    case clientStreaming = "client_streaming"
    case serverStreaming = "server_streaming"
    case pingPong = "ping_pong"
    case emptyStream = "empty_stream"
    case customMetadata = "custom_metadata"
    case statusCodeAndMessage = "status_code_and_message"
    case specialStatusMessage = "special_status_message"
    case unimplementedMethod = "unimplemented_method"
    case unimplementedService = "unimplemented_service"
    case cancelAfterBegin = "cancel_after_begin"
    case cancelAfterFirstResponse = "cancel_after_first_response"
    case timeoutOnSleepingServer = "timeout_on_sleeping_server"
    case clientCompressedUnary = "client_compressed_unary"
    case serverCompressedUnary = "server_compressed_unary"
    case clientCompressedStreaming = "client_compressed_streaming"
    case serverCompressedStreaming = "server_compressed_streaming"

    /// The cases that a `--test_case` names: one, several with commas between them, or `all`.
    package static func named(_ text: String) throws(UnknownInteropCase) -> [InteropCase] {
        if text == "all" { return allCases }
        var cases: [InteropCase] = []
        for name in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let known = InteropCase(rawValue: String(name)) else {
                throw UnknownInteropCase(name: String(name))
            }
            cases.append(known)
        }
        return cases
    }
}

/// A name that is no case.
package struct UnknownInteropCase: Error, Equatable, CustomStringConvertible {
    let name: String

    package var description: String {
        let known = InteropCase.allCases.map(\.rawValue).joined(separator: ", ")
        return "unknown test case \"\(name)\": expected all or some of \(known)"
    }
}
