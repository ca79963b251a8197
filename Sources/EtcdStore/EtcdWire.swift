import EtcdAPI
import Foundation
import Store

// How the store's values look on etcd's wire.

extension StoreKey {
    init(_ data: Data) {
        self.init(bytes: Array(data))
    }

    var data: Data { Data(bytes) }
}

extension KeyRange {
    /// etcd takes no empty key; the first that there can be is a zero byte.
    var wireKey: Data { start.bytes.isEmpty ? Data([0]) : start.data }

    /// A zero byte for a range without an end.
    var wireEnd: Data { end?.data ?? Data([0]) }
}

extension StoreEntry {
    init(_ wire: Mvccpb_KeyValue) {
        self.init(
            key: StoreKey(wire.key),
            value: Array(wire.value),
            createRevision: Revision(wire.createRevision),
            modRevision: Revision(wire.modRevision),
            version: wire.version,
            lease: wire.lease == 0 ? nil : LeaseID(wire.lease)
        )
    }
}

extension StoreChange {
    /// Nil for a kind of event that this program doesn't know.
    init?(_ wire: Mvccpb_Event) {
        switch wire.type {
        case .put: self = .put(StoreEntry(wire.kv))
        case .delete: self = .delete(StoreKey(wire.kv.key), Revision(wire.kv.modRevision))
        case .UNRECOGNIZED: return nil
        }
    }
}

extension Etcdserverpb_RangeRequest {
    init(_ range: KeyRange, at revision: Revision?, limit: Int) {
        self.init()
        key = range.wireKey
        rangeEnd = range.wireEnd
        self.limit = Int64(limit)
        self.revision = revision?.rawValue ?? 0
    }
}

extension Etcdserverpb_TxnRequest {
    init(_ transaction: Transaction) {
        self.init()
        compare = transaction.compares.map { Etcdserverpb_Compare($0) }
        success = transaction.success.map { Etcdserverpb_RequestOp($0) }
        failure = transaction.failure.map { Etcdserverpb_RequestOp($0) }
    }
}

extension Etcdserverpb_Compare {
    init(_ compare: Transaction.Compare) {
        self.init()
        key = compare.key.data
        switch compare {
        case .createRevision(_, let relation, let revision):
            (result, target) = (relation.wire, .create)
            createRevision = revision.rawValue
        case .modRevision(_, let relation, let revision):
            (result, target) = (relation.wire, .mod)
            modRevision = revision.rawValue
        case .version(_, let relation, let version):
            (result, target) = (relation.wire, .version)
            self.version = version
        case .value(_, let relation, let value):
            (result, target) = (relation.wire, .value)
            self.value = Data(value)
        case .lease(_, let relation, let lease):
            (result, target) = (relation.wire, .lease)
            self.lease = lease?.rawValue ?? 0
        }
    }
}

extension Transaction.Relation {
    var wire: Etcdserverpb_Compare.CompareResult {
        switch self {
        case .equal: .equal
        case .notEqual: .notEqual
        case .less: .less
        case .greater: .greater
        }
    }
}

extension Etcdserverpb_RequestOp {
    init(_ operation: Transaction.Operation) {
        self.init()
        switch operation {
        case .put(let key, let value, let lease):
            requestPut = .with {
                $0.key = key.data
                $0.value = Data(value)
                $0.lease = lease?.rawValue ?? 0
            }
        case .delete(let key):
            requestDeleteRange = .with { $0.key = key.data }
        case .deleteRange(let range):
            requestDeleteRange = .with {
                $0.key = range.wireKey
                $0.rangeEnd = range.wireEnd
            }
        case .range(let query):
            requestRange = Etcdserverpb_RangeRequest(query.range, at: nil, limit: query.limit ?? 0)
        }
    }
}

extension TransactionResult {
    init(_ wire: Etcdserverpb_TxnResponse) {
        let revision = Revision(wire.header.revision)
        self.init(
            succeeded: wire.succeeded,
            revision: revision,
            results: wire.responses.map { OperationResult($0, at: revision) }
        )
    }
}

extension TransactionResult.OperationResult {
    init(_ wire: Etcdserverpb_ResponseOp, at revision: Revision) {
        switch wire.response {
        case .responsePut, nil: self = .put
        case .responseDeleteRange(let response): self = .deleted(Int(response.deleted))
        case .responseRange(let response):
            self = .range(
                RangeResult(
                    revision: revision,
                    entries: response.kvs.map { StoreEntry($0) },
                    hasMore: response.more
                )
            )
        }
    }
}
