import EtcdAPI
package import Store

extension EtcdStore {
    /// etcd has a minimum of its own, about twice what it takes to elect a leader.
    package func grantLease(for timeToLive: Duration) async throws(StoreError) -> Lease {
        let seconds = try configuration.limits.leaseSeconds(timeToLive)
        let response = try await caller.call(Self.grant, .with { $0.ttl = seconds })
        return Lease(id: LeaseID(response.id), timeToLive: .seconds(response.ttl))
    }

    package func keepAlive(_ id: LeaseID) async throws(StoreError) -> Lease {
        // A stream that carries one request and its answer, so it may go to another member the next
        // time.
        let response = try await caller.call(Self.keepAlive, .with { $0.id = id.rawValue })
        guard response.ttl > 0 else { throw .leaseNotFound(id) }
        return Lease(id: id, timeToLive: .seconds(response.ttl))
    }

    @discardableResult
    package func revoke(_ id: LeaseID) async throws(StoreError) -> Revision {
        let response = try await caller.call(Self.revoke, .with { $0.id = id.rawValue })
        return Revision(response.header.revision)
    }

    package func status(of id: LeaseID) async throws(StoreError) -> LeaseStatus {
        let response = try await caller.call(
            Self.timeToLive,
            .with {
                $0.id = id.rawValue
                $0.keys = true
            }
        )
        guard response.grantedTtl > 0 else { throw .leaseNotFound(id) }
        return LeaseStatus(
            lease: Lease(id: id, timeToLive: .seconds(response.grantedTtl)),
            remaining: .seconds(max(0, response.ttl)),
            keys: response.keys.map { StoreKey($0) }.sorted()
        )
    }

    private static let grant = EtcdMethod<
        Etcdserverpb_LeaseGrantRequest, Etcdserverpb_LeaseGrantResponse
    >(path: "/etcdserverpb.Lease/LeaseGrant", effect: .change)
    private static let revoke = EtcdMethod<
        Etcdserverpb_LeaseRevokeRequest, Etcdserverpb_LeaseRevokeResponse
    >(path: "/etcdserverpb.Lease/LeaseRevoke", effect: .change)
    private static let keepAlive = EtcdMethod<
        Etcdserverpb_LeaseKeepAliveRequest, Etcdserverpb_LeaseKeepAliveResponse
    >(path: "/etcdserverpb.Lease/LeaseKeepAlive", effect: .repeatable)
    private static let timeToLive = EtcdMethod<
        Etcdserverpb_LeaseTimeToLiveRequest, Etcdserverpb_LeaseTimeToLiveResponse
    >(path: "/etcdserverpb.Lease/LeaseTimeToLive", effect: .repeatable)
}
