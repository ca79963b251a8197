import Foundation
import FoundationNetworking
import Primitives

/// What a plain HTTP request through a sidecar is answered with.
struct HTTPAnswer: Equatable {
    let status: Int
    let body: String

    /// - Parameters:
    ///   - host: what the request says for its host.
    ///   - headers: what else it says.
    static func get(
        _ address: EndpointAddress,
        _ path: String = "/",
        host: String? = nil,
        headers: [String: String] = [:]
    ) async throws -> Self {
        guard let url = URL(string: "http://\(address)\(path)") else { throw URLError(.badURL) }
        var request = URLRequest(
            url: url,
            cachePolicy: .reloadIgnoringLocalCacheData,
            timeoutInterval: 30
        )
        if let host { request.setValue(host, forHTTPHeaderField: "Host") }
        for (name, value) in headers { request.setValue(value, forHTTPHeaderField: name) }
        let (data, response) = try await URLSession.shared.data(for: request)
        return Self(
            status: (response as? HTTPURLResponse)?.statusCode ?? 0,
            body: String(decoding: data, as: UTF8.self)
        )
    }
}
