import Foundation
import FoundationNetworking
import Primitives

/// What a sidecar itself says, through Envoy's admin interface.
struct EnvoyAdmin {
    /// One worker as Envoy sees it.
    struct Endpoint: Hashable {
        let region: String
        let port: UInt16
        /// True when the control plane lists it as healthy and Envoy has found nothing else.
        let isRoutable: Bool
    }

    let address: EndpointAddress
    private let base: String

    init(_ address: EndpointAddress) {
        self.address = address
        base = "http://\(address)"
    }

    var isReady: Bool {
        get async { (try? await get("/ready")) != nil }
    }

    /// The endpoints of all clusters that came from the control plane.
    func endpoints() async throws -> [Endpoint] {
        let clusters = try JSONDecoder().decode(
            Clusters.self,
            from: try await get("/clusters?format=json")
        )
        return clusters.cluster_statuses.filter { $0.added_via_api ?? false }
            .flatMap { $0.host_statuses ?? [] }
            .map { host in
                Endpoint(
                    region: host.locality?.region ?? "",
                    port: host.address.socket_address.port_value,
                    isRoutable: host.health_status.isRoutable
                )
            }
    }

    /// The active clusters that came from the control plane.
    func clusterNames() async throws -> Set<String> {
        let clusters = try JSONDecoder().decode(
            Clusters.self,
            from: try await get("/clusters?format=json")
        )
        return Set(
            clusters.cluster_statuses.filter { $0.added_via_api ?? false }.compactMap(\.name)
        )
    }

    /// How many endpoints of each region Envoy would send requests to.
    func routable() async throws -> [String: Int] {
        try await endpoints().filter(\.isRoutable).reduce(into: [:]) {
            $0[$1.region, default: 0] += 1
        }
    }

    func waitUntilRoutable(
        _ expected: [String: Int],
        within limit: Duration = .seconds(15)
    )
        async throws
    {
        try await waitUntil("the sidecar to see \(expected)", within: limit) {
            try await routable() == expected
        }
    }

    /// Counters and gauges whose names match the expression.
    func stats(_ filter: String) async throws -> [String: Int] {
        let query = filter.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
        let stats = try JSONDecoder().decode(
            Stats.self,
            from: try await get("/stats?format=json&filter=\(query)")
        )
        return stats.stats.reduce(into: [:]) { values, stat in
            if let name = stat.name, let value = stat.value { values[name] = value }
        }
    }

    /// The value of a runtime key; nil without one.
    func runtime(_ key: String) async throws -> String? {
        let runtime = try JSONDecoder().decode(Runtime.self, from: try await get("/runtime"))
        return runtime.entries[key]?.final_value
    }

    func get(_ path: String) async throws -> Data {
        guard let url = URL(string: base + path) else { throw URLError(.badURL) }
        let request = URLRequest(url: url, timeoutInterval: 5)
        let (data, response) = try await URLSession.shared.data(for: request)
        guard (response as? HTTPURLResponse)?.statusCode == 200 else {
            throw URLError(.badServerResponse)
        }
        return data
    }
}

// Envoy's own words (envoy/admin/v3/clusters.proto), as far as they are of interest here.

private struct Clusters: Decodable {
    struct Cluster: Decodable {
        let name: String?
        let added_via_api: Bool?
        let host_statuses: [Host]?
    }

    struct Host: Decodable {
        struct Address: Decodable {
            struct Socket: Decodable {
                let port_value: UInt16
            }

            let socket_address: Socket
        }

        struct Locality: Decodable {
            let region: String?
        }

        let address: Address
        let locality: Locality?
        let health_status: Health
    }

    struct Health: Decodable {
        let eds_health_status: String?
        let failed_active_health_check: Bool?
        let failed_outlier_check: Bool?
        let pending_dynamic_removal: Bool?

        var isRoutable: Bool {
            let found = [failed_active_health_check, failed_outlier_check, pending_dynamic_removal]
            return eds_health_status == "HEALTHY" && !found.contains(true)
        }
    }

    let cluster_statuses: [Cluster]
}

private struct Stats: Decodable {
    struct Stat: Decodable {
        // Histograms have neither.
        let name: String?
        let value: Int?
    }

    let stats: [Stat]
}

private struct Runtime: Decodable {
    struct Entry: Decodable {
        let final_value: String
    }

    let entries: [String: Entry]
}
