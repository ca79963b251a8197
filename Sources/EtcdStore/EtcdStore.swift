import EtcdAPI
package import Logging
package import NIOCore
package import Store

/// The shared store: an etcd v3 cluster, asked over our own gRPC client.
///
/// Reads and leases go on with another member when one fails. A change that may have reached a
/// member is not sent again: its error says that the outcome is unknown.
package final class EtcdStore: Store {
    let configuration: EtcdConfiguration
    let caller: EtcdCaller

    /// Connects with the first request.
    ///
    /// - Precondition: there is at least one endpoint.
    package init(
        _ configuration: EtcdConfiguration,
        eventLoop: any EventLoop,
        logger: Logger
    ) {
        self.configuration = configuration
        self.caller = EtcdCaller(configuration, eventLoop: eventLoop, logger: logger)
    }

    // MARK: Reading

    package func range(_ query: RangeQuery) async throws(StoreError) -> RangeResult {
        try configuration.limits.check(query)
        guard query.revision != .zero else {
            throw .invalid("the revision 0, which no etcd is ever at")
        }
        // Between two pages of the present a compaction can take its revision away: then begin
        // again.
        for _ in 0..<Self.maximumRestarts {
            do throws(StoreError) {
                return try await pages(query)
            } catch {
                guard error.code == .compacted, query.revision == nil else { throw error }
            }
        }
        throw StoreError(.unavailable, "compactions came between the pages of \(query.range)")
    }

    private static let maximumRestarts = 5

    /// Reads a range page by page, all of them at the first one's revision.
    private func pages(_ query: RangeQuery) async throws(StoreError) -> RangeResult {
        let limit = query.limit ?? configuration.limits.maximumRangeEntries
        var page = configuration.maximumPageEntries
        var rest = query.range
        var revision = query.revision
        var entries: [StoreEntry] = []
        while true {
            let request = Etcdserverpb_RangeRequest(
                rest,
                at: revision,
                limit: min(page, limit - entries.count)
            )
            let response: Etcdserverpb_RangeResponse
            switch try await caller.attempts(Self.range, request) {
            case .answer(let answer): response = answer
            case .tooLarge(let reason):
                guard page > 1 else { throw .limitExceeded("an entry of etcd: \(reason)") }
                page /= 2
                continue
            }
            let known = revision ?? Revision(response.header.revision)
            revision = known
            entries += response.kvs.map { StoreEntry($0) }
            guard response.more, entries.count < limit, let last = entries.last else {
                guard query.limit != nil || !response.more else {
                    throw .limitExceeded("more than \(limit) entries in \(query.range)")
                }
                return RangeResult(revision: known, entries: entries, hasMore: response.more)
            }
            rest = KeyRange(from: StoreKey(bytes: last.key.bytes + [0]), to: query.range.end)
        }
    }

    // MARK: Writing

    package func commit(_ transaction: Transaction) async throws(StoreError) -> TransactionResult {
        try configuration.limits.check(transaction)
        let request = Etcdserverpb_TxnRequest(transaction)
        return TransactionResult(try await caller.call(Self.txn, request))
    }

    package func compact(before revision: Revision) async throws(StoreError) {
        // etcd names the last revision that goes, but for what can be read at it.
        guard revision > Revision(1) else { return }
        do throws(StoreError) {
            _ = try await caller.call(
                Self.compact,
                .with { $0.revision = revision.previous.rawValue }
            )
        } catch {
            // Forgotten already.
            guard error.code == .compacted else { throw error }
        }
    }

    package func close() async {
        await caller.close()
    }
}

// MARK: - Methods

extension EtcdStore {
    private static let range = EtcdMethod<Etcdserverpb_RangeRequest, Etcdserverpb_RangeResponse>(
        path: "/etcdserverpb.KV/Range",
        effect: .repeatable
    )
    private static let txn = EtcdMethod<Etcdserverpb_TxnRequest, Etcdserverpb_TxnResponse>(
        path: "/etcdserverpb.KV/Txn",
        effect: .change
    )
    private static let compact = EtcdMethod<
        Etcdserverpb_CompactionRequest, Etcdserverpb_CompactionResponse
    >(path: "/etcdserverpb.KV/Compact", effect: .repeatable)
}
