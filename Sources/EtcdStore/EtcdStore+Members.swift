import EtcdAPI
import GRPC
package import Primitives
import Store

/// How one member of the cluster is doing.
package struct EtcdMemberStatus: Hashable, Sendable {
    package let endpoint: EndpointAddress
    package let version: String
    /// Nil when it knows none.
    package let leader: UInt64?
    package let isLeader: Bool
    package let databaseBytes: Int64
}

extension EtcdStore {
    /// Asks each member about itself, at the same time; in the order of the endpoints, those that
    /// don't answer left out.
    package func memberStatuses() async -> [EtcdMemberStatus] {
        let timeout = configuration.attemptTimeout
        return await withTaskGroup(of: (Int, EtcdMemberStatus?).self) { group in
            for (index, endpoint) in configuration.endpoints.enumerated() {
                let client = caller.client(index)
                group.addTask {
                    let response: Etcdserverpb_StatusResponse? = try? await client.unary(
                        "/etcdserverpb.Maintenance/Status",
                        Etcdserverpb_StatusRequest(),
                        timeout: timeout
                    )
                    return (index, response.map { EtcdMemberStatus(endpoint, $0) })
                }
            }
            var answers: [(Int, EtcdMemberStatus?)] = []
            for await answer in group { answers.append(answer) }
            return answers.sorted { $0.0 < $1.0 }.compactMap(\.1)
        }
    }
}

extension EtcdMemberStatus {
    fileprivate init(_ endpoint: EndpointAddress, _ wire: Etcdserverpb_StatusResponse) {
        self.init(
            endpoint: endpoint,
            version: wire.version,
            leader: wire.leader == 0 ? nil : wire.leader,
            isLeader: wire.leader != 0 && wire.leader == wire.header.memberID,
            databaseBytes: wire.dbSize
        )
    }
}
